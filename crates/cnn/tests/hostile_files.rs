//! Damaged and malicious files: cut off, changed, or with lengths that are far too large.
#![cfg(feature = "cnn")]
#![expect(clippy::print_stdout, reason = "the tests print what they measured")]

mod caffe;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use caffe::*;
use fisherlens_cnn::{
    LayerParameters, Parameters, read_binaryproto, read_caffemodel, read_safetensors, write_safetensors,
};
use ndarray::{Array1, ArrayD, array};
use proptest::prelude::*;
use prost::Message;

/// Counts the bytes that are allocated by the current thread, so that tests in other threads are not counted.
struct Counting;

thread_local! {
    static ALLOCATED: Cell<isize> = const { Cell::new(0) };
    static MAX_ALLOCATED: Cell<isize> = const { Cell::new(0) };
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn count(change: isize) {
    ALLOCATED.set(ALLOCATED.get() + change);
    MAX_ALLOCATED.set(MAX_ALLOCATED.get().max(ALLOCATED.get()));
}

#[expect(unsafe_code, reason = "an allocator needs it; every call is passed on to the system's allocator")]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(-(layout.size() as isize));
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size as isize - layout.size() as isize);
        unsafe { System.realloc(pointer, layout, size) }
    }
}

/// The result of a function, and the greatest number of bytes that it had allocated at one time.
fn max_allocated<T>(function: impl FnOnce() -> T) -> (T, usize) {
    ALLOCATED.set(0);
    MAX_ALLOCATED.set(0);
    let result = function();
    (result, MAX_ALLOCATED.get() as usize)
}

#[test]
fn a_length_without_bytes_allocates_nothing() {
    let ten_gigabytes = 10_000_000_000;
    let blob = [claim(7, 2), vec![1 << 3, 1]].concat();
    let claims = [
        claim(100, ten_gigabytes),
        claim(2, ten_gigabytes),
        within(100, &claim(1, ten_gigabytes)),
        within(100, &claim(7, ten_gigabytes)),
        within(2, &within(1, &claim(50, ten_gigabytes))),
        within(100, &within(7, &[blob.clone(), claim(5, ten_gigabytes)].concat())),
        within(100, &within(7, &[blob, claim(8, ten_gigabytes)].concat())),
        within(100, &within(7, &claim(7, ten_gigabytes))),
        within(100, &within(7, &within(7, &claim(1, ten_gigabytes)))),
        claim(100, u64::MAX),
        claim(17, u64::MAX),
    ];
    for bytes in claims {
        let (result, n_bytes) = max_allocated(|| read_caffemodel(&bytes));
        let error = result.unwrap_err().to_string();
        assert!(n_bytes < 10_000, "{n_bytes} bytes allocated: {error}");
    }
    for field in [5, 6, 7, 8] {
        let bytes = claim(field, ten_gigabytes);
        let (result, n_bytes) = max_allocated(|| read_binaryproto(&bytes));
        assert!(n_bytes < 10_000, "{n_bytes} bytes allocated: {}", result.unwrap_err());
    }
}

#[test]
fn memory_is_proportional_to_the_size_of_the_file() {
    const N: usize = 1 << 20;
    // One more than a power of two: then a growing vector has the most unused capacity.
    let values = vec![0.5; N / 4 + 1];
    let shape = new_blob(&[values.len()], &[]).encode_to_vec();
    let unpacked = values.iter().flat_map(|value: &f32| [vec![5 << 3 | 5], value.to_le_bytes().to_vec()].concat());
    let unpacked: Vec<u8> = shape.iter().copied().chain(unpacked).collect();
    let doubles = Blob { double_data: vec![0.5; values.len()], ..new_blob(&[values.len()], &[]) };
    let layer = |blob: &[u8]| within(100, &[within(1, b"conv1"), within(7, blob)].concat());
    let files = [
        ("weights", of_one(vec![new_blob(&[values.len()], &values)])),
        ("doubles", of_one(vec![doubles])),
        ("unpacked weights", layer(&unpacked)),
        ("empty layers", within(100, &[]).repeat(N / 3)),
        ("empty old layers", within(2, &[]).repeat(N / 2)),
        ("empty blobs", within(100, &within(7, &[]).repeat(N / 2))),
        ("sides", layer(&within(7, &within(1, &vec![1; N])))),
        ("shapes", layer(&within(7, &[]).repeat(N / 2))),
        ("names", within(100, &within(1, b"a").repeat(N / 3))),
        ("groups", vec![1 << 3 | 3; N]),
    ];
    for (what, bytes) in files {
        let (result, n_bytes) = max_allocated(|| read_caffemodel(&bytes));
        println!("{what}: {n_bytes} bytes for {}: {:?}", bytes.len(), result.map(|read| read.len()));
        assert!(n_bytes < 3 * bytes.len() + 10_000, "{what}: {n_bytes} bytes allocated for {}", bytes.len());
    }
    let one = new_blob(&[1], &[1.0]);
    let mut many = Net::default();
    (0..20_000).for_each(|at| many.push(Form::V1, &at.to_string(), "", vec![one.clone()]));
    let bytes = many.encode_to_vec();
    let (result, n_bytes) = max_allocated(|| read_caffemodel(&bytes));
    assert!(result.unwrap_err().to_string().contains("found more than 16384 layers"));
    assert!(n_bytes < 16 << 20, "{n_bytes}");
}

/// Reads the bytes as every format, and calls `fitted` on the weights. This must not panic. Returns which formats could be read.
fn try_all(bytes: &[u8]) -> [bool; 3] {
    let nets = [read_caffemodel(bytes), read_safetensors(bytes)];
    for parameters in nets.iter().flatten() {
        let _ = parameters.fitted(&tiny());
    }
    [nets[0].is_ok(), nets[1].is_ok(), read_binaryproto(bytes).is_ok()]
}

/// Weights so few that every change of every byte of their files can be tested.
fn few_weights() -> Parameters {
    let mut few_weights = Parameters::new();
    few_weights.insert("fc3", LayerParameters { weight: array![[1.0, 2.0]].into_dyn(), bias: Some(array![3.0]) });
    few_weights.insert("prelu1", LayerParameters { weight: array![4.0, 5.0].into_dyn(), bias: None });
    few_weights
}

#[test]
fn every_prefix_and_every_changed_byte_is_read_or_refused_without_a_panic() {
    let mean = old_blob(&[1, 3, 1, 1], &[1.0, 2.0, 3.0]).encode_to_vec();
    let mut files = vec![mean, write_safetensors(&few_weights()).unwrap()];
    files.extend(FORMS.map(|form| Net::of(form, &few_weights()).encode_to_vec()));
    for bytes in files {
        assert!(try_all(&bytes).contains(&true));
        for length in 0..bytes.len() {
            try_all(&bytes[..length]);
        }
        let mut changed = bytes.clone();
        for at in 0..bytes.len() {
            for value in 0..=255 {
                changed[at] = value;
                try_all(&changed);
            }
            changed[at] = bytes[at];
        }
    }
}

#[test]
fn a_file_cut_inside_a_layer_is_refused() {
    for form in FORMS {
        // Without the inputs, which come after the layers in the older versions.
        let net = Net { input: Vec::new(), input_dim: Vec::new(), ..Net::of(form, &few_weights()) };
        let bytes = net.encode_to_vec();
        let n_read = (0..bytes.len()).filter(|&length| read_caffemodel(&bytes[..length]).is_ok()).count();
        // A prefix can be read if it ends after a layer and has weights; `fitted` then reports the missing layers. Of the five layers
        // the second is the first one with weights, so there are three such prefixes.
        assert_eq!(n_read, 3);
    }
    let mean = old_blob(&[1, 3, 1, 1], &[1.0, 2.0, 3.0]).encode_to_vec();
    let safetensors = write_safetensors(&few_weights()).unwrap();
    assert!((0..mean.len()).all(|length| read_binaryproto(&mean[..length]).is_err()));
    assert!((0..safetensors.len()).all(|length| read_safetensors(&safetensors[..length]).is_err()));
}

fn any_blob() -> impl Strategy<Value = Blob> {
    let side = prop_oneof![8 => 1_i64..4, 1 => Just(0), 1 => any::<i64>()];
    let old = prop::option::weighted(0.2, prop_oneof![8 => 1_i32..4, 1 => any::<i32>()]);
    let numbers = (prop::collection::vec(any::<f32>(), 0..12), prop::collection::vec(any::<f64>(), 0..3));
    let shape = prop::option::weighted(0.9, prop::collection::vec(side, 0..5));
    (numbers, shape, old, any::<bool>()).prop_map(|((mut data, double_data), shape, old, is_true)| {
        let count = shape.iter().flatten().try_fold(1_usize, |count, &side| count.checked_mul(side as usize));
        if let Some(count) = count.filter(|&count| is_true && count < 1000) {
            data.resize(count, 1.0);
        }
        let shape = shape.map(|dim| Shape { dim });
        Blob {
            num: old,
            width: old,
            data,
            shape,
            double_data: if is_true { Vec::new() } else { double_data },
            ..Blob::default()
        }
    })
}

fn any_net() -> impl Strategy<Value = Net> {
    let form = prop_oneof![Just(Form::Current), Just(Form::V1), Just(Form::V0)];
    let name = prop_oneof![Just("conv1"), Just("prelu1"), Just("conv2"), Just("fc3"), Just("loss"), Just("")];
    let layers = prop::collection::vec((form, name, prop::collection::vec(any_blob(), 0..4)), 0..5);
    layers.prop_map(|layers| {
        let mut net = Net::default();
        for (form, name, blobs) in layers {
            net.push(form, name, "InnerProduct", blobs);
        }
        net
    })
}

fn any_parameters() -> impl Strategy<Value = Parameters> {
    let weight = prop::collection::vec(1_usize..4, 1..5).prop_flat_map(|shape| {
        let values = prop::collection::vec(any::<f32>(), shape.iter().product::<usize>());
        values.prop_map(move |values| ArrayD::from_shape_vec(shape.clone(), values).unwrap())
    });
    let bias = prop::option::of(prop::collection::vec(any::<f32>(), 1..5).prop_map(Array1::from_vec));
    prop::collection::btree_map("[a-z0-9_./ ]{1,12}", (weight, bias), 1..6).prop_map(|layers| {
        let mut parameters = Parameters::new();
        for (name, (weight, bias)) in layers {
            parameters.insert(&name, LayerParameters { weight, bias });
        }
        parameters
    })
}

proptest! {
    #[test]
    fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        try_all(&bytes);
        // With the right length at the start, safetensors reads the bytes as its header.
        try_all(&[&(bytes.len() as u64).to_le_bytes(), bytes.as_slice()].concat());
        try_all(&within(100, &within(7, &bytes)));
        try_all(&within(2, &within(1, &bytes)));
    }

    #[test]
    fn strange_nets_never_panic(net in any_net(), cut in any::<prop::sample::Index>(), change: u8) {
        let mut bytes = net.encode_to_vec();
        try_all(&bytes);
        if !bytes.is_empty() {
            let cut = cut.index(bytes.len());
            try_all(&bytes[..cut]);
            bytes[cut] = change;
            try_all(&bytes);
        }
    }

    #[test]
    fn strange_means_never_panic(blob in any_blob()) {
        try_all(&blob.encode_to_vec());
    }

    #[test]
    fn weights_of_any_shape_come_back(parameters in any_parameters()) {
        assert_same_bits(&read_safetensors(&write_safetensors(&parameters).unwrap()).unwrap(), &parameters);
        for form in FORMS {
            let read = read_caffemodel(&Net::of(form, &parameters).encode_to_vec()).unwrap();
            prop_assert_eq!(read.len(), parameters.len());
            if form == Form::Current {
                assert_same_bits(&read, &parameters);
            }
        }
    }

    #[test]
    fn changed_safetensors_never_panic(parameters in any_parameters(), at in any::<prop::sample::Index>(), change: u8) {
        let mut bytes = write_safetensors(&parameters).unwrap();
        let at = at.index(bytes.len());
        try_all(&bytes[..at]);
        bytes[at] = change;
        try_all(&bytes);
    }
}
