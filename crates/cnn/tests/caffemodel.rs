//! Reading files of Caffe: files that the test writes itself, and real files if they are in a folder next to the project.
#![cfg(feature = "cnn")]
#![expect(clippy::print_stdout, reason = "the tests print what they skipped and what they measured")]

mod caffe;

use std::path::PathBuf;

use caffe::*;
use fisherlens_cnn::{
    Architecture, CnnError, DATA, Framing, IMAGENET_MEAN, LayerKind, LayerParameters, MAX_RATIO, Parameters, Pooling,
    networks, read_binaryproto, read_caffemodel,
};
use ndarray::{Array1, Array3, ArrayD, Axis, array};
use prost::Message;

#[test]
fn weights_of_every_version_are_read_bit_for_bit() {
    for architecture in [networks::small(3), tiny()] {
        let parameters = drawn(&architecture);
        for form in FORMS {
            let read = read_caffemodel(&Net::of(form, &parameters).encode_to_vec()).unwrap();
            assert_eq!(read.len(), parameters.len());
            assert_same_bits(&read.fitted(&architecture).unwrap(), &parameters);
            if form == Form::Current {
                assert_same_bits(&read, &parameters);
            }
        }
    }
}

#[test]
fn shapes_of_older_files_are_kept_and_a_bias_has_one_axis() {
    let read = read_caffemodel(&Net::of(Form::V1, &drawn(&tiny())).encode_to_vec()).unwrap();
    let shape = |name: &str| read.get(name).unwrap().weight.shape().to_vec();
    assert_eq!(shape("conv1"), [6, 2, 2, 2]);
    assert_eq!(shape("conv2"), [2, 6, 1, 1]);
    assert_eq!(shape("prelu1"), [1, 1, 1, 6]);
    assert_eq!(shape("fc3"), [1, 1, 3, 8]);
    assert_eq!(read.get("fc3").unwrap().bias, Some(array![-0.7, 1.0 - 0.7, 2.0 - 0.7]));
    assert_eq!(read.get("prelu1").unwrap().bias, None);
    assert!(read.get("data").is_none());
}

#[test]
fn doubles_and_unpacked_floats_are_read_and_gradients_are_ignored() {
    let double = Blob { data: Vec::new(), double_data: vec![0.1, -2.5], ..new_blob(&[1, 2], &[]) };
    let with_diff = Blob { diff: vec![9.0], double_diff: vec![8.0; 3], ..new_blob(&[1], &[4.0]) };
    let read = read_caffemodel(&of_one(vec![double, with_diff])).unwrap();
    let conv1 = read.get("conv1").unwrap();
    assert_eq!(conv1.weight, array![[0.1_f32, -2.5]].into_dyn());
    assert_eq!(conv1.bias, Some(array![4.0]));

    // Unpacked floats, as written without `packed = true`: the key 5 << 3 | 5 and four bytes for each, then a shape.
    let mut blob = Vec::new();
    for value in [1.5_f32, -0.25] {
        blob.push(5 << 3 | 5);
        blob.extend(value.to_le_bytes());
    }
    blob.extend([7 << 3 | 2, 4, 1 << 3, 2, 1 << 3, 1]);
    let net = within(100, &[within(1, b"conv1"), within(7, &blob)].concat());
    assert_eq!(read_caffemodel(&net).unwrap().get("conv1").unwrap().weight, array![[1.5], [-0.25]].into_dyn());
}

#[test]
fn auxiliary_heads_are_read_and_then_left_out_by_fitted() {
    let architecture = tiny();
    let parameters = drawn(&architecture);
    let mut net = Net::of(Form::Current, &parameters);
    net.push(Form::Current, "loss1/classifier", "InnerProduct", vec![new_blob(&[2, 1], &[1.0, 2.0])]);
    let read = read_caffemodel(&net.encode_to_vec()).unwrap();
    assert!(read.get("loss1/classifier").is_some());
    assert_same_bits(&read.fitted(&architecture).unwrap(), &parameters);
}

#[test]
fn mismatches_are_reported_with_the_name_of_the_layer() {
    let architecture = tiny();
    let mismatches = |change: &dyn Fn(&mut Current)| {
        let mut net = Net::of(Form::Current, &drawn(&architecture));
        net.layer.iter_mut().filter(|layer| layer.name() == "conv2").for_each(change);
        match read_caffemodel(&net.encode_to_vec()).unwrap().fitted(&architecture) {
            Err(CnnError::Weights { mismatches }) => mismatches.join("\n"),
            other => panic!("{other:?}"),
        }
    };
    let shape = mismatches(&|conv2| conv2.blobs[0] = new_blob(&[6, 2, 1, 1], &[0.0; 12]));
    assert_eq!(shape, "conv2: found weights of shape [6, 2, 1, 1], expected [2, 6, 1, 1]");
    assert_eq!(mismatches(&|conv2| conv2.blobs.clear()), "conv2: found no weights, expected [2, 6, 1, 1]");
    let bias = mismatches(&|conv2| conv2.blobs.truncate(1));
    assert_eq!(bias, "conv2: found no bias, expected 2 values");
    let bias = mismatches(&|conv2| conv2.blobs[1] = new_blob(&[3], &[0.0; 3]));
    assert_eq!(bias, "conv2: found a bias of 3 values, expected 2");
    let infinite = mismatches(&|conv2| {
        conv2.blobs[1] = Blob { data: Vec::new(), double_data: vec![0.0, 1e300], ..new_blob(&[2], &[]) };
    });
    assert_eq!(infinite, "conv2: found the value inf, expected finite values");
}

#[test]
fn invalid_layers_are_refused() {
    let one = || new_blob(&[1], &[1.0]);
    let named = "layer 1: \"conv1\" (Convolution): ";
    assert!(read_caffemodel(&of_one(vec![one(), one(), one()])).unwrap().get("conv1").unwrap().bias.is_none());
    let flat = new_blob(&[2, 2], &[0.0; 4]);
    assert_eq!(
        fault(&of_one(vec![one(), flat])),
        format!("{named}found a bias of shape [2, 2], expected at most one side above 1")
    );
    for form in FORMS {
        let mut net = Net::default();
        net.push(form, "twice", "Convolution", vec![one()]);
        net.push(form, "twice", "ReLU", Vec::new());
        assert_eq!(read_caffemodel(&net.encode_to_vec()).unwrap().len(), 1);
        net.push(form, "twice", "Convolution", vec![one()]);
        let found = fault(&net.encode_to_vec());
        assert!(found.starts_with("layer 3: found a second layer \"twice\" with weights"), "{found}");
    }
    let mut net = Net::default();
    net.push(Form::V1, "bn", "BatchNorm", vec![one(); 4]);
    let read = read_caffemodel(&net.encode_to_vec()).unwrap();
    assert!(read.get("bn").unwrap().bias.is_none(), "the second of four blobs is no bias");
    let nameless = within(100, &within(7, &one().encode_to_vec()));
    assert_eq!(fault(&nameless), "layer 1: found weights without a name, expected the name of their layer");
    let latin = within(100, &[within(1, b"conv\xe9"), within(7, &one().encode_to_vec())].concat());
    assert_eq!(fault(&latin), "layer 1: found a name that is not UTF-8");
    let untrained = Net { layer: vec![Current::default(); 2], ..Net::default() };
    let found = fault(&untrained.encode_to_vec());
    assert_eq!(found, "found 2 layers, all without weights, expected a trained network");
    assert!(fault(&[]).starts_with("found 0 layers"));
}

#[test]
fn wrong_shapes_are_refused() {
    let with = |dim: &[i64], n_values: usize| {
        let blob = Blob { shape: Some(Shape { dim: dim.to_vec() }), ..new_blob(&[], &vec![0.5; n_values]) };
        let (net, mean) = (fault(&of_one(vec![blob.clone()])), mean_fault(&blob.encode_to_vec()));
        assert_eq!(net, format!("layer 1: \"conv1\" (Convolution): weights: {mean}"));
        mean
    };
    assert_eq!(with(&[2, 3], 5), "found 5 values, expected as many as in the shape [2, 3]");
    assert_eq!(with(&[2, -3], 6), "found shape [2, -3], expected sides of at least 1");
    assert_eq!(with(&[0], 0), "found shape [0], expected sides of at least 1");
    let wraps_to_0 = [1 << 32; 2];
    assert!(with(&wraps_to_0, 0).starts_with("found 0 values"));
    assert!(with(&[i64::MAX, i64::MAX, 2], 2).starts_with("found 2 values"));
    assert_eq!(with(&[1; 33], 1), "found 33 axes, expected at most 32");
    assert!(with(&[1; 1000], 1).starts_with("found a shape of 1003 bytes"));
    let shapeless = Blob { shape: None, ..new_blob(&[], &[0.5]) };
    assert!(fault(&of_one(vec![shapeless])).contains("weights: found no shape"));
    let partly = Blob { num: Some(1), width: Some(2), data: vec![0.5; 2], ..Blob::default() };
    assert!(fault(&of_one(vec![partly])).contains("found shape [1, 0, 0, 2]"));
    // In Caffe a shape without sides is a scalar.
    let scalar = read_caffemodel(&of_one(vec![new_blob(&[], &[0.5])])).unwrap();
    assert_eq!(scalar.get("conv1").unwrap().weight, array![0.5].into_dyn());
}

#[test]
fn mean_images_are_read_or_refused() {
    let values: Vec<f32> = (0..24).map(|value| value as f32).collect();
    let expected = Array1::from_vec(values.clone()).into_shape_with_order((3, 2, 4)).unwrap();
    for blob in [old_blob(&[1, 3, 2, 4], &values), new_blob(&[1, 3, 2, 4], &values), new_blob(&[3, 2, 4], &values)] {
        assert_eq!(read_binaryproto(&blob.encode_to_vec()).unwrap(), expected);
    }
    // Only the first axis is removed; an axis of one channel stays.
    let grey = read_binaryproto(&old_blob(&[1, 1, 6, 4], &values).encode_to_vec()).unwrap();
    assert_eq!(grey.dim(), (1, 6, 4));
    let two = mean_fault(&old_blob(&[2, 3, 2, 2], &values).encode_to_vec());
    assert_eq!(two, "found shape [2, 3, 2, 2], expected channels, height and width");
    assert!(mean_fault(&new_blob(&[6, 4], &values).encode_to_vec()).starts_with("found shape [6, 4]"));
    let not_finite = new_blob(&[1, 1, 2], &[1.0, f32::NAN]).encode_to_vec();
    assert_eq!(mean_fault(&not_finite), "found the value NaN, expected finite values");
    assert!(mean_fault(&[]).starts_with("found no shape"));
}

#[test]
fn files_of_other_formats_are_refused() {
    let mean = old_blob(&[1, 3, 1, 1], &[1.0, 2.0, 3.0]).encode_to_vec();
    assert_eq!(fault(&mean), "found a number in field 2, expected a layer of a NetParameter");
    let net = Net::of(Form::Current, &drawn(&tiny())).encode_to_vec();
    assert!(mean_fault(&net).starts_with("the bytes are not a BlobProto"), "{}", mean_fault(&net));
    let others: [&[u8]; 5] = [
        b"name: \"CaffeNet\"\nlayer {\n  name: \"data\"\n}\n",
        b"<!DOCTYPE html>\n<html><head><title>Not found</title>",
        b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n",
        b"\x89HDF\r\n\x1a\n\0\0\0\0\0\x08\x08\0",
        b"\x1f\x8b\x08\0\0\0\0\0\0\x03",
    ];
    for other in others {
        assert!(fault(other).starts_with("the file is not protobuf (at byte "), "{}", fault(other));
        assert!(mean_fault(other).starts_with("the bytes are not a BlobProto: "), "{}", mean_fault(other));
    }
}

/// The bytes of a file of the folder `../shared/models`. If there is no such file, prints that the test is skipped.
fn shared_model(file: &str) -> Option<Vec<u8>> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/models").join(file);
    let bytes = std::fs::read(&path).ok();
    if bytes.is_none() {
        println!("skipped: there is no {}", path.display());
    }
    bytes
}

#[test]
fn a_real_caffemodel_is_read() {
    let Some(bytes) = shared_model("mtcnn_det2.caffemodel") else { return };
    let convolution = |n_filters, kernel| LayerKind::Convolution { n_filters, window: window(kernel, 1), n_groups: 1 };
    let pooling = || LayerKind::Pooling { pooling: Pooling::Max, window: window(3, 2) };
    let layers = vec![
        layer("conv1", DATA, convolution(28, 3)),
        layer("prelu1", "conv1", LayerKind::PRelu),
        layer("pool1", "prelu1", pooling()),
        layer("conv2", "pool1", convolution(48, 3)),
        layer("prelu2", "conv2", LayerKind::PRelu),
        layer("pool2", "prelu2", pooling()),
        layer("conv3", "pool2", convolution(64, 2)),
        layer("prelu3", "conv3", LayerKind::PRelu),
        layer("fc", "prelu3", LayerKind::InnerProduct { n_outputs: 128 }),
        layer("prelu4", "fc", LayerKind::PRelu),
        layer("score", "prelu4", LayerKind::InnerProduct { n_outputs: 2 }),
    ];
    let architecture = Architecture::new([3, 24, 24], layers).unwrap();
    let read = read_caffemodel(&bytes).unwrap();
    let shapes: Vec<(&str, &[usize], Option<usize>)> =
        read.iter().map(|(name, layer)| (name, layer.weight.shape(), layer.bias.as_ref().map(Array1::len))).collect();
    let expected: [(&str, &[usize], Option<usize>); 11] = [
        ("bbox_pred", &[4, 128], Some(4)),
        ("conv1", &[28, 3, 3, 3], Some(28)),
        ("conv2", &[48, 28, 3, 3], Some(48)),
        ("conv3", &[64, 48, 2, 2], Some(64)),
        ("fc", &[128, 576], Some(128)),
        ("landmark_pred", &[10, 128], Some(10)),
        ("prelu1", &[28], None),
        ("prelu2", &[48], None),
        ("prelu3", &[64], None),
        ("prelu4", &[128], None),
        ("score", &[2, 128], Some(2)),
    ];
    assert_eq!(shapes, expected);
    // These are the bytes of the bias in the file.
    let score = read.get("score").unwrap().bias.as_ref().unwrap();
    assert_eq!(score.mapv(f32::to_bits), array![0x3e9c_8a04, 0xbe9c_8a0d]);
    let fitted = read.fitted(&architecture).unwrap();
    assert_eq!(fitted.len(), 9);
    let again = read_caffemodel(&Net::of(Form::V1, &fitted).encode_to_vec()).unwrap();
    assert_same_bits(&again.fitted(&architecture).unwrap(), &fitted);
}

#[test]
fn real_mean_images_are_read() {
    for (file, side) in [("imagenet_mean.binaryproto", 256), ("VGG_CNN_S_mean.binaryproto", 224)] {
        let Some(bytes) = shared_model(file) else { continue };
        let mean = read_binaryproto(&bytes).unwrap();
        assert_eq!(mean.dim(), (3, side, side));
        let channels = mean.mean_axis(Axis(2)).unwrap().mean_axis(Axis(1)).unwrap();
        println!("{file}: {channels}");
        assert!(channels.iter().zip(IMAGENET_MEAN).all(|(found, expected)| (found - expected).abs() < 1.5));
        assert!(fault(&bytes).contains("expected a layer of a NetParameter"));
    }
}

#[test]
fn other_layers_are_passed_over_and_the_last_one_may_have_any_name() {
    let small = networks::small(4);
    let layer = |shape: &[usize]| LayerParameters { weight: ArrayD::zeros(shape), bias: None };
    let mut weights = Parameters::drawn(&small, 1);
    assert!(weights.unused(&small).is_empty());
    assert_eq!(weights.last_layer(&small, 4), Some("fc5"));
    assert_eq!(weights.last_layer(&small, 3), None);
    weights.insert("my/bn", layer(&[64]));
    weights.insert("birds", layer(&[3, 80]));
    assert_eq!(weights.unused(&small), ["birds", "my/bn"]);
    assert_eq!(weights.last_layer(&small, 3), Some("birds"));
    assert!(weights.fitted(&small.with_classes(3, "birds").unwrap()).is_err(), "this layer has no bias");
    // Two candidates leave it open which one is meant.
    weights.insert("flowers", layer(&[1, 1, 3, 80]));
    assert_eq!(weights.last_layer(&small, 3), None);
}

#[test]
fn a_long_strip_has_no_covering_frame() {
    let strip = |length: usize| Array3::zeros((2, length, 3));
    assert!(Framing::Covering.frame(strip(2 * MAX_RATIO).view(), 16).is_ok());
    assert!(Framing::Covering.frame(strip(2 * MAX_RATIO + 1).view(), 16).is_err());
    // A padded frame is never larger than its side.
    assert!(Framing::Padded.frame(strip(3000).view(), 16).is_ok());
    let message = Framing::Covering.frame(strip(3000).view(), 16).unwrap_err().to_string();
    assert!(message.contains("3000 x 2") && message.contains("16 times"), "{message}");
}
