//! The published networks, composites, relevance, gradients and preprocessing.
#![cfg(feature = "cnn")]

use fisherlens_cnn::{
    Architecture, Bookkeeping, CnnError, Composite, Crop, Device, Framing, IMAGENET_MEAN, Layer, LayerKind, LayerRule,
    MAX_RATIO, Mean, Network, Occlusion, Parameters, Rule, Selector, Targets, Window, networks,
};
use ndarray::{Array3, Array4, Axis, s};
use proptest::prelude::*;
use rand::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

fn small() -> Network {
    let architecture = networks::small(4);
    Network::new(architecture.clone(), &Parameters::drawn(&architecture, 3), &Device::flex()).unwrap()
}

fn images(n: usize, side: usize, seed: u64) -> Array4<f32> {
    let mut generator = Xoshiro256PlusPlus::seed_from_u64(seed);
    Array4::from_shape_simple_fn((n, 3, side, side), || generator.gen_range(-1.0..1.0))
}

fn pixels() -> fisherlens_cnn::PixelRange {
    Mean::Channels(IMAGENET_MEAN).pixel_range()
}

#[test]
fn the_three_networks_have_their_published_sizes() {
    assert_eq!(networks::caffenet().n_parameters(), 60_965_224);
    assert_eq!(networks::googlenet().n_parameters(), 6_998_552);
    // 96·3·49 + 256·96·25 + 512·256·9 + 2·512·512·9 + 4096·512·36 + 4096² + 1000·4096 and the biases.
    let vgg = networks::vgg_cnn_s();
    assert_eq!(vgg.shape(vgg.layer("pool5").unwrap() + 1), [512, 6, 6]);
    assert_eq!(vgg.n_parameters(), 102_908_520);
    let caffenet = networks::caffenet();
    for (layer, shape) in
        [("conv1", [96, 55, 55]), ("pool1", [96, 27, 27]), ("pool2", [256, 13, 13]), ("pool5", [256, 6, 6])]
    {
        assert_eq!(caffenet.shape(caffenet.layer(layer).unwrap() + 1), shape, "{layer}");
    }
    let googlenet = networks::googlenet();
    for (layer, shape) in [
        ("conv1/7x7_s2", [64, 112, 112]),
        ("pool1/3x3_s2", [64, 56, 56]),
        ("inception_3b/output", [480, 28, 28]),
        ("pool4/3x3_s2", [832, 7, 7]),
        ("pool5/7x7_s1", [1024, 1, 1]),
    ] {
        assert_eq!(googlenet.shape(googlenet.layer(layer).unwrap() + 1), shape, "{layer}");
    }
    assert_eq!(googlenet.layers().iter().filter(|layer| layer.name.starts_with("inception")).count(), 9 * 14);
}

#[test]
fn layers_that_do_not_fit_are_reported() {
    let layer = |name: &str, kind: LayerKind, bottom: &str| Layer {
        name: name.to_owned(),
        kind,
        bottoms: vec![bottom.to_owned()],
    };
    let convolution = |n_groups, kernel| LayerKind::Convolution {
        n_filters: 4,
        window: Window { kernel, stride: 1, padding: 0 },
        n_groups,
    };
    let refused = |layers: Vec<Layer>| Architecture::new([3, 8, 8], layers).unwrap_err().to_string();
    for (layers, words) in [
        (vec![layer("a", convolution(2, 3), "data")], "4 filters and 3 channels cannot be divided into 2 groups"),
        (vec![layer("a", convolution(1, 9), "data")], "does not fit into 8 x 8"),
        (vec![layer("a", LayerKind::Relu, "b")], "no earlier layer computes a blob \"b\""),
        (vec![layer("a", LayerKind::Relu, "data"), layer("a", LayerKind::Relu, "a")], "the name is already used"),
        (vec![layer("a", LayerKind::InnerProduct { n_outputs: 0 }, "data")], "found 0 outputs"),
        (vec![layer("a", LayerKind::Dropout { ratio: 1.0 }, "data")], "found a share of 1"),
        (Vec::new(), "0 layers"),
    ] {
        assert!(refused(layers).contains(words), "{words}");
    }
}

#[test]
fn a_network_split_into_two_computes_the_same() {
    let whole = small();
    let (below, above) = whole.architecture().split_after("pool3").unwrap();
    let parameters = whole.parameters();
    let below = Network::new(below, &parameters, &Device::flex()).unwrap();
    let above = Network::new(above, &parameters, &Device::flex()).unwrap();
    let x = images(3, 96, 1);
    let between = below.blob(x.view(), "pool3").unwrap();
    assert_eq!(above.scores(between.view()).unwrap(), whole.scores(x.view()).unwrap());
    // Inside an inception block there is no layer that all paths go through.
    let error = whole.architecture().split_after("inception_3/1x1").unwrap_err().to_string();
    assert!(error.contains("a split after a layer that all paths go through"), "{error}");
    assert!(matches!(whole.architecture().split_after("pool9"), Err(CnnError::UnknownLayer { .. })));
}

#[test]
fn with_classes_changes_the_number_of_scores_and_the_name_of_the_layer() {
    let architecture = networks::googlenet().with_classes(20, "classifier").unwrap();
    assert_eq!(architecture.n_classes(), 20);
    assert_eq!(architecture.weight_shape(architecture.layer("classifier").unwrap()), [20, 1024]);
}

#[test]
fn an_image_has_the_same_scores_alone_and_in_a_batch() {
    let (network, x) = (small(), images(5, 96, 2));
    let together = network.scores(x.view()).unwrap();
    for (image, row) in x.outer_iter().zip(together.rows()) {
        let alone = network.scores(image.insert_axis(Axis(0))).unwrap();
        assert!(alone.row(0).iter().zip(row).all(|(a, b)| (a - b).abs() < 1e-5));
    }
    assert!(matches!(network.scores(images(1, 95, 1).view()), Err(CnnError::Shape { .. })));
    assert!(matches!(network.scores(Array4::zeros((0, 3, 96, 96)).view()), Err(CnnError::Shape { .. })));
}

#[test]
fn composites_are_parsed_and_their_errors_are_reported() {
    let architecture = networks::small(4);
    let rule = |text: &str, layer: &str| {
        let layer = architecture.layer(layer).unwrap();
        Composite::parse(text, &pixels())
            .unwrap()
            .rule_of(&architecture, layer)
            .map(|rule| rule.map(ToString::to_string))
    };
    assert_eq!(rule("epsilon-plus-flat", "conv1").unwrap().unwrap(), "flat");
    assert_eq!(rule("epsilon-plus-flat", "conv2").unwrap().unwrap(), "z-plus");
    assert_eq!(rule("epsilon-plus-flat", "fc5").unwrap().unwrap(), "epsilon:1");
    assert_eq!(rule("epsilon-plus-flat,lrn=taylor,conv2=gamma:0.5", "norm1").unwrap().unwrap(), "taylor");
    assert_eq!(rule("epsilon-plus-flat,conv2=gamma:0.5", "conv2").unwrap().unwrap(), "gamma:0.5");
    let range = "inception_3/1x1..inception_3/output=alpha-beta:3:2,convolution=z,inner-product=z";
    assert_eq!(rule(range, "inception_3/5x5").unwrap().unwrap(), "alpha-beta:3:2");
    assert_eq!(rule(range, "conv2").unwrap().unwrap(), "z");
    assert_eq!(rule(range, "relu1").unwrap(), None);
    let missing = rule("convolution=z", "fc5").unwrap_err().to_string();
    assert!(missing.contains("no rule for layer \"fc5\" (inner-product)"), "{missing}");
    let wrong = rule("alpha2-beta1,pool1=epsilon:1", "pool1").unwrap_err().to_string();
    assert!(wrong.contains("cannot have the rule \"epsilon:1\"; expected winner or proportional"), "{wrong}");
    for (text, words) in [
        ("epsilon:0", "expected SELECTOR=RULE or one of epsilon, alpha2-beta1"),
        ("convolution=epsilon:0", "one number above 0"),
        ("convolution=alpha-beta:2:2", "alpha - beta = 1"),
        ("convolution=sigma", "expected z, epsilon:E"),
        ("=z", "before \"=\""),
        ("convolution=epsilon:x", "finite numbers"),
    ] {
        let error = Composite::parse(text, &pixels()).unwrap_err().to_string();
        assert!(error.contains(words), "{text}: {error}");
    }
    for (name, _) in fisherlens_cnn::PRESETS {
        for layer in 0..architecture.layers().len() {
            Composite::parse(name, &pixels()).unwrap().rule_of(&architecture, layer).unwrap();
        }
    }
}

#[test]
fn a_layer_without_a_rule_is_refused() {
    let network = small();
    let trace = network.trace(images(1, 96, 1).view()).unwrap();
    let composite = Composite::new().with(Selector::Type("convolution".to_owned()), LayerRule::Linear(Rule::Z));
    let error = network.relevance(&trace, &composite, &Targets::Best, Bookkeeping::Off).unwrap_err();
    assert!(matches!(error, CnnError::NoRule { .. }), "{error}");
}

#[test]
fn relevance_is_conserved_at_every_layer_by_every_preset() {
    let (network, x) = (small(), images(2, 96, 4));
    let trace = network.trace(x.view()).unwrap();
    for (name, _) in fisherlens_cnn::PRESETS {
        for more in ["", ",lrn=taylor", ",max-pooling=proportional"] {
            let composite = Composite::parse(&format!("{name}{more}"), &pixels()).unwrap();
            let found = network.relevance(&trace, &composite, &Targets::Classes(vec![1, 3]), Bookkeeping::On).unwrap();
            let start = found.conservation[0].arrived;
            for layer in &found.conservation {
                let scale =
                    start.abs() + layer.arrived.abs() + layer.absorbed.bias.abs() + layer.absorbed.stabilizer.abs();
                assert!(layer.unexplained().abs() < 2e-3 * scale, "{name}{more}: {layer:?}");
            }
            let last = found.conservation.last().unwrap();
            let sum: f64 = found.pixels.iter().map(|&value| f64::from(value)).sum();
            assert_eq!(last.layer, "conv1");
            assert!((last.passed_on - sum).abs() < 1e-3 * (sum.abs() + 1.0));
            // Recording the conservation at each layer does not change the relevance.
            let without =
                network.relevance(&trace, &composite, &Targets::Classes(vec![1, 3]), Bookkeeping::Off).unwrap();
            assert_eq!(without.pixels, found.pixels);
        }
    }
}

#[test]
fn targets_and_images_have_the_same_relevance_alone_and_in_a_batch() {
    let (network, x) = (small(), images(3, 96, 5));
    let composite = Composite::parse("alpha2-beta1", &pixels()).unwrap();
    let explain = |x: &Array4<f32>, targets: &Targets| {
        network.relevance(&network.trace(x.view()).unwrap(), &composite, targets, Bookkeeping::Off).unwrap().pixels
    };
    let together = explain(&x, &Targets::Classes(vec![2, 0]));
    assert_eq!(together.dim(), (2, 3, 3, 96, 96));
    let near = |a: ndarray::ArrayView3<'_, f32>, b: ndarray::ArrayView3<'_, f32>| {
        let largest = b.iter().fold(0.0_f32, |largest, value| largest.max(value.abs()));
        a.iter().zip(b).all(|(a, b)| (a - b).abs() <= 1e-4 * largest)
    };
    for image in 0..3 {
        let one = x.slice(s![image..=image, .., .., ..]).to_owned();
        for (at, class) in [2, 0].into_iter().enumerate() {
            let alone = explain(&one, &Targets::Classes(vec![class]));
            assert!(near(together.slice(s![at, image, .., .., ..]), alone.slice(s![0, 0, .., .., ..])));
        }
    }
    let each = explain(&x, &Targets::Each(vec![0, 2, 0]));
    assert!(near(each.slice(s![0, 1, .., .., ..]), together.slice(s![0, 1, .., .., ..])));
    let trace = network.trace(x.view()).unwrap();
    let refused = |targets| network.relevance(&trace, &composite, &targets, Bookkeeping::Off).unwrap_err();
    assert!(matches!(refused(Targets::Classes(vec![4])), CnnError::Class { found: 4, n_classes: 4 }));
    assert!(matches!(refused(Targets::Each(vec![0])), CnnError::Shape { .. }));
}

#[test]
fn the_z_rule_without_biases_is_gradient_times_input() {
    // A network of convolutions, ReLU and inner products without biases is linear near an input. Both methods then give the same result.
    let layer =
        |name: &str, kind, bottom: &str| Layer { name: name.to_owned(), kind, bottoms: vec![bottom.to_owned()] };
    let window = |kernel, stride, padding| Window { kernel, stride, padding };
    let convolution = |n_filters, window, n_groups| LayerKind::Convolution { n_filters, window, n_groups };
    let architecture = Architecture::new(
        [3, 12, 12],
        vec![
            layer("a", convolution(6, window(3, 2, 1), 1), "data"),
            layer("b", LayerKind::Relu, "a"),
            layer("c", convolution(8, window(3, 1, 1), 2), "b"),
            layer("d", LayerKind::Relu, "c"),
            layer("e", LayerKind::InnerProduct { n_outputs: 3 }, "d"),
        ],
    )
    .unwrap();
    let network = Network::new(architecture.clone(), &Parameters::drawn(&architecture, 8), &Device::flex()).unwrap();
    let x = images(2, 12, 6);
    let composite = Composite::parse("convolution=z,inner-product=z", &pixels()).unwrap();
    let trace = network.trace(x.view()).unwrap();
    let relevance = network.relevance(&trace, &composite, &Targets::Each(vec![1, 2]), Bookkeeping::Off).unwrap().pixels;
    let product = network.gradient_times_input(x.view(), &[1, 2]).unwrap();
    let largest = product.iter().fold(0.0_f32, |largest, value| largest.max(value.abs()));
    for (found, expected) in relevance.iter().zip(&product) {
        assert!((found - expected).abs() < 2e-3 * largest, "{found} {expected}");
    }
}

#[test]
fn gradients_equal_finite_differences_of_scores() {
    let (network, x) = (small(), images(1, 96, 7));
    let gradient = network.gradient(x.view(), &[2]).unwrap();
    let mut generator = Xoshiro256PlusPlus::seed_from_u64(1);
    let step = 2e-2_f32;
    for _ in 0..20 {
        let at = [0, generator.gen_range(0..3), generator.gen_range(0..96), generator.gen_range(0..96)];
        let score = |change: f32| {
            let mut x = x.clone();
            x[at] += change;
            f64::from(network.scores(x.view()).unwrap()[[0, 2]])
        };
        let difference = (score(step) - score(-step)) / f64::from(2.0 * step);
        assert!((f64::from(gradient[at]) - difference).abs() < 1e-3, "{} {difference}", gradient[at]);
    }
    let directions = images(1, 96, 8) * 1e-3;
    let ahead = network.scores((&x + &directions).view()).unwrap()[[0, 2]];
    let behind = network.scores((&x - &directions).view()).unwrap()[[0, 2]];
    let expected = (&gradient * &directions).sum() * 2.0;
    assert!((ahead - behind - expected).abs() < 5e-2 * expected.abs() + 1e-5, "{} {expected}", ahead - behind);
}

#[test]
fn integrated_gradients_sum_to_the_difference_of_scores() {
    let (network, x) = (small(), images(2, 96, 9));
    let baseline = Array4::zeros((1, 3, 96, 96));
    let attributed = network.integrated_gradients(x.view(), baseline.view(), &[0, 3], 40).unwrap();
    let (scores, start) = (network.scores(x.view()).unwrap(), network.scores(baseline.view()).unwrap());
    for (image, class) in [0, 3].into_iter().enumerate() {
        let sum = attributed.index_axis(Axis(0), image).sum();
        let expected = scores[[image, class]] - start[[0, class]];
        assert!((sum - expected).abs() < 0.05 * expected.abs() + 1e-3, "{sum} {expected}");
    }
    assert!(network.integrated_gradients(x.view(), baseline.view(), &[0, 3], 0).is_err());
    assert!(network.gradient(x.view(), &[0]).is_err());
    assert!(network.gradient(x.view(), &[0, 4]).is_err());
}

#[test]
fn occlusion_finds_the_square_that_matters() {
    // One inner product whose weights are 0 outside a single square.
    let kind = LayerKind::InnerProduct { n_outputs: 1 };
    let layer = Layer { name: "a".to_owned(), kind, bottoms: vec!["data".to_owned()] };
    let architecture = Architecture::new([3, 8, 8], vec![layer]).unwrap();
    let mut parameters = Parameters::drawn(&architecture, 1);
    let mut of_layer = parameters.get("a").unwrap().clone();
    let seen = |at: usize| (4..8).contains(&(at % 64 / 8)) && at % 8 < 4;
    of_layer.weight.iter_mut().enumerate().for_each(|(at, value)| *value = f32::from(u8::from(seen(at))));
    parameters.insert("a", of_layer);
    let network = Network::new(architecture, &parameters, &Device::flex()).unwrap();
    let x = Array4::ones((1, 3, 8, 8));
    let effect = network.occlusion(x.view(), &[0], Occlusion { side: 4, stride: 4, value: 0.0 }).unwrap();
    assert_eq!(effect.slice(s![0, 0, 4..8, 0..4]), Array4::<f32>::from_elem((1, 1, 4, 4), 3.0).slice(s![0, 0, .., ..]));
    assert!((effect.sum() - 48.0).abs() < 1e-4);
    assert!(network.occlusion(x.view(), &[0], Occlusion { side: 9, stride: 4, value: 0.0 }).is_err());
}

fn photograph(height: usize, width: usize) -> Array3<u8> {
    Array3::from_shape_fn((height, width, 3), |(y, x, channel)| ((x * 2 + y * 3 + channel * 50) % 256) as u8)
}

#[test]
fn frames_have_the_right_size_and_padding_repeats_the_nearest_pixel() {
    let (frame, placement) = Framing::Padded.frame(photograph(48, 64).view(), 64).unwrap();
    assert_eq!(frame.dim(), (64, 64, 3));
    assert_eq!((placement.offset, placement.size, placement.scale), ([0, 8], [64, 48], [1.0, 1.0]));
    assert_eq!(frame.slice(s![8..56, .., ..]), photograph(48, 64));
    for row in (0..8).chain(56..64) {
        let edge = if row < 8 { 8 } else { 55 };
        assert_eq!(frame.index_axis(Axis(0), row), frame.index_axis(Axis(0), edge));
    }
    let (frame, placement) = Framing::Covering.frame(photograph(100, 200).view(), 50).unwrap();
    assert_eq!((frame.dim(), placement.size), ((50, 100, 3), [100, 50]));
    assert!(Framing::Padded.frame(Array3::zeros((0, 3, 3)).view(), 10).is_err());
    // A photograph of one row still has one row when it is made smaller.
    assert_eq!(Framing::Padded.frame(photograph(1, 500).view(), 64).unwrap().0.dim(), (64, 64, 3));
}

#[test]
fn ten_crops_are_four_corners_and_the_centre_and_their_mirrors() {
    let (frame, _) = Framing::Padded.frame(photograph(40, 40).view(), 40).unwrap();
    let crops = Crop::ten((40, 40), 30).unwrap();
    let corners: Vec<_> = crops.iter().map(|crop| (crop.left, crop.top, crop.mirrored)).collect();
    let plain = [(0, 0), (10, 0), (0, 10), (10, 10), (5, 5)];
    let expected: Vec<_> = [false, true].iter().flat_map(|&m| plain.iter().map(move |&(x, y)| (x, y, m))).collect();
    assert_eq!(corners, expected);
    assert_eq!(crops[3].cut(&frame)[[0, 0, 1]], frame[[10, 10, 1]]);
    assert_eq!(crops[8].cut(&frame)[[0, 0, 1]], frame[[10, 39, 1]]);
    assert!(Crop::centre((40, 29), 30).is_err());
}

#[test]
fn inputs_are_blue_green_and_red_minus_the_mean() {
    let pixels = Array3::from_shape_fn((2, 3, 3), |(y, x, channel)| (100 * channel + 10 * y + x) as u8);
    let input = Mean::Channels([1.0, 2.0, 3.0]).input(pixels.view()).unwrap();
    assert_eq!(input[[0, 1, 2]], 212.0 - 1.0);
    assert_eq!(input[[2, 1, 2]], 12.0 - 3.0);
    // The centre of a larger mean image is used.
    let mean = Array3::from_shape_fn((3, 6, 5), |(channel, y, x)| (100 * channel + 10 * y + x) as f32);
    let input = Mean::Image(mean).input(pixels.view()).unwrap();
    assert_eq!(input[[0, 0, 0]], 200.0 - 21.0);
    assert!(Mean::Image(Array3::zeros((3, 1, 5))).input(pixels.view()).is_err());
    let range = Mean::Channels(IMAGENET_MEAN).pixel_range();
    assert_eq!((range.low[0], range.high[2]), (-104.0, 132.0));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(64) })]

    #[test]
    fn windows_cover_every_pixel_and_stay_inside(height in 20_usize..90, width in 20_usize..90, stride in 1_usize..30) {
        let side = 20;
        let windows = Crop::windows((height, width), side, stride).unwrap();
        let mut seen = Array3::<u8>::zeros((height, width, 1));
        for window in &windows {
            prop_assert!(window.left + side <= width && window.top + side <= height);
            seen.slice_mut(s![window.top..window.top + side, window.left..window.left + side, ..]).fill(1);
        }
        // With a stride larger than the side, some pixels lie between the windows.
        prop_assert!(stride > side || seen.iter().all(|&seen| seen == 1));
        let unique: std::collections::BTreeSet<_> = windows.iter().map(|window| (window.left, window.top)).collect();
        prop_assert_eq!(unique.len(), windows.len());
    }

    #[test]
    fn frames_of_any_photograph_have_their_side(height in 1_usize..80, width in 1_usize..80, side in 1_usize..70) {
        let (padded, placement) = Framing::Padded.frame(photograph(height, width).view(), side).unwrap();
        prop_assert_eq!(padded.dim(), (side, side, 3));
        prop_assert!(placement.offset[0] + placement.size[0] <= side && placement.offset[1] + placement.size[1] <= side);
        let covering = Framing::Covering.frame(photograph(height, width).view(), side);
        prop_assert_eq!(covering.is_err(), height.max(width) > MAX_RATIO * height.min(width));
        if let Ok((covering, _)) = covering {
            prop_assert_eq!(covering.dim().0.min(covering.dim().1), side);
        }
    }
}
