//! Relevance, from the bytes of a file to the relevance of its pixels, and one trace of Algorithm 1.

use std::hint::black_box;

use anyhow::{Context as _, Result};
use fisherlens_descriptors::{Frame, Photograph};
use fisherlens_eval::{
    LinearScore, RawSums, Resampling, Trace, TracePair, linear_traces, relevance_order, removals_by_batch,
};
use fisherlens_fisher::{DescriptorSet, Encoder, Mapping, Normalization};
use fisherlens_lrp::{MappingSums, Rule, class_relevance, descriptor_relevance_with, pixel_relevance};
use ndarray::Array2;
use rand::SeedableRng;
use rand_xoshiro::Xoshiro256Plus;

use crate::context::Bench;
use crate::inputs::Inputs;
use crate::row::Row;
use crate::rows::front::{chain_flop, posterior_flop, write_projected};

/// The epsilon rule with the paper's value.
pub(crate) const EPSILON: Rule = Rule::Epsilon(100.0);

/// An image's mapping, and the sums that all its explanations use.
pub(crate) struct MappedImage<'a> {
    inputs: &'a Inputs,
    mapping: Box<dyn Mapping + 'a>,
    sums: MappingSums,
    phi: Vec<f32>,
}

impl<'a> MappedImage<'a> {
    /// Maps an image for explanations by `rule`.
    ///
    /// # Errors
    /// An error of the encoder.
    pub(crate) fn new(inputs: &'a Inputs, set: DescriptorSet<'a>, rule: Rule) -> Result<Self> {
        let mapping = inputs.encoder.map(set)?;
        let sums = MappingSums::for_rules(mapping.as_ref(), &[rule]);
        let mut phi = mapping.mean_from(sums.signed());
        Normalization::Improved.apply(&mut phi, &inputs.encoder.layout());
        Ok(Self { inputs, mapping, sums, phi })
    }

    /// The mapping.
    pub(crate) fn mapping(&self) -> &dyn Mapping {
        self.mapping.as_ref()
    }

    /// Sums of the mapping.
    pub(crate) fn sums(&self) -> &MappingSums {
        &self.sums
    }

    /// Relevance of the vector's dimensions.
    ///
    /// # Errors
    /// When the model does not have the class.
    pub(crate) fn dimensions(&self, class: usize) -> Result<Vec<f64>> {
        Ok(class_relevance(&self.inputs.model, class, &self.phi)?)
    }

    /// Relevance of the descriptors.
    ///
    /// # Errors
    /// An error of the rule.
    pub(crate) fn descriptors(&self, class: usize, rule: Rule) -> Result<Vec<f32>> {
        let dimensions = self.dimensions(class)?;
        Ok(descriptor_relevance_with(self.mapping.as_ref(), &self.sums, &dimensions, rule)?.values)
    }

    /// Relevance of the pixels of an image of (height, width).
    ///
    /// # Errors
    /// An error of the rule.
    pub(crate) fn pixels(
        &self,
        class: usize,
        rule: Rule,
        frames: &[Frame],
        (height, width): (usize, usize),
    ) -> Result<Array2<f32>> {
        Ok(pixel_relevance(&self.descriptors(class, rule)?, frames, width, height))
    }
}

/// From the bytes of a file to the relevance of its pixels, for one class.
///
/// # Errors
/// An error of a stage.
pub(crate) fn pixels_of_file(inputs: &Inputs, rule: Rule) -> Result<Array2<f32>> {
    pixels_of_gray(inputs, &Photograph::decode(black_box(&inputs.jpeg))?.gray(), rule)
}

/// From grey values to the relevance of pixels, for one class.
///
/// # Errors
/// An error of a stage.
pub(crate) fn pixels_of_gray(inputs: &Inputs, gray: &Array2<f32>, rule: Rule) -> Result<Array2<f32>> {
    let described = inputs.describe(gray.view())?;
    MappedImage::new(inputs, described.set(), rule)?.pixels(0, rule, &described.frames, gray.dim())
}

/// Only the relevance of descriptors, compared with a matrix form in numpy.
pub(crate) fn descriptors(bench: &mut Bench) -> Result<Vec<Row>> {
    let shared = bench.inputs()?;
    let inputs: &Inputs = &shared;
    let timing = bench.time(|| MappedImage::new(inputs, inputs.set(), EPSILON)?.descriptors(0, EPSILON))?;
    if let Some(python) = bench.python() {
        write_projected(&python, inputs)?;
        let of_dimensions = MappedImage::new(inputs, inputs.set(), EPSILON)?.dimensions(0)?;
        python.write("of_dimensions", &ndarray::Array1::from(of_dimensions))?;
    }
    let peer = bench.time_python("relevance", "numpy")?;
    let mixture = inputs.encoder.mixture();
    let flop = posterior_flop(inputs.n_descriptors(), mixture.n_features(), mixture.n_components());
    let product = bench.limits.product_seconds(flop);
    let note = "projected descriptors → relevance of each, epsilon rule, one class; limit: the posteriors' product";
    Ok(vec![Row::new("relevance-descriptors", timing, note).with_peer(peer, None).product(product, None)])
}

/// The relevance of all pixels of an image.
pub(crate) fn maps(bench: &mut Bench) -> Result<Vec<Row>> {
    let shared = bench.inputs()?;
    let inputs: &Inputs = &shared;
    let vector = bench.seconds("jpeg-to-vector")?;
    let epsilon = bench.time(|| pixels_of_file(inputs, EPSILON))?;
    let absolute = bench.time(|| pixels_of_file(inputs, Rule::Absolute))?;
    let explained = MappedImage::new(inputs, inputs.set(), EPSILON)?;
    let explained = &explained;
    let further = bench.time(|| explained.pixels(1, EPSILON, &inputs.local.frames, inputs.gray.dim()))?;
    let product = bench.limits.product_seconds(chain_flop(inputs));
    let whole = "jpeg-to-vector";
    Ok(vec![
        Row::new("relevance-epsilon", epsilon, "file → pixels, epsilon=100, one class")
            .product(product, None)
            .at_most(1.5, vector, whole),
        Row::new(
            "relevance-further-class",
            further,
            "pixels of the same image for another class, with the mapping already computed",
        )
        .at_most(0.3, vector, whole),
        Row::new("relevance-absolute", absolute, "file → pixels, absolute rule, one class")
            .product(product, None)
            .at_most(3.0, vector, whole),
    ])
}

/// What a trace starts with: the image's mapping, its sums, and an order of its descriptors.
pub(crate) struct Traced<'a> {
    inputs: &'a Inputs,
    explained: MappedImage<'a>,
    start: RawSums,
    order: Vec<u32>,
    resampling: Resampling,
}

impl<'a> Traced<'a> {
    /// Orders the photograph's descriptors by the relevance of its first class.
    ///
    /// # Errors
    /// An error of a stage.
    pub(crate) fn new(inputs: &'a Inputs, set: DescriptorSet<'a>, resampling: Resampling) -> Result<Self> {
        let explained = MappedImage::new(inputs, set, EPSILON)?;
        let order = relevance_order(&explained.descriptors(0, EPSILON)?);
        let start = RawSums::from_signed(explained.mapping(), explained.sums().signed())?;
        Ok(Self { inputs, explained, start, order, resampling })
    }

    /// One trace: draws new descriptors, encodes them, removes the old ones, adds the new ones, and computes the score at each point.
    ///
    /// # Errors
    /// An error of a stage.
    pub(crate) fn trace(&self) -> Result<Trace> {
        let encoder = &self.inputs.encoder;
        let n_replaced = self.resampling.n_replaced(self.order.len());
        let draws = encoder.mixture().generate(n_replaced, &mut Xoshiro256Plus::seed_from_u64(1));
        let places = vec![[0.0; 2]; n_replaced];
        let mapping = encoder.map(DescriptorSet { values: draws.view(), positions: &places })?;
        let rows: Vec<u32> = (0..n_replaced as u32).collect();
        let removals = removals_by_batch(self.explained.mapping(), &self.order, self.resampling)?;
        let additions = mapping.by_batch(&rows, self.resampling.batch);
        let model = &self.inputs.model;
        let score = LinearScore { coefficients: model.class_coefficients(0), constant: model.bias()[0].into() };
        let pair = TracePair { removal: 0, addition: Some(0) };
        let traces = linear_traces(&self.start, self.resampling, &[removals], &[additions], &[pair], score)?;
        traces.into_iter().next().context("one pair has one trace")
    }
}

/// One trace with the paper's numbers.
pub(crate) fn trace(bench: &mut Bench) -> Result<Vec<Row>> {
    let shared = bench.inputs()?;
    let inputs: &Inputs = &shared;
    let resampling = Resampling::default();
    let traced = Traced::new(inputs, inputs.set(), resampling).context("the image of the trace cannot be prepared")?;
    let traced = &traced;
    let timing = bench.time(|| traced.trace())?;
    let mixture = inputs.encoder.mixture();
    let flop = posterior_flop(resampling.n_replacements, mixture.n_features(), mixture.n_components());
    let product = bench.limits.product_seconds(flop);
    let note = format!(
        "{} draws and their encoding, removals, additions, {} scores; limit: the draws' product",
        resampling.n_replacements,
        resampling.n_points()
    );
    let row = Row::new("resampling-trace", timing, note).product(product, None);
    Ok(vec![row.at_most(4.0, product, "the draws' product")])
}
