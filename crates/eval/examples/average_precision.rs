//! Average precision, equal-error threshold and bootstrap interval of a classifier, from made-up scores.
//!
//! Run it with
//! `cargo run --package fisherlens-eval --example average_precision`
#![expect(clippy::print_stdout, reason = "an example prints its results")]

use fisherlens_eval::{
    EvalError, Interpolation, average_precision, bootstrap_mean_average_precision, equal_error_threshold,
};
use ndarray::{Array1, Axis};
use rand::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

fn main() -> Result<(), EvalError> {
    // 500 images of one class. Label +1: the object is in the image, −1: it is not, 0: there are only difficult objects.
    // Difficult images are skipped by all functions.
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(1);
    let labels: Vec<i8> = (0..500).map(|image| [1, -1, -1, -1, 0][image % 5]).collect();
    let scores: Vec<f32> = labels.iter().map(|&label| 0.5 * f32::from(label) + rng.gen_range(-1.0..1.0)).collect();

    for (name, interpolation) in [("11-point", Interpolation::ElevenPoint), ("area", Interpolation::Area)] {
        // `None` only if there is no positive image.
        let value = average_precision(&scores, &labels, interpolation).expect("there are positive images");
        println!("{name:>8} average precision: {value:.3}");
    }

    let found = equal_error_threshold(&scores, &labels)?;
    println!("equal-error threshold: {:.3}", found.threshold);
    println!("    false positive rate: {:.1} %", 100.0 * found.false_positive_rate);
    println!("    false negative rate: {:.1} %", 100.0 * found.false_negative_rate);

    // The bootstrap takes one column per class. Here there is one class, so the mean is over one value.
    let scores = Array1::from(scores).insert_axis(Axis(1));
    let labels = Array1::from(labels).insert_axis(Axis(1));
    let interval =
        bootstrap_mean_average_precision(scores.view(), labels.view(), Interpolation::ElevenPoint, 1_000, 7)?;
    println!("95 % interval of the 11-point value: {:.3} to {:.3}", interval.low, interval.high);
    Ok(())
}
