//! Trains a linear SVM on random samples, scores unseen samples, and prints how close the solver came to the optimum.
//!
//! `cargo run --package fisherlens-classifier --example linear_svm`
#![expect(clippy::print_stdout, reason = "an example prints its result")]

use fisherlens_classifier::{ClassifierError, ClassifierTrainer, LinearSvm};
use linfa::ParamGuard;
use ndarray::{Array2, Axis};
use rand::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

const CLASSES: [&str; 3] = ["cat", "dog", "horse"];
const N_DIMENSIONS: usize = 2000;

/// Each sample shows one class: the centre of the class plus noise, scaled to unit length. Targets are +1 or −1 per class.
fn samples(n: usize, centres: &Array2<f32>, rng: &mut Xoshiro256PlusPlus) -> (Array2<f32>, Array2<i8>) {
    let mut x = Array2::from_shape_simple_fn((n, N_DIMENSIONS), || rng.gen_range(-1.0..1.0));
    let targets =
        Array2::from_shape_fn((n, CLASSES.len()), |(i, class)| if i % CLASSES.len() == class { 1 } else { -1 });
    for (i, mut row) in x.axis_iter_mut(Axis(0)).enumerate() {
        row += &(&centres.row(i % CLASSES.len()) * 0.12);
        let length = row.dot(&row).sqrt();
        row /= length;
    }
    (x, targets)
}

fn main() -> Result<(), ClassifierError> {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(1);
    let centres = Array2::from_shape_simple_fn((CLASSES.len(), N_DIMENSIONS), || rng.gen_range(-1.0..1.0));
    let (x, targets) = samples(120, &centres, &mut rng);
    let (unseen, unseen_targets) = samples(300, &centres, &mut rng);

    let svm = LinearSvm::params().c_grid(vec![0.1, 1.0, 10.0]).tolerance(1e-5).check()?;
    let training = svm.train(x.view(), targets.view())?;

    println!("C        mean average precision on held-out folds");
    for row in &training.report.cross_validation {
        println!("{:<8} {:.3}", row.c, row.mean_average_precision);
    }
    println!("\nclass   objective   duality gap   epochs   converged   support vectors");
    for (name, class) in CLASSES.iter().zip(&training.report.classes) {
        let (gap, epochs) = (class.duality_gap.unwrap_or(f64::NAN), class.n_epochs.unwrap_or(0));
        let (objective, n) = (class.objective, class.n_support_vectors);
        println!("{name:<7} {objective:>9.4}   {gap:>11.1e}   {epochs:>6}   {:>9}   {n:>15}", class.converged);
    }
    let scores = training.model.decision_function(unseen.view());
    println!("\nscores of the first unseen sample, a {}: {:.3}", CLASSES[0], scores.row(0));
    for (class, name) in CLASSES.iter().enumerate() {
        let pairs = scores.column(class).into_iter().zip(unseen_targets.column(class));
        let n_right = pairs.filter(|(score, target)| (**score > 0.0) == (**target > 0)).count();
        println!("{name}: the sign of the score is right for {n_right} of {} unseen samples", unseen.nrows());
    }
    Ok(())
}
