//! Runs the whole experiment, relevance included, with an encoder that is defined in this file and that no setting names:
//! `cargo run --package fisherlens-experiment --example own_encoder`

use std::path::Path;

use anyhow::Result;
use fisherlens_experiment::experiment::Experiment;
use fisherlens_experiment::interrupt::Interrupt;
use fisherlens_experiment::keys::Keys;
use fisherlens_experiment::progress::Progress;
use fisherlens_experiment::session::Session;
use fisherlens_experiment::stages::{learned, scores};
use fisherlens_fisher::{DescriptorSet, Encoder, FisherError, Layout, Mapping};
use fisherlens_lrp::Rule;
use ndarray::ArrayView2;

/// First and third moments of the projected descriptors, without any mixture: m(l) = [l, l³].
struct Moments(usize);

struct MomentsOf<'a>(ArrayView2<'a, f32>);

impl Encoder for Moments {
    fn n_features(&self) -> usize {
        self.0
    }

    fn layout(&self) -> Layout {
        Layout { n_cells: 1, n_components: 1, part_widths: vec![self.0, self.0] }
    }

    fn map<'a>(&'a self, descriptors: DescriptorSet<'a>) -> Result<Box<dyn Mapping + 'a>, FisherError> {
        Ok(Box::new(MomentsOf(descriptors.values)))
    }
}

impl Mapping for MomentsOf<'_> {
    fn n_descriptors(&self) -> usize {
        self.0.nrows()
    }

    fn n_dimensions(&self) -> usize {
        2 * self.0.ncols()
    }

    fn row(&self, l: usize, out: &mut [f32]) {
        let (first, third) = out.split_at_mut(self.0.ncols());
        for ((first, third), &value) in first.iter_mut().zip(third).zip(self.0.row(l)) {
            *first = value;
            *third = value.powi(3);
        }
    }
}

/// Mean average precision, and the largest share of a score that any rule loses or adds without explanation between the score and the
/// pixels of one image.
///
/// # Errors
/// The errors of the stages.
pub fn run(session: &Session) -> Result<(f64, f64)> {
    let mut experiment = Experiment::open(session, Progress::silent(), Interrupt::default())?;
    // The keys of the artifacts contain this text, so another encoder needs another text.
    experiment.parts = experiment.parts.with_encoder("moments 1 and 3", |mixture| Ok(Moments(mixture.n_features())));
    let keys = Keys::of(&experiment)?;
    let scores = scores::get(&experiment, &keys)?;
    let settings = &experiment.settings;
    let mean = scores.mean_average_precision(settings.data.difficult, settings.evaluation.interpolation);
    let explainer = learned::explainer(&experiment, &keys)?;
    let described = explainer.describe_file(&experiment.core.dataset.test.set.images[0].path)?;
    let rules = [Rule::Naive, Rule::Epsilon(21.0), Rule::Absolute];
    let explained = explainer.map(&described, &rules)?;
    let mut gap = 0.0_f64;
    for rule in rules {
        gap = gap.max(explained.explain(0, rule)?.conservation.largest_relative_gap());
    }
    Ok((mean, gap))
}

#[expect(clippy::print_stdout, reason = "the answer of the program")]
fn main() -> Result<()> {
    let (mean, gap) = run(&Session::new("mini", Path::new("data")))?;
    println!("mAP {:.2} %, relevance is conserved up to {gap:.1e} of the score", 100.0 * mean);
    Ok(())
}
