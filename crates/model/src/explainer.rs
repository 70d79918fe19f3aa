//! The learned pipeline turned around: from the score of one image back to its dimensions, descriptors and pixels.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Result, ensure};
use fisherlens_classifier::Model as Classifier;
use fisherlens_descriptors::{DescriptorExtractor, Frame, Pca, Photograph};
use fisherlens_fisher::{Encoder, Layout, Mapping, Normalization};
use fisherlens_lrp::{Conservation, MappingSums, Rule, descriptor_relevance_with, model_relevance, pixel_relevance};
use ndarray::Array2;

use crate::model::Model;
use crate::part;
use crate::photograph::Described;

/// Every learned stage of an experiment, ready to score and explain single images.
pub struct Explainer {
    extractor: Arc<dyn DescriptorExtractor>,
    pca: Pca,
    encoder: Box<dyn Encoder>,
    layout: Layout,
    normalization: Normalization,
    model: Classifier,
}

/// One image's mapping with what all of its explanations share.
pub struct Explained<'a> {
    explainer: &'a Explainer,
    described: &'a Described,
    mapping: Box<dyn Mapping + 'a>,
    sums: MappingSums,
    phi: Vec<f32>,
}

/// The relevance of one class's score in one image by one rule.
#[derive(Debug, Clone)]
pub struct Explanation {
    /// f(x), bias included, no threshold taken off.
    pub score: f64,
    /// `R[d]` of Eq. 6.
    pub dimensions: Vec<f64>,
    /// `R[l]` of Eq. 9, 11 or 12.
    pub descriptors: Vec<f32>,
    /// `R[p]` of Eq. 10 `(height, width)`.
    pub pixels: Array2<f32>,
    /// Where relevance was lost or made.
    pub conservation: Conservation,
}

impl Explainer {
    /// The stages of a model that was read from a file.
    ///
    /// # Errors
    /// Settings that a stage refuses; models that do not fit together.
    pub fn from_model(model: &Model) -> Result<Self> {
        Self::assemble(
            part::extractor(&model.descriptors)?.value,
            model.pca.clone(),
            (part::encoder(&model.encoder).value)(&model.mixture)?,
            model.encoder.normalization,
            Classifier::Linear(model.classifier.clone()),
        )
    }

    /// From stages at hand.
    ///
    /// # Errors
    /// Stages that do not fit together.
    pub fn assemble(
        extractor: Arc<dyn DescriptorExtractor>,
        pca: Pca,
        encoder: Box<dyn Encoder>,
        normalization: Normalization,
        model: Classifier,
    ) -> Result<Self> {
        for (from, found, to, expected) in [
            ("the extractor makes descriptors", extractor.n_features(), "the projection takes", pca.n_features()),
            ("the projection gives descriptors", pca.n_components(), "the encoder takes", encoder.n_features()),
            ("the encoder makes vectors", encoder.n_dimensions(), "the classifier takes", model.n_dimensions()),
        ] {
            ensure!(found == expected, "{from} of {found} dimensions, {to} {expected}: learn or load both together");
        }
        Ok(Self { extractor, pca, layout: encoder.layout(), encoder, normalization, model })
    }

    /// Projected descriptors of a photograph; `path` names it in errors.
    ///
    /// # Errors
    /// See [`Described::new`].
    pub fn describe(&self, photograph: &Photograph, path: &Path) -> Result<Described> {
        Described::new(self.extractor.as_ref(), &self.pca, photograph, path)
    }

    /// Projected descriptors of a photograph's file.
    ///
    /// # Errors
    /// See [`Described::from_file`].
    pub fn describe_file(&self, path: &Path) -> Result<Described> {
        Described::from_file(self.extractor.as_ref(), &self.pca, path)
    }

    /// Frames of a photograph's descriptors, without projecting them.
    ///
    /// # Errors
    /// See [`crate::photograph::frames`].
    pub fn frames(&self, photograph: &Photograph, path: &Path) -> Result<Vec<Frame>> {
        crate::photograph::frames(self.extractor.as_ref(), photograph, path)
    }

    /// Maps an image once, for all its explanations by these rules.
    ///
    /// # Errors
    /// An image without descriptors, which has no place for relevance to go.
    pub fn map<'a>(&'a self, described: &'a Described, rules: &[Rule]) -> Result<Explained<'a>> {
        ensure!(
            !described.is_empty(),
            "an image of {} × {} pixels is too small for the descriptor grid: it has no descriptor to explain",
            described.width,
            described.height
        );
        let mapping = self.encoder.map(described.set())?;
        let sums = MappingSums::for_rules(mapping.as_ref(), rules);
        let mut phi = mapping.mean_from(sums.signed());
        self.normalization.apply(&mut phi, &self.layout);
        Ok(Explained { explainer: self, described, mapping, sums, phi })
    }

    /// Score of one class for a raw vector.
    pub fn score(&self, class: usize, raw: &[f32], scratch: &mut Vec<f32>) -> f64 {
        if let Some(model) = self.model.linear() {
            let coefficients = model.class_coefficients(class);
            return self.normalization.dot(raw, coefficients, &self.layout, scratch) + f64::from(model.bias()[class]);
        }
        scratch.clear();
        scratch.extend_from_slice(raw);
        self.normalization.apply(scratch, &self.layout);
        self.model.score(class, scratch)
    }

    /// The classifiers.
    pub fn model(&self) -> &Classifier {
        &self.model
    }

    /// The encoder.
    pub fn encoder(&self) -> &dyn Encoder {
        self.encoder.as_ref()
    }

    /// The projection.
    pub fn pca(&self) -> &Pca {
        &self.pca
    }

    /// The extractor.
    pub fn extractor(&self) -> &dyn DescriptorExtractor {
        self.extractor.as_ref()
    }
}

impl Explained<'_> {
    /// The mapping m(l).
    pub fn mapping(&self) -> &dyn Mapping {
        self.mapping.as_ref()
    }

    /// Sums of the mapping.
    pub fn sums(&self) -> &MappingSums {
        &self.sums
    }

    /// f(x) of one class.
    pub fn score(&self, class: usize) -> f64 {
        self.explainer.model.score(class, &self.phi)
    }

    /// Relevance of the descriptors alone for one class's score by one rule, where that is all that is needed.
    ///
    /// # Errors
    /// What the rule refuses.
    pub fn descriptors(&self, class: usize, rule: Rule) -> Result<Vec<f32>> {
        let dimensions = model_relevance(&self.explainer.model, class, &self.phi)?.values;
        Ok(descriptor_relevance_with(self.mapping.as_ref(), &self.sums, &dimensions, rule)?.values)
    }

    /// Relevance of one class's score by one rule.
    ///
    /// # Errors
    /// What the rule refuses.
    pub fn explain(&self, class: usize, rule: Rule) -> Result<Explanation> {
        let model = &self.explainer.model;
        let by_dimension = model_relevance(model, class, &self.phi)?;
        let dimensions = by_dimension.values;
        let relevance = descriptor_relevance_with(self.mapping.as_ref(), &self.sums, &dimensions, rule)?;
        let Described { frames, width, height, .. } = self.described;
        let pixels = pixel_relevance(&relevance.values, frames, *width, *height);
        let score = self.score(class);
        let conservation =
            Conservation::measure(score, by_dimension.bias_share, &dimensions, &relevance, pixels.view())
                .with_taylor_remainder(by_dimension.taylor_remainder);
        Ok(Explanation { score, dimensions, descriptors: relevance.values, pixels, conservation })
    }
}

/// One line on where relevance was lost or made.
pub fn conservation_line(conservation: &Conservation) -> String {
    let percent = |value: f64| 100.0 * value / conservation.scale().max(f64::MIN_POSITIVE);
    format!(
        "score {:+.4} (bias {:+.4}) → dimensions {:+.4} → descriptors {:+.4} → pixels {:+.4}: {:+.2} % made (+) or lost (−) on \
         the way, of which the rule predicts {:+.2} %{}",
        conservation.score,
        conservation.bias_share,
        conservation.dimensions,
        conservation.descriptors,
        conservation.pixels,
        percent(conservation.pixels - conservation.score),
        percent(-conservation.predicted_leak - conservation.undistributed),
        match conservation.taylor_remainder {
            0.0 => String::new(),
            remainder => format!(" and the Taylor expansion leaves out {:+.2} %", percent(-remainder)),
        },
    )
}
