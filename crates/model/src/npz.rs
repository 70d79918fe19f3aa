//! Arrays to and from NumPy's `.npz` files. The command `export` writes them; the settings `pca.from`, `mixture.from` and `classifier.from`
//! read them.
//!
//! | file | arrays |
//! |---|---|
//! | projection | `mean` `(n_features)`, `components` `(n_components, n_features)`, `explained_variance` `(n_components)` |
//! | mixture | `weights` `(K)`, `means` `(K, D)`, `variances` `(K, D)` |
//! | classifiers | `coefficients` `(n_classes, n_dimensions)`, `bias` `(n_classes)`, and, if known, `alphas` `(n_classes, n_images)` |
//!
//! Classes lie in the order of their names. Arrays are written as `f32`, compressed. Arrays of `f64`, and arrays in Fortran order, can be
//! read too. From Python:
//!
//! ```python
//! numpy.savez_compressed("mixture.npz", weights=weights, means=means, variances=variances)
//! ```

use std::error::Error;
use std::fmt;
use std::io::{BufWriter, Cursor};
use std::path::{Path, PathBuf};

use fisherlens_classifier::{DualView, KernelModel, LinearModel, Training, TrainingReport};
use fisherlens_descriptors::Pca;
use fisherlens_files::{LARGEST_MODEL, NewFile, read_stream};
use fisherlens_mixture::DiagonalGmm;
use ndarray::{Array1, Array2, ArrayBase, ArrayD, Data, Dimension, OwnedRepr};
use ndarray_npy::{NpzWriter, ReadNpyError, ReadNpyExt as _, WritableElement};
use zip::ZipArchive;

use crate::error::{ModelError, shape_in_words};
use crate::npz_header::missing_values;

/// A `.npz` file that is being written. It appears under its name when it is finished.
///
/// ```
/// use fisherlens_model::NpzFile;
/// use ndarray::array;
///
/// let folder = tempfile::tempdir()?;
/// let path = folder.path().join("scores.npz");
/// let mut file = NpzFile::create(&path)?;
/// file.add("scores", &array![0.25, -1.5])?;
/// file.finish()?;
/// assert!(path.exists());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct NpzFile {
    path: PathBuf,
    writer: NpzWriter<BufWriter<NewFile>>,
}

impl fmt::Debug for NpzFile {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("NpzFile").field("path", &self.path).finish_non_exhaustive()
    }
}

impl NpzFile {
    /// Starts a file; its folder must exist.
    ///
    /// # Errors
    /// [`ModelError::Write`] when nothing can be written into the folder.
    pub fn create(path: &Path) -> Result<Self, ModelError> {
        let file = NewFile::create(path).map_err(|error| cannot_write(path, error))?;
        Ok(Self { path: path.to_owned(), writer: NpzWriter::new_compressed(BufWriter::new(file)) })
    }

    /// Adds an array under `name`.
    ///
    /// # Errors
    /// [`ModelError::WriteArray`], with the names of file and array.
    pub fn add<A, S, D>(&mut self, name: &str, array: &ArrayBase<S, D>) -> Result<(), ModelError>
    where
        A: WritableElement,
        S: Data<Elem = A>,
        D: Dimension,
    {
        self.writer.add_array(name, array).map_err(|error| ModelError::WriteArray {
            path: self.path.clone(),
            array: name.to_owned(),
            source: error.into(),
        })
    }

    /// Adds the arrays of a projection.
    ///
    /// # Errors
    /// See [`NpzFile::add`].
    pub fn add_pca(&mut self, pca: &Pca) -> Result<(), ModelError> {
        self.add("mean", &pca.mean())?;
        self.add("components", &pca.components())?;
        self.add("explained_variance", &pca.explained_variance())
    }

    /// Adds the arrays of a mixture.
    ///
    /// # Errors
    /// See [`NpzFile::add`].
    pub fn add_mixture(&mut self, mixture: &DiagonalGmm) -> Result<(), ModelError> {
        self.add("weights", &mixture.weights())?;
        self.add("means", &mixture.means())?;
        self.add("variances", &mixture.variances())
    }

    /// Adds the arrays of the classifiers.
    ///
    /// # Errors
    /// See [`NpzFile::add`].
    pub fn add_classifier(&mut self, model: &LinearModel) -> Result<(), ModelError> {
        self.add("coefficients", &model.coefficients())?;
        self.add("bias", &model.bias())?;
        match model.dual() {
            Some(dual) => self.add("alphas", &dual.alphas),
            None => Ok(()),
        }
    }

    /// Adds the arrays of classifiers with a kernel. `gamma` is the kernel's width; it has no entry for kernels without a width.
    ///
    /// # Errors
    /// See [`NpzFile::add`].
    pub fn add_kernel_classifier(&mut self, model: &KernelModel) -> Result<(), ModelError> {
        self.add("support", &model.support())?;
        self.add("alphas", &model.alphas())?;
        self.add("bias", &model.bias())?;
        self.add("gamma", &model.kernel().gamma().into_iter().collect::<Array1<f64>>())
    }

    /// Completes the file and puts it under its name, in place of what was there.
    ///
    /// # Errors
    /// [`ModelError::Write`], with the name of the file.
    pub fn finish(self) -> Result<(), ModelError> {
        let Self { path, writer } = self;
        let file = writer.finish().map_err(|error| cannot_write(&path, error))?.into_inner();
        let file = file.map_err(|error| cannot_write(&path, error.into_error()))?;
        file.as_file().sync_all().map_err(|error| cannot_write(&path, error))?;
        file.finish().map_err(|error| cannot_write(&path, error))?;
        Ok(())
    }
}

fn cannot_write(path: &Path, error: impl Into<Box<dyn Error + Send + Sync>>) -> ModelError {
    ModelError::Write { path: path.to_owned(), source: error.into() }
}

/// Reads a projection.
///
/// # Errors
/// The fault with the file, the array, and the shapes found and expected.
pub fn read_pca(path: &Path) -> Result<Pca, ModelError> {
    let mut file = Source::open(path)?;
    let components: Array2<f32> = file.read("components", "(n_components, n_features)")?;
    let (n_components, n_features) = components.dim();
    let mean: Array1<f32> = file.read("mean", "(n_features)")?;
    let explained_variance: Array1<f32> = file.read("explained_variance", "(n_components)")?;
    file.expect("mean", mean.shape(), &[n_features])?;
    file.expect("explained_variance", explained_variance.shape(), &[n_components])?;
    Pca::from_parts(mean, components, explained_variance).map_err(|error| file.values(error))
}

/// Reads a mixture.
///
/// # Errors
/// The fault with the file, the array, and the shapes found and expected; [`ModelError::Values`] for what a mixture does not allow.
pub fn read_mixture(path: &Path) -> Result<DiagonalGmm, ModelError> {
    let mut file = Source::open(path)?;
    let means: Array2<f32> = file.read("means", "(K, D)")?;
    let weights: Array1<f32> = file.read("weights", "(K)")?;
    let variances: Array2<f32> = file.read("variances", "(K, D)")?;
    file.expect("weights", weights.shape(), &[means.nrows()])?;
    file.expect("variances", variances.shape(), means.shape())?;
    DiagonalGmm::from_parts(weights, means, variances).map_err(|error| file.values(error))
}

/// Reads classifiers, one for each of `classes`, which lie in the order of their names.
///
/// # Errors
/// The fault with the file, the array, and the shapes found and expected.
pub fn read_classifier(path: &Path, classes: &[String]) -> Result<Training, ModelError> {
    let mut file = Source::open(path)?;
    let coefficients: Array2<f32> = file.read("coefficients", "(n_classes, n_dimensions)")?;
    let bias: Array1<f32> = file.read("bias", "(n_classes)")?;
    if coefficients.nrows() != classes.len() {
        return Err(ModelError::Classes { path: file.path, found: coefficients.nrows(), classes: classes.to_vec() });
    }
    file.expect("bias", bias.shape(), &[classes.len()])?;
    let mut model = LinearModel::from_parts(coefficients, bias).map_err(|error| file.values(error))?;
    if file.has("alphas") {
        let alphas: Array2<f32> = file.read("alphas", "(n_classes, n_images)")?;
        file.expect("alphas", alphas.shape(), &[classes.len(), alphas.ncols()])?;
        model = model.with_dual(DualView { alphas }).map_err(|error| file.values(error))?;
    }
    Ok(Training { model, report: TrainingReport::default() })
}

/// A `.npz` file that is being read.
struct Source {
    path: PathBuf,
    archive: ZipArchive<Cursor<Vec<u8>>>,
    names: Vec<String>,
}

impl Source {
    fn open(path: &Path) -> Result<Self, ModelError> {
        let bytes = fisherlens_files::read(path, LARGEST_MODEL);
        let bytes = bytes.map_err(|source| ModelError::Read { path: path.to_owned(), source })?;
        let archive = ZipArchive::new(Cursor::new(bytes))
            .map_err(|error| ModelError::Npz { path: path.to_owned(), source: error.into() })?;
        // NumPy calls an array's entry of the archive `name.npy`.
        let names = archive.file_names().map(|name| name.strip_suffix(".npy").unwrap_or(name).to_owned()).collect();
        Ok(Self { path: path.to_owned(), archive, names })
    }

    fn has(&self, name: &str) -> bool {
        self.names.iter().any(|known| known == name)
    }

    /// An array of `f32` or `f64`, in C order.
    fn read<D: Dimension>(
        &mut self,
        array: &'static str,
        axes: &'static str,
    ) -> Result<ArrayBase<OwnedRepr<f32>, D>, ModelError> {
        if !self.has(array) {
            return Err(ModelError::MissingArray { path: self.path.clone(), array, axes, known: self.names.clone() });
        }
        let bytes = self.entry(array).map_err(|error| self.damaged(array, error))?;
        if let Some(problem) = missing_values(&bytes) {
            return Err(self.damaged(array, problem));
        }
        let values = match ArrayD::<f32>::read_npy(&bytes[..]) {
            Err(ReadNpyError::WrongDescriptor(_)) => self.read_f64(array, &bytes)?,
            read => read.map_err(|error| self.damaged(array, error))?,
        };
        let shape = values.shape().to_vec();
        let values = values.into_dimensionality::<D>().map_err(|_| self.shape(array, &shape, axes.to_owned()))?;
        Ok(if values.is_standard_layout() { values } else { values.as_standard_layout().into_owned() })
    }

    /// The unpacked bytes of an array.
    fn entry(&mut self, array: &str) -> Result<Vec<u8>, Box<dyn Error + Send + Sync>> {
        let with_ending = format!("{array}.npy");
        let name = if self.archive.index_for_name(&with_ending).is_some() { with_ending.as_str() } else { array };
        Ok(read_stream(self.archive.by_name(name)?, LARGEST_MODEL)?)
    }

    fn read_f64(&self, array: &'static str, bytes: &[u8]) -> Result<ArrayD<f32>, ModelError> {
        match ArrayD::<f64>::read_npy(bytes) {
            Ok(values) => Ok(values.mapv(|value| value as f32)),
            Err(ReadNpyError::WrongDescriptor(found)) => {
                Err(ModelError::ElementType { path: self.path.clone(), array, found: found.to_string() })
            }
            Err(error) => Err(self.damaged(array, error)),
        }
    }

    /// Refuses a shape that does not fit the other arrays.
    fn expect(&self, array: &'static str, found: &[usize], expected: &[usize]) -> Result<(), ModelError> {
        if found == expected {
            return Ok(());
        }
        Err(self.shape(array, found, format!("{} by the other arrays", shape_in_words(expected))))
    }

    fn shape(&self, array: &'static str, found: &[usize], expected: String) -> ModelError {
        ModelError::Shape { path: self.path.clone(), array, found: found.to_vec(), expected }
    }

    fn damaged(&self, array: &'static str, error: impl Into<Box<dyn Error + Send + Sync>>) -> ModelError {
        ModelError::DamagedArray { path: self.path.clone(), array, source: error.into() }
    }

    fn values(&self, error: impl Into<Box<dyn Error + Send + Sync>>) -> ModelError {
        ModelError::Values { path: self.path.clone(), source: error.into() }
    }
}

#[cfg(test)]
mod tests {
    use ndarray::{Array3, ShapeBuilder as _, array};

    use super::*;

    struct Folder(tempfile::TempDir);

    impl Folder {
        fn new() -> Self {
            Self(tempfile::tempdir().unwrap())
        }

        fn path(&self) -> PathBuf {
            self.0.path().join("model.npz")
        }

        fn write(&self, fill: impl FnOnce(&mut NpzFile) -> Result<(), ModelError>) -> PathBuf {
            let mut file = NpzFile::create(&self.path()).unwrap();
            fill(&mut file).unwrap();
            file.finish().unwrap();
            self.path()
        }
    }

    /// An error with its causes.
    fn whole(error: ModelError) -> String {
        format!("{:#}", anyhow::Error::from(error))
    }

    fn mixture() -> DiagonalGmm {
        DiagonalGmm::from_parts(array![0.25, 0.75], array![[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]], Array2::ones((2, 3)))
            .unwrap()
    }

    fn classes() -> Vec<String> {
        ["cat", "dog"].map(str::to_owned).to_vec()
    }

    #[test]
    fn models_are_the_same_after_writing_and_reading() {
        let folder = Folder::new();
        let read = read_mixture(&folder.write(|file| file.add_mixture(&mixture()))).unwrap();
        assert_eq!(read.weights(), mixture().weights());
        assert_eq!(read.means(), mixture().means());
        assert_eq!(read.variances(), mixture().variances());

        let components = array![[1.0, 0.0, 0.0], [0.0, 0.6, 0.8]];
        let pca = Pca::from_parts(array![1.0, 2.0, 3.0], components, array![2.0, 1.0]).unwrap();
        assert_eq!(read_pca(&folder.write(|file| file.add_pca(&pca))).unwrap(), pca);

        let model = LinearModel::from_parts(array![[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]], array![0.5, -0.5]).unwrap();
        let path = folder.write(|file| file.add_classifier(&model));
        let training = read_classifier(&path, &classes()).unwrap();
        assert_eq!((training.model, training.report), (model.clone(), TrainingReport::default()));
        let model = model.with_dual(DualView { alphas: array![[0.0, 1.0], [-1.0, 0.0]] }).unwrap();
        let path = folder.write(|file| file.add_classifier(&model));
        assert_eq!(read_classifier(&path, &classes()).unwrap().model, model);
    }

    #[test]
    fn an_unfinished_file_never_appears() {
        let folder = Folder::new();
        let mut file = NpzFile::create(&folder.path()).unwrap();
        file.add("a", &array![1_u32]).unwrap();
        drop(file);
        assert_eq!(std::fs::read_dir(folder.0.path()).unwrap().count(), 0);
        let message = whole(NpzFile::create(&folder.0.path().join("missing/a.npz")).unwrap_err());
        assert!(message.contains("missing/a.npz"), "{message}");
    }

    #[test]
    fn doubles_and_fortran_order_can_be_read_too() {
        let folder = Folder::new();
        let means = mixture().means().mapv(f64::from);
        let mut fortran = ndarray::Array2::zeros((2, 3).f());
        fortran.assign(&means);
        let path = folder.write(|file| {
            file.add("weights", &array![0.25, 0.75])?;
            file.add("means", &fortran)?;
            file.add("variances", &Array2::<f32>::ones((2, 3)))
        });
        let read = read_mixture(&path).unwrap();
        assert_eq!(read.means(), mixture().means());
        assert!(read.means().is_standard_layout());
    }

    #[test]
    fn errors_name_the_file_the_array_and_the_shapes() {
        let folder = Folder::new();
        let refused = |words: &[&str], read: &dyn Fn(&Path) -> Result<(), ModelError>| {
            let message = whole(read(&folder.path()).unwrap_err());
            for word in words.iter().chain(&["model.npz"]) {
                assert!(message.contains(word), "{message:?} lacks {word:?}");
            }
        };
        let as_mixture = |path: &Path| read_mixture(path).map(drop);
        let as_classifier = |path: &Path| read_classifier(path, &classes()).map(drop);
        refused(&["cannot read"], &as_mixture);
        std::fs::write(folder.path(), b"noise").unwrap();
        refused(&["not a .npz file"], &as_mixture);
        folder.write(|file| file.add("means", &mixture().means()));
        refused(&["no array \"weights\" (K)", "there are means"], &as_mixture);
        folder.write(|file| {
            file.add("weights", &array![0.5_f32, 0.25, 0.25])?;
            file.add("means", &mixture().means())?;
            file.add("variances", &mixture().variances())
        });
        refused(&["array \"weights\" has the shape (3), expected (2)"], &as_mixture);
        folder.write(|file| file.add("means", &Array3::<f32>::zeros((2, 3, 4))));
        refused(&["array \"means\" has the shape (2, 3, 4), expected (K, D)"], &as_mixture);
        folder.write(|file| file.add("means", &array![[1_u32]]));
        refused(&["array \"means\" has elements of type", "<u4", "'<f4' or '<f8'"], &as_mixture);
        folder.write(|file| {
            file.add("weights", &array![0.5_f32, 0.5])?;
            file.add("means", &mixture().means())?;
            file.add("variances", &Array2::<f32>::zeros((2, 3)))
        });
        refused(&["holds values that are not allowed", "variances"], &as_mixture);
        folder.write(|file| {
            file.add("coefficients", &Array2::<f32>::zeros((3, 4)))?;
            file.add("bias", &Array1::<f32>::zeros(3))
        });
        refused(&["\"coefficients\" has 3 rows", "2 classes cat, dog"], &as_classifier);
        folder.write(|file| {
            file.add("coefficients", &Array2::<f32>::zeros((2, 4)))?;
            file.add("bias", &Array1::<f32>::zeros(2))?;
            file.add("alphas", &Array2::<f32>::zeros((4, 2)))
        });
        refused(&["array \"alphas\" has the shape (4, 2), expected (2, 2)"], &as_classifier);
    }

    /// Bytes of an array file whose header says `shape`, followed by `n` bytes.
    fn array_file(shape: &str, n: usize) -> Vec<u8> {
        let header = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}");
        let header = format!("{header:<117}\n");
        let length = u16::try_from(header.len()).unwrap().to_le_bytes();
        [b"\x93NUMPY\x01\x00", &length[..], header.as_bytes(), &vec![0; n]].concat()
    }

    #[test]
    fn a_header_that_promises_too_much_is_refused_before_memory_is_taken() {
        let folder = Folder::new();
        for shape in ["(9223372036854775807,)", "(4000000000, 4000000000)", "(1000, 1000)"] {
            let mut archive = zip::ZipWriter::new(std::fs::File::create(folder.path()).unwrap());
            archive.start_file("means.npy", zip::write::SimpleFileOptions::default()).unwrap();
            std::io::Write::write_all(&mut archive, &array_file(shape, 12)).unwrap();
            archive.finish().unwrap();
            let message = whole(read_mixture(&folder.path()).unwrap_err());
            assert!(message.contains("means") && message.contains("12 bytes follow"), "{message}");
        }
        assert_eq!(missing_values(&array_file("(3,)", 12)), None);
    }

    #[test]
    fn alphas_must_be_finite() {
        let folder = Folder::new();
        let path = folder.write(|file| {
            file.add("coefficients", &array![[1.0_f32, 2.0]])?;
            file.add("bias", &array![0.5_f32])?;
            file.add("alphas", &array![[0.5_f32, f32::NAN]])
        });
        let message = whole(read_classifier(&path, &["cat".to_owned()]).unwrap_err());
        assert!(message.contains("alphas") && message.contains("NaN"), "{message}");
    }
}
