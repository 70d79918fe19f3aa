//! One-vs-rest classifiers, linear and with a kernel, for data with many more dimensions than samples.
//!
//! [`LinearSvm`] computes the inner products of all samples once (the Gram matrix) and then solves the dual problem of every class on
//! this matrix. More classes and more candidates for C therefore need no further pass over the vectors. The fitted
//! [`LinearModel`] has the primal view, w and b, and the dual view, `w = Σ α_i x_i`.
//! [`LinearSvm::train_rows`] solves the same problems on vectors that are read in blocks ([`RowSource`]), without the Gram matrix, for samples that
//! do not fit into memory.
//! [`KernelSvm`] solves the same problems on the Gram matrix of a kernel; its [`KernelModel`] has only the dual view.
//! The cargo feature `logistic` adds `LogisticRegression`, a second linear classifier.
//!
//! ```
//! use fisherlens_classifier::{ClassifierTrainer, LinearSvm};
//! use linfa::ParamGuard;
//! use ndarray::array;
//!
//! let x = array![[1.0_f32, 0.0], [0.8, 0.6], [-1.0, 0.0], [-0.6, 0.8]];
//! let targets = array![[1_i8], [1], [-1], [-1]];
//! let training = LinearSvm::params().c(10.0).check()?.train(x.view(), targets.view())?;
//! assert!(training.report.classes[0].converged);
//! let scores = training.model.decision_function(x.view());
//! assert!(scores[[0, 0]] > 0.0 && scores[[2, 0]] < 0.0);
//! # Ok::<(), fisherlens_classifier::ClassifierError>(())
//! ```

mod block_point;
mod block_problem;
mod block_products;
mod block_solver;
mod blocks;
#[cfg(feature = "logistic")]
mod cholesky;
mod conjugate_gradients;
mod coordinate_descent;
mod cross_validation;
mod dual;
mod error;
mod gram;
mod held_out;
mod kernel;
mod kernel_model;
mod kernel_svm;
mod linear_model;
#[cfg(feature = "logistic")]
mod logistic;
mod model;
mod one_vs_rest;
mod pairs;
mod params;
mod primal;
mod product;
mod rows;
mod sigmoid;
mod solver;
#[cfg(test)]
mod test_data;
mod training;

pub use blocks::BlockProgress;
pub use error::ClassifierError;
pub use gram::gram;
pub use held_out::HeldOut;
pub use kernel::{Kernel, KernelKind};
pub use kernel_model::KernelModel;
pub use kernel_svm::{KernelSvm, KernelSvmParams};
pub use linear_model::{DualView, LinearModel};
#[cfg(feature = "logistic")]
pub use logistic::{LogisticRegression, LogisticRegressionParams};
pub use model::Model;
pub use params::{Difficult, LinearSvm, LinearSvmParams, Loss};
pub use rows::RowSource;
pub use sigmoid::Sigmoid;
pub use training::{ClassReport, ClassifierTrainer, CrossValidationRow, Training, TrainingReport};
