//! GoogLeNet with its real weights, compared with PyTorch and zennit. The test needs the weights in `../shared/models`; without them it is
//! skipped.
#![cfg(feature = "cnn")]
#![expect(clippy::print_stdout, reason = "the test prints what it measured, or that it was skipped")]

use std::fs::File;
use std::path::PathBuf;

use fisherlens_cnn::{Bookkeeping, Composite, Device, Network, PixelRange, Targets, networks, read_safetensors};
use ndarray::{Array1, Array3, Axis};
use ndarray_npy::NpzReader;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..")
}

#[test]
fn googlenet_agrees_with_pytorch_and_zennit() {
    let weights = root().join("../shared/models/bvlc_googlenet.safetensors");
    let Ok(weights) = std::fs::read(&weights) else {
        println!("skipped: there is no {}", weights.display());
        return;
    };
    let golden = File::open(root().join("tests/golden/googlenet_lrp_chelsea.npz")).unwrap();
    let mut golden = NpzReader::new(golden).unwrap();
    let input: Array3<f32> = golden.by_name("input").unwrap();
    let logits: Array1<f32> = golden.by_name("logits").unwrap();

    let network = Network::new(networks::googlenet(), &read_safetensors(&weights).unwrap(), &Device::flex()).unwrap();
    let trace = network.trace(input.view().insert_axis(Axis(0))).unwrap();
    let scores = trace.scores().index_axis_move(Axis(0), 0);
    let worst = (&scores - &logits).iter().fold(0.0_f32, |worst, gap| worst.max(gap.abs()));
    println!("logits: largest difference {worst:e}");
    assert!(worst < 1e-3);

    let pixels = PixelRange { low: vec![-104.0, -117.0, -123.0], high: vec![151.0, 138.0, 132.0] };
    for (name, composite) in [
        ("epsilon_1e-2", "epsilon"),
        ("epsilon_1", "convolution=epsilon:1,inner-product=epsilon:1"),
        ("alpha2beta1_conv_epsilon1_fc", "alpha2-beta1"),
        ("zplus_conv_epsilon1_fc", "z-plus"),
        ("gamma025_conv_epsilon1_fc", "gamma"),
    ] {
        let expected: Array3<f32> = golden.by_name(&format!("relevance_{name}")).unwrap();
        let composite = Composite::parse(composite, &pixels).unwrap();
        let relevance = network.relevance(&trace, &composite, &Targets::Best, Bookkeeping::Off).unwrap().pixels;
        let relevance = relevance.index_axis_move(Axis(0), 0).index_axis_move(Axis(0), 0);
        let largest = expected.iter().fold(0.0_f32, |largest, value| largest.max(value.abs()));
        let worst = (&relevance - &expected).iter().fold(0.0_f32, |worst, gap| worst.max(gap.abs()));
        println!("{name}: largest difference {:e} of max|R|", worst / largest);
        assert!(worst < 1e-3 * largest, "{name}: {worst} of {largest}");
    }
}
