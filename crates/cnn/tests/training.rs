//! Retraining: hand-computed loss and steps, and the same bits after resuming and with any number of threads.
#![cfg(feature = "cnn")]

use std::collections::BTreeMap;

use fisherlens_cnn::{
    Architecture, CnnError, Device, Layer, LayerKind, LayerParameters, Multipliers, Network, Parameters, Sgd, Training,
    networks, read_safetensors, write_safetensors,
};
use ndarray::{Array2, Array4, ArrayD, IxDyn, array};
use rand::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

const SGD: Sgd = Sgd {
    learning_rate: 0.01,
    momentum: 0.9,
    weight_decay: 5e-4,
    gamma: 0.1,
    step_size: 4,
    batch_size: 4,
    layers: BTreeMap::new(),
    seed: 7,
};

fn with(layers: &[(&str, f32, f32)]) -> Sgd {
    let layers = layers.iter().map(|&(name, rate, decay)| (name.to_owned(), Multipliers { rate, decay }));
    Sgd { layers: layers.collect(), ..SGD }
}

/// Settings with a higher learning rate for the last layer of the small network.
fn faster() -> Sgd {
    with(&[("fc5", 10.0, 1.0)])
}

fn samples(n: usize, n_classes: usize, seed: u64) -> (Array4<f32>, Array2<i8>) {
    let mut generator = Xoshiro256PlusPlus::seed_from_u64(seed);
    let x = Array4::from_shape_simple_fn((n, 3, 96, 96), || generator.gen_range(-1.0..1.0));
    let labels = Array2::from_shape_simple_fn((n, n_classes), || generator.gen_range(-1_i8..=1));
    (x, labels)
}

fn begin(sgd: Sgd) -> Training {
    let architecture = networks::small(3);
    let network = Network::new(architecture.clone(), &Parameters::drawn(&architecture, 1), &Device::flex()).unwrap();
    Training::new(network, sgd).unwrap()
}

#[test]
fn steps_match_hand_computed_values() {
    // f = w·x + b with two inputs and two classes. The label 0 has no loss.
    let kind = LayerKind::InnerProduct { n_outputs: 2 };
    let layer = Layer { name: "f".to_owned(), kind, bottoms: vec!["data".to_owned()] };
    let architecture = Architecture::new([2, 1, 1], vec![layer]).unwrap();
    let mut parameters = Parameters::new();
    let weight = ArrayD::from_shape_vec(IxDyn(&[2, 2]), vec![0.5, -0.25, 1.0, 0.0]).unwrap();
    parameters.insert("f", LayerParameters { weight, bias: Some(array![0.1, 0.0]) });
    let network = Network::new(architecture, &parameters, &Device::flex()).unwrap();
    let sgd = Sgd { weight_decay: 0.05, ..with(&[("f", 2.0, 2.0)]) };
    let mut training = Training::new(network, sgd).unwrap();
    let x = Array4::from_shape_vec((2, 2, 1, 1), vec![1.0, 2.0, -1.0, 1.0]).unwrap();
    let labels = array![[1_i8, 0], [-1, 1]];
    // Scores (0.1, 1) and (−0.65, −1). Losses 0.9 and 0, 0.35 and 2. The loss is half of their sum.
    let loss = training.advance(x.view(), labels.view()).unwrap();
    assert!((loss - (0.9 + 0.35 + 2.0) / 2.0).abs() < 1e-6, "{loss}");
    // Gradients: class 0 (−x₁ + x₂)/2 = (−1, −0.5), bias 0; class 1 −x₂/2 = (0.5, −0.5), bias −0.5. The rate is 0.01 · 2, and twice
    // this for biases.
    let after = training.network().parameters();
    let after = after.get("f").unwrap();
    let expected = [0.5 - 0.02 * (-1.0 + 0.05), -0.25 - 0.02 * (-0.5 - 0.025), 1.0 - 0.02 * (0.5 + 0.1), -0.02 * -0.5];
    assert!(after.weight.iter().zip(expected).all(|(found, expected)| (found - expected).abs() < 1e-6), "{after:?}");
    let bias = after.bias.as_ref().unwrap();
    assert!((bias[0] - 0.1).abs() < 1e-7 && (bias[1] - 0.02).abs() < 1e-7, "{bias}");
    // The second step contains nine tenths of the first.
    let velocity = training.velocities().get("f").unwrap().weight.clone();
    training.advance(x.view(), labels.view()).unwrap();
    let next = training.velocities().get("f").unwrap().weight.clone();
    assert!((next[[0, 0]] - (0.9 * velocity[[0, 0]] + 0.02 * (-1.0 + 0.1 * after.weight[[0, 0]]))).abs() < 1e-6);
}

#[test]
fn a_resumed_training_takes_the_same_steps_bit_for_bit() {
    let (x, labels) = samples(12, 3, 1);
    let step = |training: &mut Training| {
        let batch = SGD.batch(12, training.step());
        training
            .advance(x.select(ndarray::Axis(0), &batch).view(), labels.select(ndarray::Axis(0), &batch).view())
            .unwrap()
    };
    let mut whole = begin(faster());
    let losses: Vec<f32> = (0..6).map(|_| step(&mut whole)).collect();
    let mut first = begin(faster());
    (0..3).for_each(|_| {
        step(&mut first);
    });
    // The state is written to bytes and read again, as in a checkpoint.
    let weights = read_safetensors(&write_safetensors(&first.network().parameters()).unwrap()).unwrap();
    let velocities = read_safetensors(&write_safetensors(&first.velocities()).unwrap()).unwrap();
    let network = Network::new(networks::small(3), &weights, &Device::flex()).unwrap();
    let mut second = Training::resume(network, &velocities, 3, faster()).unwrap();
    let rest: Vec<f32> = (0..3).map(|_| step(&mut second)).collect();
    assert_eq!(rest, losses[3..]);
    assert_eq!(second.network().parameters(), whole.network().parameters());
}

#[test]
fn the_number_of_threads_changes_no_bit() {
    let (x, labels) = samples(8, 3, 2);
    let run = |n_threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(n_threads).build().unwrap();
        pool.install(|| {
            let mut training = begin(faster());
            let losses: Vec<f32> = (0..3).map(|_| training.advance(x.view(), labels.view()).unwrap()).collect();
            (losses, training.network().parameters())
        })
    };
    assert_eq!(run(1), run(3));
}

#[test]
fn frozen_layers_keep_their_weights_and_others_learn() {
    let (x, labels) = samples(4, 3, 3);
    let architecture = networks::small(3);
    let before = Parameters::drawn(&architecture, 1);
    let network = Network::new(architecture, &before, &Device::flex()).unwrap();
    let frozen = ["conv1", "inception_3/3x3"];
    let sgd = with(&[(frozen[0], 0.0, 1.0), (frozen[1], 0.0, 0.0)]);
    let mut training = Training::new(network, sgd).unwrap();
    (0..2).for_each(|_| {
        training.advance(x.view(), labels.view()).unwrap();
    });
    let after = training.network().parameters();
    for (layer, parameters) in before.iter() {
        let is_frozen = frozen.contains(&layer);
        assert_eq!(after.get(layer).unwrap() == parameters, is_frozen, "{layer}");
    }
}

#[test]
fn a_training_reduces_the_loss() {
    // The class is the sign of the mean of an image. The loss must become much smaller than with scores of 0.
    let (mut x, mut labels) = samples(8, 3, 4);
    labels.fill(-1);
    for (image, (mut x, mut labels)) in x.outer_iter_mut().zip(labels.outer_iter_mut()).enumerate() {
        x += if image % 2 == 0 { 0.8 } else { -0.8 };
        labels[0] = if image % 2 == 0 { 1 } else { -1 };
    }
    let mut training = begin(Sgd { step_size: 1000, ..faster() });
    let losses: Vec<f32> = (0..40).map(|_| training.advance(x.view(), labels.view()).unwrap()).collect();
    assert!(losses[39] < 0.3, "{losses:?}");
}

#[test]
fn every_epoch_contains_every_sample_once() {
    let sgd = Sgd { batch_size: 5, ..SGD };
    let seen: Vec<usize> = (0..6).flat_map(|step| sgd.batch(10, step)).collect();
    for epoch in seen.chunks(10) {
        let mut sorted = epoch.to_vec();
        sorted.sort_unstable();
        assert_eq!(sorted, (0..10).collect::<Vec<_>>());
    }
    assert_ne!(seen[..10], seen[10..20]);
    // Batches that contain samples of two epochs.
    let sgd = Sgd { batch_size: 7, ..SGD };
    let seen: Vec<usize> = (0..10).flat_map(|step| sgd.batch(10, step)).collect();
    assert!((0..10).all(|sample| seen.iter().filter(|&&seen| seen == sample).count() == 7));
    assert_eq!([sgd.rate(3), sgd.rate(4), sgd.rate(8)], [0.01, 0.01 * 0.1, 0.01 * 0.1 * 0.1]);
}

#[test]
fn invalid_settings_and_losses_that_are_not_finite_are_refused() {
    let architecture = networks::small(3);
    let network = Network::new(architecture.clone(), &Parameters::drawn(&architecture, 1), &Device::flex()).unwrap();
    for sgd in [
        Sgd { learning_rate: 0.0, ..SGD },
        Sgd { learning_rate: f32::NAN, ..SGD },
        Sgd { momentum: 1.0, ..SGD },
        Sgd { weight_decay: -1.0, ..SGD },
        Sgd { gamma: 0.0, ..SGD },
        Sgd { step_size: 0, ..SGD },
        Sgd { batch_size: 0, ..SGD },
        with(&[("conv1", f32::INFINITY, 1.0)]),
        with(&[("conv1", 1.0, -1.0)]),
        with(&[("relu1", 1.0, 1.0)]),
    ] {
        assert!(matches!(Training::new(network.clone(), sgd), Err(CnnError::Setting { .. })));
    }
    let unknown = Training::new(network.clone(), with(&[("conv9", 1.0, 1.0)]));
    assert!(matches!(unknown, Err(CnnError::UnknownLayer { .. })));
    let (mut x, labels) = samples(4, 3, 5);
    let mut training = Training::new(network, SGD).unwrap();
    assert!(matches!(training.advance(x.view(), labels.slice(ndarray::s![..3, ..])), Err(CnnError::Shape { .. })));
    x[[0, 0, 0, 0]] = f32::NAN;
    let before = training.network().parameters();
    assert!(matches!(training.advance(x.view(), labels.view()), Err(CnnError::NotFinite { .. })));
    assert_eq!(training.network().parameters(), before);
}
