//! The learned stages ready for single images: forward to scores, and back from a score to dimensions, descriptors and pixels.

use std::path::Path;
use std::sync::Arc;

use fisherlens_classifier::Model as Classifier;
use fisherlens_descriptors::{DescriptorExtractor, Frame, Pca, Photograph};
use fisherlens_fisher::{Encoder, Layout, Mapping, Normalization};
use fisherlens_lrp::{Conservation, MappingSums, Rule, descriptor_relevance_with, model_relevance, pixel_relevance};
use ndarray::{Array2, ArrayView2};

use crate::error::ModelError;
use crate::model::Model;
use crate::part;
use crate::photograph::{self, Described};

/// Every learned stage, ready to score and explain single images.
///
/// ```
/// use fisherlens_model::{Explainer, Model};
/// use ndarray::Array2;
///
/// let model = Model::shipped();
/// let explainer = Explainer::from_model(&model)?;
/// let gray = Array2::from_shape_fn((60, 90), |(y, x)| ((x / 9 + y / 6) % 2) as f32);
/// let described = explainer.describe_gray(gray.view())?;
/// let mapped = explainer.map(&described, &[model.display_rule])?;
/// let explanation = mapped.explain(0, model.display_rule)?;
/// assert_eq!(explanation.pixels.dim(), (60, 90));
/// // The rule says how much relevance it absorbs, so the sum over the pixels is known.
/// let known = explanation.score - explanation.conservation.predicted_leak - explanation.conservation.undistributed;
/// assert!((f64::from(explanation.pixels.sum()) - known).abs() < 1e-4);
/// # Ok::<(), fisherlens_model::ModelError>(())
/// ```
pub struct Explainer {
    extractor: Arc<dyn DescriptorExtractor>,
    pca: Pca,
    encoder: Box<dyn Encoder>,
    layout: Layout,
    normalization: Normalization,
    classifier: Classifier,
}

/// One image after the encoder: its mapping, and what all explanations of the image share.
///
/// ```
/// use fisherlens_lrp::Rule;
/// use fisherlens_model::{Explainer, Model};
/// use ndarray::Array2;
///
/// let explainer = Explainer::from_model(&Model::shipped())?;
/// let gray = Array2::from_shape_fn((60, 90), |(y, x)| ((x / 9 + y / 6) % 2) as f32);
/// let described = explainer.describe_gray(gray.view())?;
/// let rules = [Rule::Naive, Rule::Absolute];
/// let mapped = explainer.map(&described, &rules)?;
/// for class in 0..2 {
///     for rule in rules {
///         assert_eq!(mapped.explain(class, rule)?.score, mapped.score(class));
///     }
/// }
/// # Ok::<(), fisherlens_model::ModelError>(())
/// ```
pub struct MappedImage<'a> {
    explainer: &'a Explainer,
    described: &'a Described,
    mapping: Box<dyn Mapping + 'a>,
    sums: MappingSums,
    /// The normalised vector.
    phi: Vec<f32>,
}

/// The relevance for the score of one class in one image by one rule.
#[derive(Debug, Clone)]
pub struct Explanation {
    /// f(x), with the bias and without subtracting a threshold.
    pub score: f64,
    /// `R[d]` of Eq. 6.
    pub dimensions: Vec<f64>,
    /// `R[l]` of Eq. 9, 11 or 12.
    pub descriptors: Vec<f32>,
    /// `R[p]` of Eq. 10 `(height, width)`.
    pub pixels: Array2<f32>,
    /// Where relevance was lost or added.
    pub conservation: Conservation,
}

impl Explainer {
    /// Builds the stages of a model.
    ///
    /// # Errors
    /// Settings that a stage refuses; stages that do not fit together.
    pub fn from_model(model: &Model) -> Result<Self, ModelError> {
        Self::assemble(
            part::extractor(&model.descriptors)?.value,
            model.pca.clone(),
            (part::encoder(&model.encoder).value)(&model.mixture)?,
            model.encoder.normalization,
            Classifier::Linear(model.classifier.clone()),
        )
    }

    /// Puts stages together that the caller has; `examples/own_stages.rs` learns and assembles a whole chain.
    ///
    /// # Errors
    /// [`ModelError::Stages`] when two stages have different numbers of dimensions.
    pub fn assemble(
        extractor: Arc<dyn DescriptorExtractor>,
        pca: Pca,
        encoder: Box<dyn Encoder>,
        normalization: Normalization,
        classifier: Classifier,
    ) -> Result<Self, ModelError> {
        for (giver, found, taker, expected) in [
            ("the extractor makes descriptors", extractor.n_features(), "the projection takes", pca.n_features()),
            ("the projection gives descriptors", pca.n_components(), "the encoder takes", encoder.n_features()),
            ("the encoder makes vectors", encoder.n_dimensions(), "the classifier takes", classifier.n_dimensions()),
        ] {
            if found != expected {
                return Err(ModelError::Stages { giver, found, taker, expected });
            }
        }
        Ok(Self { extractor, pca, layout: encoder.layout(), encoder, normalization, classifier })
    }

    /// Extracts and projects the descriptors of a photograph; `path` names it in errors.
    ///
    /// # Errors
    /// See [`Described::new`].
    pub fn describe(&self, photograph: &Photograph, path: &Path) -> Result<Described, ModelError> {
        Described::new(self.extractor.as_ref(), &self.pca, photograph, path)
    }

    /// Extracts and projects the descriptors of a photograph's file.
    ///
    /// # Errors
    /// See [`Described::from_file`].
    pub fn describe_file(&self, path: &Path) -> Result<Described, ModelError> {
        Described::from_file(self.extractor.as_ref(), &self.pca, path)
    }

    /// Extracts and projects the descriptors of an image in memory: grey values `(height, width)` in `[0, 1]`.
    ///
    /// # Errors
    /// See [`Described::new`].
    pub fn describe_gray(&self, gray: ArrayView2<'_, f32>) -> Result<Described, ModelError> {
        Described::from_gray(self.extractor.as_ref(), &self.pca, gray, Path::new("an image in memory"))
    }

    /// Where the descriptors of a photograph lie, without projecting the descriptors. The contrasts of the frames are not known.
    ///
    /// # Errors
    /// See [`photograph::places`].
    pub fn places(&self, photograph: &Photograph, path: &Path) -> Result<Vec<Frame>, ModelError> {
        photograph::places(self.extractor.as_ref(), photograph, path)
    }

    /// Maps an image once for all its explanations by these rules.
    ///
    /// # Errors
    /// [`ModelError::NoDescriptors`] for an image without descriptors, which has no place for relevance to go.
    pub fn map<'a>(&'a self, described: &'a Described, rules: &[Rule]) -> Result<MappedImage<'a>, ModelError> {
        if described.is_empty() {
            return Err(ModelError::NoDescriptors { width: described.width, height: described.height });
        }
        let mapping = self.encoder.map(described.set())?;
        let sums = MappingSums::for_rules(mapping.as_ref(), rules);
        let mut phi = mapping.mean_from(sums.signed());
        self.normalization.apply(&mut phi, &self.layout);
        Ok(MappedImage { explainer: self, described, mapping, sums, phi })
    }

    /// The score of every class, for callers that explain nothing.
    ///
    /// # Errors
    /// [`ModelError::NoDescriptors`] for an image without descriptors.
    pub fn scores(&self, described: &Described) -> Result<Vec<f64>, ModelError> {
        if described.is_empty() {
            return Err(ModelError::NoDescriptors { width: described.width, height: described.height });
        }
        let mut vector = self.encoder.encode(described.set())?.to_vec();
        self.normalization.apply(&mut vector, &self.layout);
        Ok((0..self.classifier.n_classes()).map(|class| self.classifier.score(class, &vector)).collect())
    }

    /// The score of one class for a raw vector, one that is not normalised yet. `scratch` is memory that is used again.
    pub fn score(&self, class: usize, raw: &[f32], scratch: &mut Vec<f32>) -> f64 {
        if let Some(model) = self.classifier.linear() {
            let coefficients = model.class_coefficients(class);
            return self.normalization.dot(raw, coefficients, &self.layout, scratch) + f64::from(model.bias()[class]);
        }
        scratch.clear();
        scratch.extend_from_slice(raw);
        self.normalization.apply(scratch, &self.layout);
        self.classifier.score(class, scratch)
    }

    /// The coefficients w and the bias b of one class, if the score of a raw vector x is
    /// `Σ_d w[d]·sign(x[d])·√|x[d]| / √(Σ_d |x[d]|) + b`: a linear classifier, one cell, and signed square roots of ℓ2 norm 1.
    pub fn linear_in_roots(&self, class: usize) -> Option<(&[f32], f64)> {
        let has_roots = matches!(self.normalization, Normalization::Improved | Normalization::Hellinger);
        let model = self.classifier.linear().filter(|_| has_roots && self.layout.n_cells == 1)?;
        Some((model.class_coefficients(class), f64::from(model.bias()[class])))
    }

    /// The extractor.
    pub fn extractor(&self) -> &dyn DescriptorExtractor {
        self.extractor.as_ref()
    }

    /// The projection.
    pub fn pca(&self) -> &Pca {
        &self.pca
    }

    /// The encoder.
    pub fn encoder(&self) -> &dyn Encoder {
        self.encoder.as_ref()
    }

    /// The classifiers.
    pub fn classifier(&self) -> &Classifier {
        &self.classifier
    }
}

impl MappedImage<'_> {
    /// The mapping m(l).
    pub fn mapping(&self) -> &dyn Mapping {
        self.mapping.as_ref()
    }

    /// Sums of the mapping over the descriptors.
    pub fn sums(&self) -> &MappingSums {
        &self.sums
    }

    /// f(x) of one class.
    pub fn score(&self, class: usize) -> f64 {
        self.explainer.classifier.score(class, &self.phi)
    }

    /// The relevance of the descriptors for the score of one class by one rule, for callers that need nothing else.
    ///
    /// # Errors
    /// What the rule refuses.
    pub fn descriptors(&self, class: usize, rule: Rule) -> Result<Vec<f32>, ModelError> {
        let dimensions = model_relevance(&self.explainer.classifier, class, &self.phi)?.values;
        Ok(descriptor_relevance_with(self.mapping.as_ref(), &self.sums, &dimensions, rule)?.values)
    }

    /// The relevance for the score of one class by one rule.
    ///
    /// # Errors
    /// What the rule refuses.
    pub fn explain(&self, class: usize, rule: Rule) -> Result<Explanation, ModelError> {
        let by_dimension = model_relevance(&self.explainer.classifier, class, &self.phi)?;
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

/// One line about where relevance was lost or added.
///
/// ```
/// use fisherlens_lrp::Conservation;
/// use fisherlens_model::conservation_line;
///
/// let conservation = Conservation {
///     score: 2.0,
///     dimensions: 2.0,
///     descriptors: 1.9,
///     pixels: 1.9,
///     predicted_leak: 0.1,
///     ..Conservation::default()
/// };
/// let line = conservation_line(&conservation);
/// assert!(line.ends_with("-5.00 % added (+) or lost (−) on the way; the rule predicts -5.00 %"), "{line}");
/// ```
pub fn conservation_line(conservation: &Conservation) -> String {
    let percent = |value: f64| {
        let text = format!("{:+.2}", 100.0 * value / conservation.scale().max(f64::MIN_POSITIVE));
        if text == "-0.00" { "+0.00".to_owned() } else { text }
    };
    format!(
        "score {:+.4} (bias {:+.4}) → dimensions {:+.4} → descriptors {:+.4} → pixels {:+.4}: {} % added (+) or lost (−) on \
         the way; the rule predicts {} %{}",
        conservation.score,
        conservation.bias_share,
        conservation.dimensions,
        conservation.descriptors,
        conservation.pixels,
        percent(conservation.pixels - conservation.score),
        percent(-conservation.predicted_leak - conservation.undistributed),
        match conservation.taylor_remainder {
            0.0 => String::new(),
            remainder => format!(", and the Taylor expansion leaves out {} %", percent(-remainder)),
        },
    )
}
