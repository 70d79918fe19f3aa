//! Every rule of a linear layer is a sum of parts.
//!
//! A part has terms and a bias. A term is a pair of inputs `x_t` and weights `W_t`. The relevance of a part is
//!
//! ```text
//! z = Σ_t W_t x_t + b        s = factor · R / (z + ε·sign z)        R_in = Σ_t x_t ⊙ W_tᵀ s
//! ```
//! So all rules need only the forward pass `W_t x_t` and the backward pass `W_tᵀ s` of each term.

use burn::tensor::Tensor;

use crate::network::Tensors;
use crate::operations::Linear;
use crate::relevance::conservation::Absorbed;
use crate::relevance::rule::{PixelRange, Rule, STABILIZER};

/// Inputs and the weights that they are multiplied with.
struct Term {
    x: Tensor<4>,
    weight: Tensor<4>,
}

/// One summand of a rule; see the formula at the top of this file.
struct Part {
    factor: f32,
    terms: Vec<Term>,
    bias: Option<Tensor<1>>,
    /// `z`, if the network has already computed it.
    z: Option<Tensor<4>>,
    epsilon: f32,
    /// 1 for the outputs to which the part applies, 0 for the others.
    mask: Option<Tensor<4>>,
}

/// A linear layer with its weights, inputs and outputs.
pub(crate) struct LinearLayer<'a> {
    pub(crate) operation: Linear,
    pub(crate) tensors: &'a Tensors,
    /// The inputs.
    pub(crate) x: Tensor<4>,
    /// Whether no input can be negative.
    pub(crate) is_nonnegative: bool,
    /// The outputs.
    pub(crate) z: Tensor<4>,
}

impl LinearLayer<'_> {
    /// Relevance of the inputs from the relevance of the outputs, both `(targets · images, …)`. What bias and stabiliser absorb is added to
    /// `absorbed`.
    pub(crate) fn distribute(&self, rule: &Rule, relevance: &Tensor<4>, absorbed: Option<&mut Absorbed>) -> Tensor<4> {
        let mut absorbed = absorbed;
        // Under γ the relevance of outputs of exactly 0 is not distributed.
        if let (Rule::Gamma { .. }, Some(absorbed)) = (rule, absorbed.as_deref_mut()) {
            let n_targets = relevance.dims()[0] / self.x.dims()[0];
            let is_zero = self.z.clone().equal_elem(0.0).float();
            absorbed.stabilizer += total(relevance.clone() * tiled(is_zero, n_targets));
        }
        let mut distributed: Option<Tensor<4>> = None;
        for part in self.parts(rule, relevance) {
            let of_part = self.distribute_part(part, relevance.clone(), absorbed.as_deref_mut());
            distributed = Some(match distributed {
                Some(others) => others + of_part,
                None => of_part,
            });
        }
        distributed.unwrap_or_else(|| {
            let [_, channels, height, width] = self.x.dims();
            Tensor::zeros([relevance.dims()[0], channels, height, width], &self.x.device())
        })
    }

    /// The relevance that one part distributes to the inputs.
    fn distribute_part(&self, part: Part, relevance: Tensor<4>, absorbed: Option<&mut Absorbed>) -> Tensor<4> {
        let n_targets = relevance.dims()[0] / self.x.dims()[0];
        let z = match part.z {
            Some(z) => z,
            None => self.sum(&part.terms, part.bias.clone()),
        };
        let denominator = stabilized(z.clone(), part.epsilon);
        let mut s = relevance / tiled(denominator.clone(), n_targets);
        if part.factor != 1.0 {
            s = s * part.factor;
        }
        if let Some(mask) = part.mask {
            s = s * tiled(mask, n_targets);
        }
        if let Some(absorbed) = absorbed {
            absorbed.stabilizer += total(s.clone() * tiled(denominator - z, n_targets));
            if let Some(bias) = part.bias {
                absorbed.bias += total(s.clone() * bias.reshape([1, -1, 1, 1]));
            }
        }
        let mut distributed: Option<Tensor<4>> = None;
        for Term { x, weight } in part.terms {
            let [_, channels, height, width] = x.dims();
            let of_term = self.operation.adjoint(s.clone(), weight, [channels, height, width]) * tiled(x, n_targets);
            distributed = Some(match distributed {
                Some(others) => others + of_term,
                None => of_term,
            });
        }
        distributed.expect("a part has terms")
    }

    /// `z = Σ_t W_t x_t + b`.
    fn sum(&self, terms: &[Term], bias: Option<Tensor<1>>) -> Tensor<4> {
        let mut bias = bias;
        let mut sum: Option<Tensor<4>> = None;
        for Term { x, weight } in terms {
            let of_term = self.operation.forward(x.clone(), weight.clone(), bias.take());
            sum = Some(match sum {
                Some(sum) => sum + of_term,
                None => of_term,
            });
        }
        sum.expect("a part has terms")
    }

    /// The parts of a rule.
    fn parts(&self, rule: &Rule, relevance: &Tensor<4>) -> Vec<Part> {
        let weight = &self.tensors.weight;
        let bias = &self.tensors.bias;
        let positive = |bias: &Option<Tensor<1>>| bias.clone().map(|bias| bias.clamp_min(0.0));
        let negative = |bias: &Option<Tensor<1>>| bias.clone().map(|bias| bias.clamp_max(0.0));
        let part = |terms: Vec<Term>, bias: Option<Tensor<1>>| Part {
            factor: 1.0,
            terms,
            bias,
            z: None,
            epsilon: STABILIZER,
            mask: None,
        };
        // w⁺ and w⁻.
        let (up, down) = (|| weight.clone().clamp_min(0.0), || weight.clone().clamp_max(0.0));
        match rule {
            Rule::Z | Rule::Epsilon { .. } => {
                let epsilon = if let Rule::Epsilon { epsilon } = rule { *epsilon } else { STABILIZER };
                let terms = vec![Term { x: self.x.clone(), weight: weight.clone() }];
                vec![Part { z: Some(self.z.clone()), epsilon, ..part(terms, bias.clone()) }]
            }
            Rule::ZPlus => vec![part(self.split(up(), down), positive(bias))],
            Rule::AlphaBeta { alpha, beta } => {
                let mut parts = vec![Part { factor: *alpha, ..part(self.split(up(), down), positive(bias)) }];
                if *beta != 0.0 {
                    parts.push(Part { factor: -beta, ..part(self.split(down(), up), negative(bias)) });
                }
                parts
            }
            Rule::Gamma { gamma } => {
                // w + γw⁺ and b + γb⁺, or the same with w⁻ and b⁻.
                let grown = |w: Tensor<4>| weight.clone() + w * *gamma;
                let grown_bias = |b: Option<Tensor<1>>| bias.clone().zip(b).map(|(bias, b)| bias + b * *gamma);
                let above = self.z.clone().greater_elem(0.0).float();
                let below = self.z.clone().lower_elem(0.0).float();
                let mut parts = vec![Part {
                    mask: Some(above),
                    ..part(self.split(grown(up()), || grown(down())), grown_bias(positive(bias)))
                }];
                // The second part is rarely needed: with a ReLU above the layer, most rules give no relevance to outputs below 0.
                let n_targets = relevance.dims()[0] / self.x.dims()[0];
                if total((relevance.clone() * tiled(below.clone(), n_targets)).abs()) > 0.0 {
                    parts.push(Part {
                        mask: Some(below),
                        ..part(self.split(grown(down()), || grown(up())), grown_bias(negative(bias)))
                    });
                }
                parts
            }
            Rule::Flat => {
                vec![part(vec![Term { x: self.x.ones_like(), weight: weight.ones_like() }], None)]
            }
            Rule::WSquare => {
                let squared = weight.clone() * weight.clone();
                vec![part(vec![Term { x: self.x.ones_like(), weight: squared }], None)]
            }
            Rule::ZBox(pixels) => {
                let (low, high) = self.bounds(pixels);
                let terms = vec![
                    Term { x: self.x.clone(), weight: weight.clone() },
                    Term { x: low, weight: -up() },
                    Term { x: high, weight: -down() },
                ];
                vec![part(terms, None)]
            }
        }
    }

    /// Two terms: positive inputs with the weights `for_positive`, negative inputs with `for_negative`. If no input can be negative, only
    /// the first.
    fn split(&self, for_positive: Tensor<4>, for_negative: impl Fn() -> Tensor<4>) -> Vec<Term> {
        if self.is_nonnegative {
            return vec![Term { x: self.x.clone(), weight: for_positive }];
        }
        vec![
            Term { x: self.x.clone().clamp_min(0.0), weight: for_positive },
            Term { x: self.x.clone().clamp_max(0.0), weight: for_negative() },
        ]
    }

    /// The lowest and the highest values of the pixels, in the shape of the inputs.
    fn bounds(&self, pixels: &PixelRange) -> (Tensor<4>, Tensor<4>) {
        let bound = |values: &[f32]| {
            let values: Tensor<1> = Tensor::from_floats(values, &self.x.device());
            self.x.zeros_like() + values.reshape([1, -1, 1, 1])
        };
        (bound(&pixels.low), bound(&pixels.high))
    }
}

/// `z + ε·sign z`, with `sign(0) = 1`.
pub(crate) fn stabilized(z: Tensor<4>, epsilon: f32) -> Tensor<4> {
    let sign = z.clone().greater_equal_elem(0.0).float() * (2.0 * epsilon) - epsilon;
    z + sign
}

/// The images of `x` repeated once per target.
pub(crate) fn tiled(x: Tensor<4>, n_targets: usize) -> Tensor<4> {
    if n_targets == 1 { x } else { x.repeat_dim(0, n_targets) }
}

/// Sum of all values, in `f64`.
pub(crate) fn total(x: Tensor<4>) -> f64 {
    x.into_data().as_slice::<f32>().expect("the networks compute in f32").iter().map(|&value| f64::from(value)).sum()
}
