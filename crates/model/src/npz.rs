//! Arrays to and from numpy's `.npz` files: what `export` writes and what the settings `pca.from`, `mixture.from` and
//! `classifier.from` read.
//!
//! | file | arrays |
//! |---|---|
//! | projection | `mean` `(n_features)`, `components` `(n_components, n_features)`, `explained_variance` `(n_components)` |
//! | mixture | `weights` `(K)`, `means` `(K, D)`, `variances` `(K, D)` |
//! | classifiers | `coefficients` `(n_classes, n_dimensions)`, `bias` `(n_classes)`, and, if known, `alphas` `(n_classes, n_images)` |
//!
//! Classes lie in the order of their names. Arrays are written as `f32`, compressed; `f64` is read as well, and either
//! order of the axes in memory. From Python:
//!
//! ```python
//! numpy.savez_compressed("mixture.npz", weights=weights, means=means, variances=variances)
//! ```

use std::fmt;
use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use fisherlens_classifier::{DualView, KernelModel, LinearModel, Training, TrainingReport};
use fisherlens_descriptors::Pca;
use fisherlens_mixture::DiagonalGmm;
use ndarray::{Array1, Array2, ArrayBase, ArrayD, Data, Dimension, OwnedRepr};
use ndarray_npy::{NpzReader, NpzWriter, ReadNpyError, ReadNpzError, WritableElement};
use tempfile::NamedTempFile;

/// A `.npz` file that is being written; it appears under its name when it is finished.
pub struct NpzFile {
    path: PathBuf,
    writer: NpzWriter<BufWriter<NamedTempFile>>,
}

impl fmt::Debug for NpzFile {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("NpzFile").field("path", &self.path).finish_non_exhaustive()
    }
}

impl NpzFile {
    /// Starts a file; its folder must be there.
    ///
    /// # Errors
    /// When nothing can be written into the folder.
    pub fn create(path: &Path) -> Result<Self> {
        let folder = match path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        let mut aside = tempfile::Builder::new();
        aside.prefix(".writing-");
        // Temporary files are private by default; an export is as open as any other file the user makes.
        #[cfg(unix)]
        aside.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
        let file = aside.tempfile_in(folder).with_context(|| format!("cannot write {}", path.display()))?;
        Ok(Self { path: path.to_owned(), writer: NpzWriter::new_compressed(BufWriter::new(file)) })
    }

    /// Adds an array under `name`.
    ///
    /// # Errors
    /// What the file system says.
    pub fn add<A, S, D>(&mut self, name: &str, array: &ArrayBase<S, D>) -> Result<()>
    where
        A: WritableElement,
        S: Data<Elem = A>,
        D: Dimension,
    {
        let added = self.writer.add_array(name, array);
        added.with_context(|| format!("cannot write array \"{name}\" of {}", self.path.display()))
    }

    /// Adds the arrays of a projection.
    ///
    /// # Errors
    /// See [`NpzFile::add`].
    pub fn add_pca(&mut self, pca: &Pca) -> Result<()> {
        self.add("mean", &pca.mean())?;
        self.add("components", &pca.components())?;
        self.add("explained_variance", &pca.explained_variance())
    }

    /// Adds the arrays of a mixture.
    ///
    /// # Errors
    /// See [`NpzFile::add`].
    pub fn add_mixture(&mut self, mixture: &DiagonalGmm) -> Result<()> {
        self.add("weights", &mixture.weights())?;
        self.add("means", &mixture.means())?;
        self.add("variances", &mixture.variances())
    }

    /// Adds the arrays of the classifiers.
    ///
    /// # Errors
    /// See [`NpzFile::add`].
    pub fn add_classifier(&mut self, model: &LinearModel) -> Result<()> {
        self.add("coefficients", &model.coefficients())?;
        self.add("bias", &model.bias())?;
        match model.dual() {
            Some(dual) => self.add("alphas", &dual.alphas),
            None => Ok(()),
        }
    }

    /// Adds the arrays of classifiers with a kernel; its width is `gamma`, without entries where it has none.
    ///
    /// # Errors
    /// See [`NpzFile::add`].
    pub fn add_kernel_classifier(&mut self, model: &KernelModel) -> Result<()> {
        self.add("support", &model.support())?;
        self.add("alphas", &model.alphas())?;
        self.add("bias", &model.bias())?;
        self.add("gamma", &model.kernel().gamma().into_iter().collect::<Array1<f64>>())
    }

    /// Completes the file and puts it under its name, in place of what was there.
    ///
    /// # Errors
    /// What the file system says.
    pub fn finish(self) -> Result<()> {
        let Self { path, writer } = self;
        let finished = || -> Result<()> {
            let file = writer.finish()?.into_inner().map_err(std::io::IntoInnerError::into_error)?;
            file.as_file().sync_all()?;
            file.persist(&path)?;
            Ok(())
        };
        finished().with_context(|| format!("cannot write {}", path.display()))
    }
}

/// A projection from a file.
///
/// # Errors
/// The file, the array, and the shape found and expected.
pub fn read_pca(path: &Path) -> Result<Pca> {
    let mut file = Source::open(path)?;
    let components: Array2<f32> = file.read("components", "(n_components, n_features)")?;
    let (n_components, n_features) = components.dim();
    let mean: Array1<f32> = file.read("mean", "(n_features)")?;
    let explained_variance: Array1<f32> = file.read("explained_variance", "(n_components)")?;
    file.expect("mean", mean.shape(), &[n_features])?;
    file.expect("explained_variance", explained_variance.shape(), &[n_components])?;
    Pca::from_parts(mean, components, explained_variance).with_context(|| file.name())
}

/// A mixture from a file.
///
/// # Errors
/// The file, the array, and the shape found and expected; what a mixture does not allow.
pub fn read_mixture(path: &Path) -> Result<DiagonalGmm> {
    let mut file = Source::open(path)?;
    let means: Array2<f32> = file.read("means", "(K, D)")?;
    let weights: Array1<f32> = file.read("weights", "(K)")?;
    let variances: Array2<f32> = file.read("variances", "(K, D)")?;
    file.expect("weights", weights.shape(), &[means.nrows()])?;
    file.expect("variances", variances.shape(), means.shape())?;
    DiagonalGmm::from_parts(weights, means, variances).with_context(|| file.name())
}

/// Classifiers from a file, one for each of `classes`, which lie in the order of their names.
///
/// # Errors
/// The file, the array, and the shape found and expected.
pub fn read_classifier(path: &Path, classes: &[String]) -> Result<Training> {
    let mut file = Source::open(path)?;
    let coefficients: Array2<f32> = file.read("coefficients", "(n_classes, n_dimensions)")?;
    let bias: Array1<f32> = file.read("bias", "(n_classes)")?;
    ensure!(
        coefficients.nrows() == classes.len(),
        "{}: array \"coefficients\" has {} rows, expected one for each of the {} classes {}",
        file.name(),
        coefficients.nrows(),
        classes.len(),
        classes.join(", ")
    );
    file.expect("bias", bias.shape(), &[classes.len()])?;
    let mut model = LinearModel::from_parts(coefficients, bias).with_context(|| file.name())?;
    if file.has("alphas") {
        let alphas: Array2<f32> = file.read("alphas", "(n_classes, n_images)")?;
        file.expect("alphas", alphas.shape(), &[classes.len(), alphas.ncols()])?;
        model = model.with_dual(DualView { alphas }).with_context(|| file.name())?;
    }
    Ok(Training { model, report: TrainingReport::default() })
}

/// A `.npz` file that is read.
struct Source {
    path: PathBuf,
    reader: NpzReader<File>,
    names: Vec<String>,
}

impl Source {
    fn open(path: &Path) -> Result<Self> {
        let file = File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
        let mut reader =
            NpzReader::new(file).with_context(|| format!("{} is no .npz file that can be read", path.display()))?;
        let names = reader.names().with_context(|| format!("{} has no list of arrays", path.display()))?;
        // numpy writes `name.npy` into the archive.
        let names = names.iter().map(|name| name.strip_suffix(".npy").unwrap_or(name).to_owned()).collect();
        Ok(Self { path: path.to_owned(), reader, names })
    }

    fn name(&self) -> String {
        self.path.display().to_string()
    }

    fn has(&self, name: &str) -> bool {
        self.names.iter().any(|known| known == name)
    }

    /// An array of `f32` or `f64` in C order.
    fn read<D: Dimension>(&mut self, name: &str, axes: &str) -> Result<ArrayBase<OwnedRepr<f32>, D>> {
        if !self.has(name) {
            bail!("{}: no array \"{name}\" {axes}; there are {}", self.name(), self.names.join(", "));
        }
        let array = match self.reader.by_name::<OwnedRepr<f32>, ndarray::IxDyn>(name) {
            Err(ReadNpzError::Npy(ReadNpyError::WrongDescriptor(_))) => self.read_f64(name)?,
            read => read.with_context(|| format!("{}: array \"{name}\" cannot be read", self.name()))?,
        };
        let shape = array.shape().to_vec();
        let array = array.into_dimensionality::<D>().map_err(|_| {
            let found = shape_in_words(&shape);
            anyhow!("{}: array \"{name}\" has the shape {found}, expected {axes}", self.name())
        })?;
        Ok(if array.is_standard_layout() { array } else { array.as_standard_layout().into_owned() })
    }

    fn read_f64(&mut self, name: &str) -> Result<ArrayD<f32>> {
        match self.reader.by_name::<OwnedRepr<f64>, ndarray::IxDyn>(name) {
            Ok(array) => Ok(array.mapv(|value| value as f32)),
            Err(ReadNpzError::Npy(ReadNpyError::WrongDescriptor(found))) => {
                bail!("{}: array \"{name}\" has elements of type {found}, expected '<f4' or '<f8'", self.name())
            }
            Err(error) => Err(error).with_context(|| format!("{}: array \"{name}\" cannot be read", self.name())),
        }
    }

    fn expect(&self, name: &str, found: &[usize], expected: &[usize]) -> Result<()> {
        ensure!(
            found == expected,
            "{}: array \"{name}\" has the shape {}, expected {} by the other arrays",
            self.name(),
            shape_in_words(found),
            shape_in_words(expected)
        );
        Ok(())
    }
}

fn shape_in_words(shape: &[usize]) -> String {
    let lengths: Vec<String> = shape.iter().map(usize::to_string).collect();
    format!("({})", lengths.join(", "))
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

        fn write(&self, fill: impl FnOnce(&mut NpzFile) -> Result<()>) -> PathBuf {
            let mut file = NpzFile::create(&self.path()).unwrap();
            fill(&mut file).unwrap();
            file.finish().unwrap();
            self.path()
        }
    }

    fn mixture() -> DiagonalGmm {
        DiagonalGmm::from_parts(array![0.25, 0.75], array![[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]], Array2::ones((2, 3)))
            .unwrap()
    }

    fn classes() -> Vec<String> {
        ["cat", "dog"].map(str::to_owned).to_vec()
    }

    #[test]
    fn models_survive() {
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
        let message = format!("{:#}", NpzFile::create(&folder.0.path().join("missing/a.npz")).unwrap_err());
        assert!(message.contains("missing/a.npz"), "{message}");
    }

    #[test]
    fn doubles_and_columns_first_are_read_too() {
        let folder = Folder::new();
        let means = mixture().means().mapv(f64::from);
        let mut columns_first = ndarray::Array2::zeros((2, 3).f());
        columns_first.assign(&means);
        let path = folder.write(|file| {
            file.add("weights", &array![0.25, 0.75])?;
            file.add("means", &columns_first)?;
            file.add("variances", &Array2::<f32>::ones((2, 3)))
        });
        let read = read_mixture(&path).unwrap();
        assert_eq!(read.means(), mixture().means());
        assert!(read.means().is_standard_layout());
    }

    #[test]
    fn what_is_wrong_is_named_with_file_array_and_shapes() {
        let folder = Folder::new();
        let refused = |words: &[&str], read: &dyn Fn(&Path) -> Result<()>| {
            let message = format!("{:#}", read(&folder.path()).unwrap_err());
            for word in words.iter().chain(&["model.npz"]) {
                assert!(message.contains(word), "{message:?} lacks {word:?}");
            }
        };
        let as_mixture = |path: &Path| read_mixture(path).map(drop);
        let as_classifier = |path: &Path| read_classifier(path, &classes()).map(drop);
        refused(&["cannot read"], &as_mixture);
        std::fs::write(folder.path(), b"noise").unwrap();
        refused(&["no .npz file"], &as_mixture);
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
        refused(&["variances"], &as_mixture);
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
}
