//! From a file to its Fisher vector.

use std::hint::black_box;

use anyhow::{Result, ensure};
use fisherlens_descriptors::{DescriptorExtractor, LocalDescriptors, Photograph};
use fisherlens_fisher::{DescriptorSet, Encoder, Normalization};
use ndarray::{Array1, arr0};

use crate::context::Bench;
use crate::inputs::Inputs;
use crate::peers::python::Python;
use crate::row::{Limit, Peer, Row};

/// Smallest cosine between VLFeat's results and ours. If it is smaller, the two programs do different work.
const MIN_COSINE: f64 = 0.99;

/// Decoding and grey values.
pub(crate) fn gray(bench: &mut Bench) -> Result<Vec<Row>> {
    let shared = bench.inputs()?;
    let inputs: &Inputs = &shared;
    let jpeg = &inputs.jpeg;
    let timing = bench.time(|| Ok(Photograph::decode(black_box(jpeg))?.gray()))?;
    let (height, width) = inputs.gray.dim();
    Ok(vec![Row::new("jpeg-to-gray", timing, format!("{width} × {height}, {} bytes", jpeg.len()))])
}

/// Dense SIFT, into memory that is reused.
pub(crate) fn dense_sift(bench: &mut Bench) -> Result<Vec<Row>> {
    let shared = bench.inputs()?;
    let inputs: &Inputs = &shared;
    let (sift, gray) = (&inputs.sift, inputs.gray.view());
    let mut local = LocalDescriptors::default();
    let timing = bench.time(|| Ok(sift.extract_into(black_box(gray), &mut local)?))?;
    let peer = vlfeat_dense_sift(bench, inputs)?;
    if let Some(python) = bench.python() {
        let frames = inputs.local.frames.iter().flat_map(|frame| [frame.x, frame.y, f32::from(frame.bin_size)]);
        python.write("frames", &Array1::from_iter(frames).into_shape_with_order((inputs.n_descriptors(), 3))?)?;
        python.write("gray", &gray)?;
        python.write("step", &arr0(sift.step() as i64))?;
        python.write("bin_sizes", &sift.bin_sizes().iter().map(|&size| i64::from(size)).collect::<Array1<i64>>())?;
    }
    let others = bench.time_others("sift", &["opencv", "kornia", "cyvlfeat"])?;
    let n = inputs.n_descriptors();
    let note = format!("{n} descriptors, bin sizes {:?}, step {}; limit: writing them", sift.bin_sizes(), sift.step());
    let mut row = Row::new("dense-sift", timing, note).with_peer(peer, Some(4.5)).beside(others);
    row.limit = Some(Limit::Memory(bench.limits.memory_seconds((n * 128 * size_of::<f32>()) as f64)));
    Ok(vec![row])
}

fn vlfeat_dense_sift(bench: &Bench, inputs: &Inputs) -> Result<Option<Peer>> {
    let Some(vlfeat) = bench.vlfeat() else { return Ok(None) };
    let (sift, gray) = (&inputs.sift, inputs.gray.view());
    let extract =
        |look: &mut dyn FnMut(&[f32])| vlfeat.dense_sift(black_box(gray), sift.bin_sizes(), sift.step(), look);
    let mut theirs = Vec::new();
    extract(&mut |values| theirs.extend_from_slice(values))?;
    let ours = inputs.local.values.as_slice().unwrap_or_default();
    ensure!(theirs.len() == ours.len(), "VLFeat finds {} values, we find {}", theirs.len(), ours.len());
    // Our descriptors are zero where the contrast is low. VLFeat leaves this to its caller, so these descriptors are not compared.
    let pairs = theirs.as_chunks::<128>().0.iter().zip(ours.as_chunks::<128>().0);
    let (theirs, ours): (Vec<_>, Vec<_>) = pairs.filter(|(_, ours)| ours.iter().any(|&value| value != 0.0)).unzip();
    let found = cosine(theirs.as_flattened(), ours.as_flattened());
    ensure!(
        found > MIN_COSINE,
        "VLFeat's descriptors and ours differ: their cosine is {found}, expected more than {MIN_COSINE}"
    );
    bench
        .time_vlfeat(&vlfeat, || {
            extract(&mut |values| {
                black_box(values);
            })
        })
        .map(Some)
}

/// The projection from 128 to 80 features.
pub(crate) fn projection(bench: &mut Bench) -> Result<Vec<Row>> {
    let shared = bench.inputs()?;
    let inputs: &Inputs = &shared;
    let (pca, values) = (&inputs.pca, inputs.local.values.view());
    let timing = bench.time(|| Ok(pca.transform(black_box(values))?))?;
    if let Some(python) = bench.python() {
        python.write("descriptors", &values)?;
        python.write("components", &pca.components())?;
    }
    let peer = bench.time_python("projection", "numpy")?;
    let (n, from, to) = (inputs.n_descriptors(), pca.n_features(), pca.n_components());
    let product = bench.limits.product_seconds((2 * n * from * to) as f64);
    let note = format!("{n} × {from} → {to}; peer: numpy's product alone, without subtracting the mean");
    Ok(vec![Row::new("pca-projection", timing, note).with_peer(peer, None).product(product, Some(0.7))])
}

/// Number of operations of the matrix product in the posteriors of `n` descriptors: `[x, x²]` times a matrix.
pub(crate) fn posterior_flop(n: usize, n_features: usize, n_components: usize) -> f64 {
    2.0 * n as f64 * 2.0 * n_features as f64 * n_components as f64
}

/// The improved Fisher vector with all three parts.
pub(crate) fn fisher_vector(bench: &mut Bench) -> Result<Vec<Row>> {
    let shared = bench.inputs()?;
    let inputs: &Inputs = &shared;
    let timing = bench.time(|| encode(inputs, inputs.set()))?;
    let by_vlfeat = vlfeat_fisher_vector(bench, inputs)?;
    let mixture = inputs.encoder.mixture();
    if let Some(python) = bench.python() {
        write_projected(&python, inputs)?;
    }
    let by_numpy = bench.time_python("fisher-vector", "numpy")?;
    let others = bench.time_others("fisher", &["scikit-image", "cyvlfeat"])?;
    let (n, k, d) = (inputs.n_descriptors(), mixture.n_components(), mixture.n_features());
    let product = bench.limits.product_seconds(posterior_flop(n, d, k));
    let share = if bench.machine.has_avx512() { 0.43 } else { 0.6 };
    let note = format!("{n} × {d}, K {k}, three parts, improved; limit: the posteriors' product");
    let numpy_note = "the same time, compared with two dense products in numpy without normalisation";
    Ok(vec![
        Row::new("fisher-vector", timing, note).with_peer(by_vlfeat, Some(10.0)).product(product, Some(share)),
        Row::new("fisher-vector-numpy", timing, numpy_note)
            .with_peer(by_numpy, Some(1.8))
            .product(product, Some(share))
            .beside(others),
    ])
}

/// Writes the projected descriptors and the mixture for the script.
pub(crate) fn write_projected(python: &Python, inputs: &Inputs) -> Result<()> {
    let mixture = inputs.encoder.mixture();
    python.write("projected", &inputs.described.values)?;
    python.write("weights", &mixture.weights())?;
    python.write("means", &mixture.means())?;
    python.write("variances", &mixture.variances())
}

/// The improved Fisher vector of one image.
pub(crate) fn encode(inputs: &Inputs, set: DescriptorSet<'_>) -> Result<Vec<f32>> {
    let mut vector = inputs.encoder.encode(set)?.to_vec();
    Normalization::Improved.apply(&mut vector, &inputs.encoder.layout());
    Ok(vector)
}

fn vlfeat_fisher_vector(bench: &Bench, inputs: &Inputs) -> Result<Option<Peer>> {
    let Some(vlfeat) = bench.vlfeat() else { return Ok(None) };
    let mixture = inputs.encoder.mixture();
    let x = inputs.described.values.view();
    let theirs = vlfeat.fisher_vector(x, mixture)?;
    // VLFeat's vector has no part of the weights.
    let ours = encode(inputs, inputs.set())?;
    let found = cosine(&theirs, &ours[mixture.n_components()..]);
    ensure!(
        found > MIN_COSINE,
        "VLFeat's Fisher vector and ours differ: their cosine is {found}, expected more than {MIN_COSINE}"
    );
    bench.time_vlfeat(&vlfeat, || vlfeat.fisher_vector(black_box(x), mixture)).map(Some)
}

fn cosine(a: &[f32], b: &[f32]) -> f64 {
    let dot = |a: &[f32], b: &[f32]| -> f64 { a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum() };
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}

/// All steps from the bytes of a file to the Fisher vector.
pub(crate) fn jpeg_to_vector(bench: &mut Bench) -> Result<Vec<Row>> {
    let shared = bench.inputs()?;
    let inputs: &Inputs = &shared;
    let timing = bench.time(|| vector_of_file(inputs))?;
    let mut parts = 0.0;
    for part in ["jpeg-to-gray", "dense-sift", "pca-projection", "fisher-vector"] {
        parts += bench.seconds(part)?;
    }
    let peer_of = |name: &str| bench.rows.iter().find(|row| row.name == name).and_then(|row| row.peer.clone());
    let peer = match (peer_of("dense-sift"), peer_of("fisher-vector")) {
        (Some(sift), Some(fisher)) => Some(Peer { seconds: sift.seconds + fisher.seconds, ..sift }),
        _ => None,
    };
    let product = bench.limits.product_seconds(chain_flop(inputs));
    let note = "decode, grey, SIFT, PCA, vector; peer: VLFeat's SIFT and vector only, without decoding and projection";
    let row = Row::new("jpeg-to-vector", timing, note).with_peer(peer, Some(5.0)).product(product, None);
    Ok(vec![row.at_most(1.1, parts, "the sum of its parts")])
}

/// Number of operations of the two matrix products of one image.
pub(crate) fn chain_flop(inputs: &Inputs) -> f64 {
    let (n, from, to) = (inputs.n_descriptors(), inputs.pca.n_features(), inputs.pca.n_components());
    (2 * n * from * to) as f64 + posterior_flop(n, to, inputs.encoder.mixture().n_components())
}

/// From the bytes of a file to the Fisher vector.
pub(crate) fn vector_of_file(inputs: &Inputs) -> Result<Vec<f32>> {
    let gray = Photograph::decode(black_box(&inputs.jpeg))?.gray();
    encode(inputs, inputs.describe(gray.view())?.set())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_for_the_published_sizes() {
        assert!((posterior_flop(73_866, 80, 256) / 1e9 - 6.05).abs() < 0.01);
        assert!((posterior_flop(200_000, 80, 256) * 10.0 / 1e9 - 163.84).abs() < 0.01);
    }

    #[test]
    fn cosine_by_hand() {
        assert!((cosine(&[1.0, 1.0], &[1.0, 0.0]) - 0.5_f64.sqrt()).abs() < 1e-6);
    }
}
