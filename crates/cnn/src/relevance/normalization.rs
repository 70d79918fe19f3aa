//! Relevance through local response normalisation.

use burn::tensor::Tensor;

use crate::layer::ResponseNormalization;
use crate::operations::{inverse_power, scale, sum_around};
use crate::relevance::conservation::Absorbed;
use crate::relevance::parts::{stabilized, tiled, total};
use crate::relevance::rule::STABILIZER;

/// First-order Taylor expansion of the normalisation.
///
/// ```text
/// z[j,j] = x[j] · (k + a·x[j]²)^(−β)                         a = α / size
/// z[i,j] = −2aβ · x[j] · x[i]² · scale[j]^(−β−1)             i ≠ j, i among the channels around j
/// R[i]   = Σ_j z[i,j] / Σ_i z[i,j] · R[j]
/// ```
/// # References
/// `binder2016`, Eq. 9 to 12.
pub(crate) fn taylor(
    x: &Tensor<4>,
    lrn: &ResponseNormalization,
    arrived: Tensor<4>,
    absorbed: Option<&mut Absorbed>,
) -> Tensor<4> {
    let n_targets = arrived.dims()[0] / x.dims()[0];
    let a = lrn.alpha / lrn.size as f32;
    let squares = x.clone() * x.clone();
    // `own[j]` is z[j,j], and `others[j]` is z[i,j] without its factor x[i]².
    let own = x.clone() * inverse_power(squares.clone() * a + lrn.k, lrn.beta);
    let scale = scale(x.clone(), lrn);
    let others = x.clone() * inverse_power(scale.clone(), lrn.beta) / scale * (-2.0 * a * lrn.beta);
    let around = sum_around(squares.clone(), lrn.size) - squares.clone();
    let z = own.clone() + others.clone() * around;
    let denominator = stabilized(z.clone(), STABILIZER);
    let s = arrived / tiled(denominator.clone(), n_targets);
    if let Some(absorbed) = absorbed {
        absorbed.stabilizer += total(s.clone() * tiled(denominator - z, n_targets));
    }
    let weighted = s.clone() * tiled(others, n_targets);
    s * tiled(own, n_targets) + tiled(squares, n_targets) * (sum_around(weighted.clone(), lrn.size) - weighted)
}
