//! Every rule compared with a naive implementation of its formula over single connections, in `f64`, for all combinations of groups,
//! stride, padding and bias.

use burn::tensor::{Device, Tensor, TensorData};
use rand::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

use crate::layer::Window;
use crate::network::{Tensors, values};
use crate::operations::Linear;
use crate::relevance::conservation::Absorbed;
use crate::relevance::parts::LinearLayer;
use crate::relevance::rule::{PixelRange, Rule};

/// A linear layer as a list of connections.
struct Connections {
    /// Input, output and weight of each connection.
    list: Vec<(usize, usize, f64)>,
    n_inputs: usize,
    n_outputs: usize,
    /// Channel of each input and output.
    input_channel: Vec<usize>,
    output_channel: Vec<usize>,
}

/// The connections of a convolution.
fn convolution(input: [usize; 3], weight: &[f32], n_filters: usize, window: Window, n_groups: usize) -> Connections {
    let [channels, height, width] = input;
    let Window { kernel, stride, padding } = window;
    let (rows, columns) = (window.n_convolved(height).unwrap(), window.n_convolved(width).unwrap());
    let (group_in, group_out) = (channels / n_groups, n_filters / n_groups);
    let mut list = Vec::new();
    for filter in 0..n_filters {
        for (row, column) in (0..rows).flat_map(|row| (0..columns).map(move |column| (row, column))) {
            for channel in 0..group_in {
                for (y, x) in (0..kernel).flat_map(|y| (0..kernel).map(move |x| (y, x))) {
                    let (from_y, from_x) = (row * stride + y, column * stride + x);
                    if (padding..height + padding).contains(&from_y) && (padding..width + padding).contains(&from_x) {
                        let of_group = filter / group_out * group_in + channel;
                        let from = (of_group * height + from_y - padding) * width + from_x - padding;
                        let to = (filter * rows + row) * columns + column;
                        let w = weight[((filter * group_in + channel) * kernel + y) * kernel + x];
                        list.push((from, to, f64::from(w)));
                    }
                }
            }
        }
    }
    Connections {
        list,
        n_inputs: channels * height * width,
        n_outputs: n_filters * rows * columns,
        input_channel: (0..channels * height * width).map(|at| at / (height * width)).collect(),
        output_channel: (0..n_filters * rows * columns).map(|at| at / (rows * columns)).collect(),
    }
}

fn positive(value: f64) -> f64 {
    value.max(0.0)
}

fn negative(value: f64) -> f64 {
    value.min(0.0)
}

/// `R[i] = Σ_j share(i, j) / (Σ_i share(i, j) + bias[j] + ε·sign) · R[j] · factor[j]`
fn distributed(
    layer: &Connections,
    relevance: &[f64],
    bias: impl Fn(usize) -> f64,
    epsilon: f64,
    share: impl Fn(usize, usize, f64) -> f64,
    factor: impl Fn(usize) -> f64,
) -> Vec<f64> {
    let mut z: Vec<f64> = (0..layer.n_outputs).map(&bias).collect();
    layer.list.iter().for_each(|&(i, j, w)| z[j] += share(i, j, w));
    let mut result = vec![0.0; layer.n_inputs];
    for &(i, j, w) in &layer.list {
        let stabilized = if z[j] >= 0.0 { z[j] + epsilon } else { z[j] - epsilon };
        result[i] += share(i, j, w) / stabilized * relevance[j] * factor(j);
    }
    result
}

/// Relevance of the inputs by the formula of a rule.
fn twin(rule: &Rule, layer: &Connections, x: &[f64], b: &[f64], relevance: &[f64]) -> Vec<f64> {
    let e = 1e-6;
    let bias = |j: usize| b[layer.output_channel[j]];
    let all = |_| 1.0;
    // Positive and negative contributions.
    let contribution_for = |i: usize, w: f64| positive(x[i]) * positive(w) + negative(x[i]) * negative(w);
    let contribution_against = |i: usize, w: f64| positive(x[i]) * negative(w) + negative(x[i]) * positive(w);
    match rule {
        Rule::Z => distributed(layer, relevance, bias, e, |i, _, w| x[i] * w, all),
        Rule::Epsilon { epsilon } => distributed(layer, relevance, bias, f64::from(*epsilon), |i, _, w| x[i] * w, all),
        Rule::ZPlus => distributed(layer, relevance, |j| positive(bias(j)), e, |i, _, w| contribution_for(i, w), all),
        Rule::AlphaBeta { alpha, beta } => {
            let up = distributed(layer, relevance, |j| positive(bias(j)), e, |i, _, w| contribution_for(i, w), all);
            let down =
                distributed(layer, relevance, |j| negative(bias(j)), e, |i, _, w| contribution_against(i, w), all);
            up.iter().zip(&down).map(|(up, down)| f64::from(*alpha) * up - f64::from(*beta) * down).collect()
        }
        Rule::Gamma { gamma } => {
            let g = f64::from(*gamma);
            let mut z: Vec<f64> = (0..layer.n_outputs).map(bias).collect();
            layer.list.iter().for_each(|&(i, j, w)| z[j] += x[i] * w);
            let above = distributed(
                layer,
                relevance,
                |j| bias(j) + g * positive(bias(j)),
                e,
                |i, _, w| positive(x[i]) * (w + g * positive(w)) + negative(x[i]) * (w + g * negative(w)),
                |j| f64::from(u8::from(z[j] > 0.0)),
            );
            let below = distributed(
                layer,
                relevance,
                |j| bias(j) + g * negative(bias(j)),
                e,
                |i, _, w| positive(x[i]) * (w + g * negative(w)) + negative(x[i]) * (w + g * positive(w)),
                |j| f64::from(u8::from(z[j] < 0.0)),
            );
            above.iter().zip(&below).map(|(above, below)| above + below).collect()
        }
        Rule::Flat => distributed(layer, relevance, |_| 0.0, e, |_, _, _| 1.0, all),
        Rule::WSquare => distributed(layer, relevance, |_| 0.0, e, |_, _, w| w * w, all),
        Rule::ZBox(pixels) => {
            let low = |i: usize| f64::from(pixels.low[layer.input_channel[i]]);
            let high = |i: usize| f64::from(pixels.high[layer.input_channel[i]]);
            let share = |i: usize, _, w: f64| x[i] * w - low(i) * positive(w) - high(i) * negative(w);
            distributed(layer, relevance, |_| 0.0, e, share, all)
        }
    }
}

fn rules(channels: usize) -> Vec<Rule> {
    let pixels = PixelRange { low: vec![-1.5; channels], high: vec![1.25; channels] };
    vec![
        Rule::Z,
        Rule::Epsilon { epsilon: 0.3 },
        Rule::Gamma { gamma: 0.25 },
        Rule::Gamma { gamma: 0.0 },
        Rule::ZPlus,
        Rule::AlphaBeta { alpha: 2.0, beta: 1.0 },
        Rule::AlphaBeta { alpha: 1.0, beta: 0.0 },
        Rule::Flat,
        Rule::WSquare,
        Rule::ZBox(pixels),
    ]
}

fn tensor<const D: usize>(values: &[f32], shape: [usize; D]) -> Tensor<D> {
    Tensor::from_data(TensorData::new(values.to_vec(), shape), &Device::flex())
}

/// Random values in ±1 that are not near 0, so that no denominator of the test is near 0 by chance.
fn draw(n: usize, generator: &mut impl Rng) -> Vec<f32> {
    (0..n).map(|_| generator.gen_range(0.1..1.0) * if generator.r#gen() { 1.0 } else { -1.0 }).collect()
}

/// A layer to test.
struct Case {
    operation: Linear,
    input: [usize; 3],
    weight: Tensor<4>,
    connections: Connections,
    n_outputs: usize,
    output: [usize; 3],
}

/// Compares all rules with their naive implementations on a random input.
fn compare(case: &Case, bias: Option<Vec<f32>>, nonnegative: bool, generator: &mut impl Rng) {
    let [channels, height, width] = case.input;
    let mut x = draw(channels * height * width, generator);
    if nonnegative {
        for value in &mut x {
            *value = value.max(0.0);
        }
    }
    let n = case.connections.n_outputs;
    // One image with two targets.
    let relevance = draw(2 * n, generator);
    let [out_channels, rows, columns] = case.output;
    let x_tensor = tensor(&x, [1, channels, height, width]);
    let bias_tensor = bias.as_ref().map(|bias| tensor(bias, [case.n_outputs]));
    let z = case.operation.forward(x_tensor.clone(), case.weight.clone(), bias_tensor.clone());
    let tensors = Tensors { weight: case.weight.clone(), bias: bias_tensor };
    let layer = LinearLayer {
        operation: case.operation.clone(),
        tensors: &tensors,
        x: x_tensor,
        is_nonnegative: nonnegative,
        z,
    };
    let wide = |values: &[f32]| values.iter().map(|&value| f64::from(value)).collect::<Vec<_>>();
    let bias = wide(&bias.unwrap_or_else(|| vec![0.0; case.n_outputs]));
    for rule in rules(channels) {
        let mut absorbed = Absorbed::default();
        let relevance_tensor = tensor(&relevance, [2, out_channels, rows, columns]);
        let found = values(layer.distribute(&rule, &relevance_tensor, Some(&mut absorbed)));
        let mut sums = (0.0, 0.0);
        for target in 0..2 {
            let arrived = wide(&relevance[target * n..(target + 1) * n]);
            let expected = twin(&rule, &case.connections, &wide(&x), &bias, &arrived);
            let largest = expected.iter().fold(1.0_f64, |largest, value| largest.max(value.abs()));
            let found = &found[target * x.len()..(target + 1) * x.len()];
            for (found, expected) in found.iter().zip(&expected) {
                assert!((f64::from(*found) - expected).abs() < 2e-3 * largest, "{rule}: {found} {expected}");
            }
            sums = (sums.0 + arrived.iter().sum::<f64>(), sums.1 + expected.iter().sum::<f64>());
        }
        let unexplained = sums.0 - sums.1 - absorbed.bias - absorbed.stabilizer;
        let scale = sums.0.abs() + sums.1.abs() + absorbed.bias.abs() + absorbed.stabilizer.abs() + 1.0;
        assert!(unexplained.abs() < 5e-3 * scale, "{rule}: {unexplained} of {sums:?}, {absorbed:?}");
    }
}

#[test]
fn every_rule_for_convolutions_equals_its_formula() {
    let mut generator = Xoshiro256PlusPlus::seed_from_u64(1);
    for n_groups in [1, 2] {
        for stride in [1, 2, 3] {
            for padding in [0, 1, 2] {
                for with_bias in [false, true] {
                    for nonnegative in [false, true] {
                        let window = Window { kernel: 3, stride, padding };
                        let (input, n_filters) = ([4, 7, 6], 6);
                        let weight = draw(n_filters * 4 / n_groups * 9, &mut generator);
                        let case = Case {
                            operation: Linear::Convolution { window, n_groups },
                            input,
                            connections: convolution(input, &weight, n_filters, window, n_groups),
                            weight: tensor(&weight, [n_filters, 4 / n_groups, 3, 3]),
                            n_outputs: n_filters,
                            output: [
                                n_filters,
                                window.n_convolved(input[1]).unwrap(),
                                window.n_convolved(input[2]).unwrap(),
                            ],
                        };
                        let bias = with_bias.then(|| draw(n_filters, &mut generator));
                        compare(&case, bias, nonnegative, &mut generator);
                    }
                }
            }
        }
    }
}

#[test]
fn every_rule_for_inner_products_equals_its_formula() {
    let mut generator = Xoshiro256PlusPlus::seed_from_u64(2);
    for with_bias in [false, true] {
        let (input, n_outputs) = ([3, 2, 2], 5);
        let weight = draw(n_outputs * 12, &mut generator);
        // An inner product is a convolution whose kernel covers the whole input.
        let whole = Window { kernel: 2, stride: 1, padding: 0 };
        let case = Case {
            operation: Linear::InnerProduct,
            input,
            connections: convolution(input, &weight, n_outputs, whole, 1),
            weight: tensor(&weight, [n_outputs, 12, 1, 1]),
            n_outputs,
            output: [n_outputs, 1, 1],
        };
        let bias = with_bias.then(|| draw(n_outputs, &mut generator));
        compare(&case, bias, false, &mut generator);
    }
}

#[test]
fn alpha_beta_with_a_bias_and_negative_relevance_matches_hand_computed_values() {
    // W = (1, −1), b = −1, x = (1, 1), R = −1. Other implementations are wrong about the bias or the sign of R.
    let tensors = Tensors { weight: tensor(&[1.0, -1.0], [1, 2, 1, 1]), bias: Some(tensor(&[-1.0], [1])) };
    let layer = LinearLayer {
        operation: Linear::InnerProduct,
        tensors: &tensors,
        x: tensor(&[1.0, 1.0], [1, 2, 1, 1]),
        is_nonnegative: false,
        z: tensor(&[-1.0], [1, 1, 1, 1]),
    };
    let relevance = tensor(&[-1.0], [1, 1, 1, 1]);
    for (alpha, beta, expected) in [(1.0, 0.0, [-1.0, 0.0]), (2.0, 1.0, [-2.0, 0.5])] {
        let found = values(layer.distribute(&Rule::AlphaBeta { alpha, beta }, &relevance, None));
        assert!(found.iter().zip(expected).all(|(found, expected)| (found - expected).abs() < 1e-5), "{found:?}");
    }
}
