//! A model from a file, and explanations by it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use fisherlens_artifact::Header;
use fisherlens_classifier::{LinearModel, Sigmoid};
use fisherlens_descriptors::Pca;
use fisherlens_fisher::Layout;
use fisherlens_lanes::on_free_threads;
use fisherlens_lrp::{ColorMap, Rule, blend, heatmap_scaled, largest_size};
use fisherlens_model::{
    Described, DescriptorSettings, EncoderSettings, Explainer, Explanation, Model, Precision, png_bytes,
};
use ndarray::{Array2, Array3};
use numpy::{IntoPyArray as _, PyArray1, PyArray2, PyArray3, PyReadonlyArray2, PyReadonlyArray3};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList};
use rayon::prelude::*;

use crate::arrays::{MixtureArrays, PcaArrays, copied, copied2, given};
use crate::background;
use crate::descriptors::frames;
use crate::errors::{from_json, raise, raise_for};
use crate::images::{Image, Pixels};
use crate::mixture::mixture;

pub(crate) fn add(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<NativeModel>()?;
    module.add_function(wrap_pyfunction!(heatmap, module)?)?;
    module.add_function(wrap_pyfunction!(overlay, module)?)?;
    module.add_function(wrap_pyfunction!(encode_png, module)?)?;
    module.add("COLOR_MAPS", ColorMap::ALL.map(ColorMap::name))
}

/// A learned pipeline, ready to score and explain.
#[pyclass(frozen, name = "Model", module = "fisherlens._native")]
pub(crate) struct NativeModel {
    model: Arc<Model>,
    explainer: Arc<Explainer>,
}

/// One explained class of one image, on its way to Python.
struct Explained {
    class: usize,
    rule: Rule,
    explanation: Explanation,
    components: Vec<f64>,
}

/// The image that several explanations share.
struct ExplainedImage {
    rgb: Array3<u8>,
    described: Described,
    explained: Vec<Explained>,
}

impl NativeModel {
    pub(crate) fn of(model: Model) -> PyResult<Self> {
        let explainer = Explainer::from_model(&model).map_err(raise)?;
        Ok(Self { model: Arc::new(model), explainer: Arc::new(explainer) })
    }

    /// The class whose score is farthest above its threshold.
    fn strongest(model: &Model, score: impl Fn(usize) -> f64) -> usize {
        let margin = |class: usize| score(class) - model.threshold(class);
        (1..model.classes.len()).fold(0, |best, class| if margin(class) > margin(best) { class } else { best })
    }
}

#[pymethods]
impl NativeModel {
    /// The model that comes with the package.
    #[staticmethod]
    fn shipped() -> PyResult<Self> {
        Self::of(Model::shipped())
    }

    #[staticmethod]
    fn read(path: PathBuf) -> PyResult<Self> {
        Self::of(Model::read(&path).map_err(raise)?)
    }

    #[staticmethod]
    fn from_bytes(bytes: &[u8]) -> PyResult<Self> {
        Self::of(Model::read_bytes(bytes).map_err(raise)?)
    }

    /// A model from learned parts. `pca`, `mixture`, `classifier`: tuples of arrays.
    #[staticmethod]
    #[allow(clippy::too_many_arguments, reason = "the parts of a model, one by one")]
    fn from_parts(
        descriptors: &str,
        encoder: &str,
        pca: PcaArrays<'_>,
        mixture_parts: MixtureArrays<'_>,
        classifier: (Bound<'_, PyArray2<f32>>, Bound<'_, PyArray1<f32>>),
        classes: Vec<String>,
        thresholds: Option<Vec<f64>>,
        sigmoids: Option<Vec<(f64, f64)>>,
        rule: &str,
        card: Vec<(String, String)>,
    ) -> PyResult<Self> {
        let classifier = LinearModel::from_parts(copied2(&classifier.0), copied(&classifier.1)).map_err(raise)?;
        let model = Model {
            descriptors: from_json::<DescriptorSettings>(descriptors)?,
            pca: Pca::from_parts(copied(&pca.0), copied2(&pca.1), copied(&pca.2)).map_err(raise)?,
            mixture: mixture(&mixture_parts)?,
            encoder: from_json::<EncoderSettings>(encoder)?,
            classes,
            classifier,
            thresholds,
            calibration: sigmoids.map(|all| all.into_iter().map(|(slope, offset)| Sigmoid { slope, offset }).collect()),
            display_rule: rule.parse().map_err(raise)?,
            card,
        };
        // Reading checks that the parts fit together.
        Self::from_bytes(&bytes_of(&model, Precision::Whole)?)
    }

    fn write(&self, path: PathBuf, half: bool) -> PyResult<u64> {
        let header = Header::new(&self.model.encoder, 0.0).map_err(raise)?;
        self.model.write(&path, &header, if half { Precision::Half } else { Precision::Whole }).map_err(raise)
    }

    fn to_bytes<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        Ok(PyBytes::new(py, &bytes_of(&self.model, Precision::Whole)?))
    }

    #[getter]
    fn classes(&self) -> Vec<String> {
        self.model.classes.clone()
    }

    #[getter]
    fn thresholds(&self) -> Option<Vec<f64>> {
        self.model.thresholds.clone()
    }

    /// Slope and offset per class.
    #[getter]
    fn sigmoids(&self) -> Option<Vec<(f64, f64)>> {
        let all = self.model.calibration.as_ref()?;
        Some(all.iter().map(|sigmoid| (sigmoid.slope, sigmoid.offset)).collect())
    }

    #[getter]
    fn card(&self) -> Vec<(String, String)> {
        self.model.card.clone()
    }

    #[getter]
    fn settings(&self) -> Vec<(String, String)> {
        self.model.described_settings()
    }

    #[getter]
    fn rule(&self) -> String {
        self.model.display_rule.to_string()
    }

    /// The settings of descriptors and encoder as JSON.
    #[getter]
    fn sections(&self) -> PyResult<(String, String)> {
        let json = |text: serde_json::Result<String>| text.map_err(raise);
        Ok((json(serde_json::to_string(&self.model.descriptors))?, json(serde_json::to_string(&self.model.encoder))?))
    }

    /// Every learned array by its name.
    #[getter]
    fn arrays<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let Model { pca, mixture, classifier, .. } = self.model.as_ref();
        let arrays = PyDict::new(py);
        arrays.set_item("pca_mean", pca.mean().to_owned().into_pyarray(py))?;
        arrays.set_item("pca_components", pca.components().to_owned().into_pyarray(py))?;
        arrays.set_item("pca_variances", pca.explained_variance().to_owned().into_pyarray(py))?;
        arrays.set_item("weights", mixture.weights().to_owned().into_pyarray(py))?;
        arrays.set_item("means", mixture.means().to_owned().into_pyarray(py))?;
        arrays.set_item("variances", mixture.variances().to_owned().into_pyarray(py))?;
        arrays.set_item("coefficients", classifier.coefficients().to_owned().into_pyarray(py))?;
        arrays.set_item("bias", classifier.bias().to_owned().into_pyarray(py))?;
        Ok(arrays)
    }

    /// Scores (images, classes).
    fn scores<'py>(
        &self,
        py: Python<'py>,
        images: Vec<Image>,
        max_side: usize,
        n_threads: usize,
        progress: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyArray2<f64>>> {
        let (explainer, n_classes) = (Arc::clone(&self.explainer), self.model.classes.len());
        let scores = background::run(py, n_threads, progress.as_ref(), move |watch| {
            let score = |index: usize, image: Image| {
                watch.check()?;
                let name = image.name(index);
                let described = described(&explainer, &image.pixels(max_side, &name)?, &name)?;
                let scores = explainer.scores(&described).map_err(|error| raise_for(&name, error))?;
                watch.step()?;
                Ok(scores)
            };
            let n_images = images.len();
            let score = |(index, image)| on_free_threads(n_images, || score(index, image));
            let rows = images.into_par_iter().enumerate().map(score).collect::<PyResult<Vec<_>>>()?;
            Ok(Array2::from_shape_vec((rows.len(), n_classes), rows.concat()).expect("there is one score per class"))
        })?;
        Ok(scores.into_pyarray(py))
    }

    /// Per image the explanations of the classes asked for; `None` is the class farthest above its threshold.
    #[allow(clippy::too_many_arguments, reason = "the Python half gives each of them a name")]
    fn explain<'py>(
        &self,
        py: Python<'py>,
        images: Vec<Image>,
        classes: Vec<Vec<Option<usize>>>,
        rules: Vec<String>,
        max_side: usize,
        n_threads: usize,
        progress: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyList>> {
        let rules = rules.iter().map(|rule| rule.parse::<Rule>().map_err(raise)).collect::<PyResult<Vec<_>>>()?;
        let (explainer, model) = (Arc::clone(&self.explainer), Arc::clone(&self.model));
        let images = background::run(py, n_threads, progress.as_ref(), move |watch| {
            let explain = |index: usize, image: Image, classes: Vec<Option<usize>>| {
                watch.check()?;
                let name = image.name(index);
                let pixels = image.pixels(max_side, &name)?;
                let described = described(&explainer, &pixels, &name)?;
                let explained =
                    explanations(&model, &explainer, &described, &name, &classes, &rules, &|| watch.check())?;
                watch.step()?;
                Ok(ExplainedImage { rgb: pixels.photograph.rgb(), described, explained })
            };
            let n_images = images.len();
            let explain = |(index, (image, classes))| on_free_threads(n_images, || explain(index, image, classes));
            images.into_par_iter().zip(classes).enumerate().map(explain).collect::<PyResult<Vec<_>>>()
        })?;
        let list = PyList::empty(py);
        for image in images {
            list.append(self.to_python(py, image)?)?;
        }
        Ok(list)
    }
}

impl NativeModel {
    fn to_python<'py>(&self, py: Python<'py>, image: ExplainedImage) -> PyResult<Bound<'py, PyList>> {
        let (photograph, frames) = (image.rgb.into_pyarray(py), frames(py, &image.described.frames)?);
        let list = PyList::empty(py);
        for Explained { class, rule, explanation, components } in image.explained {
            let found = PyDict::new(py);
            let conservation = serde_json::to_string(&explanation.conservation).map_err(raise)?;
            found.set_item("class_index", class)?;
            found.set_item("class_name", &self.model.classes[class])?;
            found.set_item("rule", rule.to_string())?;
            found.set_item("score", explanation.score)?;
            found.set_item("threshold", self.model.threshold(class))?;
            found.set_item("probability", self.model.probability(class, explanation.score))?;
            found.set_item("pixels", explanation.pixels.into_pyarray(py))?;
            found.set_item("descriptors", given(py, explanation.descriptors))?;
            found.set_item("dimensions", given(py, explanation.dimensions))?;
            found.set_item("components", given(py, components))?;
            found.set_item("frames", &frames)?;
            found.set_item("photograph", &photograph)?;
            found.set_item("conservation", conservation)?;
            list.append(found)?;
        }
        Ok(list)
    }
}

fn bytes_of(model: &Model, precision: Precision) -> PyResult<Vec<u8>> {
    model.write_bytes(&Header::new(&model.encoder, 0.0).map_err(raise)?, precision).map_err(raise)
}

fn described(explainer: &Explainer, pixels: &Pixels, name: &Path) -> PyResult<Described> {
    Described::from_gray(explainer.extractor(), explainer.pca(), pixels.gray.view(), name).map_err(raise)
}

fn explanations(
    model: &Model,
    explainer: &Explainer,
    described: &Described,
    name: &Path,
    classes: &[Option<usize>],
    rules: &[Rule],
    check: &dyn Fn() -> PyResult<()>,
) -> PyResult<Vec<Explained>> {
    let mapped = explainer.map(described, rules).map_err(|error| raise_for(name, error))?;
    let layout = explainer.encoder().layout();
    let mut found = Vec::with_capacity(classes.len() * rules.len());
    for class in classes {
        let class = class.unwrap_or_else(|| NativeModel::strongest(model, |class| mapped.score(class)));
        for &rule in rules {
            check()?;
            let explanation = mapped.explain(class, rule).map_err(raise)?;
            let components = by_component(&explanation.dimensions, &layout);
            found.push(Explained { class, rule, explanation, components });
        }
    }
    Ok(found)
}

/// The relevance of each component of the mixture: the sum over its dimensions in all parts and cells.
fn by_component(dimensions: &[f64], layout: &Layout) -> Vec<f64> {
    let mut components = vec![0.0; layout.n_components];
    for cell in dimensions.chunks(layout.cell_len()) {
        let mut start = 0;
        for &width in &layout.part_widths {
            for (component, sum) in components.iter_mut().enumerate() {
                *sum += cell[start + component * width..start + (component + 1) * width].iter().sum::<f64>();
            }
            start += layout.n_components * width;
        }
    }
    components
}

/// Colours (height, width, 3) of relevance (height, width). `largest` is the relevance of the strongest colour.
#[pyfunction]
fn heatmap<'py>(
    py: Python<'py>,
    pixels: PyReadonlyArray2<'py, f32>,
    color_map: &str,
    largest: Option<f32>,
) -> PyResult<Bound<'py, PyArray3<u8>>> {
    let pixels = pixels.as_array();
    let map: ColorMap = color_map.parse().map_err(raise)?;
    Ok(heatmap_scaled(pixels, map, largest.unwrap_or_else(|| largest_size(pixels))).into_pyarray(py))
}

/// Colours laid over a photograph; both (height, width, 3).
#[pyfunction]
fn overlay<'py>(
    py: Python<'py>,
    photograph: PyReadonlyArray3<'py, u8>,
    colors: PyReadonlyArray3<'py, u8>,
    opacity: f32,
) -> Bound<'py, PyArray3<u8>> {
    blend(photograph.as_array(), colors.as_array(), opacity).into_pyarray(py)
}

/// A picture (height, width, 3) as the bytes of a PNG file.
#[pyfunction]
fn encode_png<'py>(py: Python<'py>, rgb: PyReadonlyArray3<'py, u8>) -> PyResult<Bound<'py, PyBytes>> {
    Ok(PyBytes::new(py, &png_bytes(rgb.as_array()).map_err(raise)?))
}
