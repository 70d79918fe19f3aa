//! A run as pieces of work, which any process can do that has the photographs and the store.
//!
//! [`phases`] lists them. The pieces of one phase do not depend on each other. Each piece leaves its result in the store under the usual
//! key, so a piece that is done twice does no harm, and the results do not depend on who did which piece.

use std::fmt;
use std::slice;
use std::str::FromStr;

use anyhow::{Result, bail};

use crate::dataset::Half;
use crate::experiment::Experiment;
use crate::keys::Keys;
use crate::run::{Run, needs_sample};
use crate::settings::sections::InMemory;
use crate::share::Chosen;
use crate::stage::Stage;
use crate::stages::{encode, explained, in_shards, relevance, resampling, sample};

/// A piece of work of a run with one seed.
///
/// Its text form is its name: `encode/train-0003`, `pca/sums-0003`, `mixture/start`, `mixture/sums-0002-0003`, `mixture/step-0002`, `scores`.
///
/// ```
/// use fisherlens_experiment::work::Piece;
///
/// for name in ["encode/train-0003", "pca/sums-0003", "mixture/start", "mixture/sums-0002-0003", "mixture/step-0002", "scores"] {
///     assert_eq!(name.parse::<Piece>()?.to_string(), name);
/// }
/// assert!("scores/train-0003".parse::<Piece>().is_err());
/// # Ok::<(), anyhow::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Piece {
    /// One shard of a stage over images.
    Shard {
        /// The stage.
        stage: Stage,
        /// The half.
        half: Half,
        /// Number of the shard.
        shard: usize,
    },
    /// The sums of one shard of the sample for the projection.
    PcaSums {
        /// Number of the shard.
        shard: usize,
    },
    /// The first state of EM.
    MixtureStart,
    /// The sums of one shard of the sample for a state of EM.
    MixtureSums {
        /// Number of the state.
        state: usize,
        /// Number of the shard.
        shard: usize,
    },
    /// The step of EM from a state to the next one.
    MixtureStep {
        /// Number of the state.
        state: usize,
    },
    /// A stage that is one computation. It also does every earlier piece that is missing.
    Whole(Stage),
}

/// Pieces that do not depend on each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Phase {
    /// Name, different from that of every other phase.
    pub name: String,
    /// The stage to which the pieces belong.
    pub stage: Stage,
    /// The pieces.
    pub pieces: Vec<Piece>,
    /// Names of earlier phases that must be done before.
    pub needs: Vec<String>,
}

/// Which halves of the data a stage divides into shards of images: `encode`, for example, divides both. A stage that is one computation, such
/// as `classifier`, divides no half.
pub fn halves(stage: Stage) -> &'static [Half] {
    match stage {
        Stage::Sample => &[Half::Train],
        Stage::Encode => &[Half::Train, Half::Test],
        Stage::Relevance | Stage::Resampling => &[Half::Test],
        _ => &[],
    }
}

/// The phases of a run up to and including the stage `until`, in an order in which they can be done. The report is not among them.
pub fn phases(experiment: &Experiment, until: Stage) -> Vec<Phase> {
    let settings = &experiment.settings;
    let learns_in_shards = settings.sample.in_memory == InMemory::Shards;
    let mut phases: Vec<Phase> = Vec::new();
    // The phase after which the next stage can begin. The classifiers do not need the vectors of the test half.
    let mut last: Vec<String> = Vec::new();
    for stage in Stage::ALL.into_iter().filter(|stage| *stage <= until && *stage != Stage::Report) {
        let mut add = |name: &str, pieces: Vec<Piece>, needs: &[String]| {
            phases.push(Phase { name: name.to_owned(), stage, pieces, needs: needs.to_vec() });
            vec![name.to_owned()]
        };
        let of_sample = |piece: &dyn Fn(usize) -> Piece| (0..sample::n_shards(experiment)).map(piece).collect();
        let (name, whole) = (stage.name(), vec![Piece::Whole(stage)]);
        last = match stage {
            Stage::Pca if learns_in_shards && settings.pca.from.is_none() => {
                let sums = add("pca-sums", of_sample(&|shard| Piece::PcaSums { shard }), &last);
                add(name, whole, &sums)
            }
            Stage::Mixture if learns_in_shards && settings.mixture.from.is_none() => {
                last = add("mixture-start", vec![Piece::MixtureStart], &last);
                for state in 0..=settings.mixture.max_n_iterations {
                    let sums = of_sample(&|shard| Piece::MixtureSums { state, shard });
                    let sums = add(&format!("mixture-sums-{state:04}"), sums, &last);
                    last = add(&format!("mixture-step-{state:04}"), vec![Piece::MixtureStep { state }], &sums);
                }
                add(name, whole, &last)
            }
            Stage::Encode => {
                let train = add("encode-train", shards(experiment, stage, Half::Train), &last);
                add("encode-test", shards(experiment, stage, Half::Test), &last);
                train
            }
            Stage::Scores => add(name, whole, &[last, vec!["encode-test".to_owned()]].concat()),
            _ => match halves(stage) {
                [] => add(name, whole, &last),
                halves => add(name, halves.iter().flat_map(|&half| shards(experiment, stage, half)).collect(), &last),
            },
        };
    }
    phases
}

fn shards(experiment: &Experiment, stage: Stage, half: Half) -> Vec<Piece> {
    let n_shards = experiment.core.dataset.half(half).shards(experiment.core.shard_size).len();
    (0..n_shards).map(|shard| Piece::Shard { stage, half, shard }).collect()
}

/// Does a piece of work, unless its result is stored. Returns whether it had to be done.
///
/// # Errors
/// The errors of the stages; a stop on request.
pub fn run(experiment: &Experiment, keys: &Keys, piece: Piece) -> Result<bool> {
    if Found::new(experiment, keys)?.has(piece) {
        return Ok(false);
    }
    match piece {
        Piece::Shard { stage, half, shard } => {
            ensure_shards(experiment, keys, stage, half, Chosen::One(shard))?;
        }
        Piece::PcaSums { shard } => in_shards::ensure_pca_sums(experiment, keys, Chosen::One(shard))?,
        Piece::MixtureStart => drop(in_shards::ensure_start(experiment, keys)?),
        Piece::MixtureSums { shard, .. } => {
            if let Some(state) = in_shards::newest_state(experiment, keys)? {
                in_shards::ensure_em_sums(experiment, keys, &state, Chosen::One(shard))?;
            }
        }
        Piece::MixtureStep { .. } => {
            if let Some(state) = in_shards::newest_state(experiment, keys)? {
                in_shards::ensure_em_sums(experiment, keys, &state, Chosen::All)?;
                in_shards::advance(experiment, keys, state)?;
            }
        }
        Piece::Whole(stage) => {
            Run::compute(experiment, slice::from_ref(keys), stage)?;
        }
    }
    Ok(true)
}

/// What a look into the store has found, so that the questions about many pieces need few looks.
pub struct Found<'a> {
    experiment: &'a Experiment,
    keys: &'a Keys,
    /// The vectors of further seeds are removed when their scores are stored.
    has_scores_of_further: bool,
    has_pca: bool,
    has_mixture: bool,
    /// Number of the newest state of EM, and whether EM has ended. Looked for only while the mixture is missing.
    state: Option<(usize, bool)>,
}

impl<'a> Found<'a> {
    /// Looks into the store.
    ///
    /// # Errors
    /// A damaged state of EM.
    pub fn new(experiment: &'a Experiment, keys: &'a Keys) -> Result<Self> {
        let core = &experiment.core;
        let has_mixture = core.has(&Stage::Mixture.id().at(keys.mixture));
        let is_in_shards = experiment.settings.sample.in_memory == InMemory::Shards;
        let state = if has_mixture || !is_in_shards { None } else { in_shards::newest_state(experiment, keys)? };
        Ok(Self {
            experiment,
            keys,
            has_scores_of_further: keys.seed != experiment.settings.seed
                && core.has(&Stage::Scores.id().at(keys.scores)),
            has_pca: core.has(&Stage::Pca.id().at(keys.pca)),
            has_mixture,
            state: state.map(|state| (in_shards::number(&state), state.is_finished())),
        })
    }

    /// Number of the newest state of EM, while the mixture is learned in shards.
    pub fn state(&self) -> Option<usize> {
        self.state.map(|(number, _)| number)
    }

    /// Whether the result of a piece is stored, or no longer needed.
    pub fn has(&self, piece: Piece) -> bool {
        let Self { experiment, keys, .. } = *self;
        let core = &experiment.core;
        if piece.stage() <= Stage::Encode && self.has_scores_of_further {
            return true;
        }
        match piece {
            Piece::Shard { stage, half, shard } => {
                (stage == Stage::Sample && !needs_sample(experiment, keys))
                    || missing(experiment, keys, stage, half, Chosen::One(shard)) == 0
            }
            Piece::PcaSums { shard } => self.has_pca || in_shards::has_pca_sums(experiment, keys, shard),
            Piece::MixtureStart => self.has_mixture || self.state.is_some(),
            Piece::MixtureSums { state, shard } => {
                self.is_past(state)
                    || (self.state() == Some(state) && in_shards::has_em_sums(experiment, keys, state, shard))
            }
            Piece::MixtureStep { state } => self.is_past(state),
            Piece::Whole(Stage::Pca) => self.has_pca,
            Piece::Whole(Stage::Mixture) => self.has_mixture,
            Piece::Whole(Stage::Classifier) => core.has(&Stage::Classifier.id().at(keys.classifier)),
            Piece::Whole(Stage::Scores) => core.has(&Stage::Scores.id().at(keys.scores)),
            Piece::Whole(Stage::Calibration) => core.has(&Stage::Calibration.id().at(keys.calibration())),
            Piece::Whole(Stage::Pixels) => core.has(&Stage::Pixels.id().at(keys.pixels(experiment))),
            Piece::Whole(Stage::Strategies) => core.has(&Stage::Strategies.id().at(keys.strategies(experiment))),
            Piece::Whole(Stage::Context) => {
                let rules = &experiment.settings.relevance.rules;
                rules.iter().all(|rule| core.has(&Stage::Context.id().at(keys.context(experiment, *rule))))
            }
            Piece::Whole(_) => false,
        }
    }

    /// Whether EM has ended, or has made the step from this state to the next one.
    fn is_past(&self, state: usize) -> bool {
        self.has_mixture || self.state.is_some_and(|(newest, has_ended)| has_ended || newest > state)
    }
}

/// Computes the chosen shards of a stage over images.
///
/// # Errors
/// The errors of the stage; a stage that has no such shards.
pub fn ensure_shards(experiment: &Experiment, keys: &Keys, stage: Stage, half: Half, chosen: Chosen) -> Result<()> {
    match stage {
        Stage::Sample => sample::ensure_shards(experiment, slice::from_ref(keys), chosen),
        Stage::Encode => encode::ensure_shards(experiment, slice::from_ref(keys), half, chosen),
        Stage::Relevance | Stage::Resampling => explained::ensure_shards(experiment, keys, chosen, &[stage]).map(drop),
        _ => bail!("the stage {} is one computation and has no shards", stage.name()),
    }
}

/// Number of the chosen shards of a stage over images that are not complete.
fn missing(experiment: &Experiment, keys: &Keys, stage: Stage, half: Half, chosen: Chosen) -> usize {
    let core = &experiment.core;
    match stage {
        Stage::Sample => core.missing_shards(half, chosen, &[()], |(), shard| sample::address(keys, shard)).len(),
        Stage::Encode => core.missing_shards(half, chosen, &[()], |(), shard| encode::address(keys, half, shard)).len(),
        Stage::Relevance => relevance::missing(experiment, keys, chosen).len(),
        Stage::Resampling => resampling::missing(experiment, keys, chosen).len(),
        _ => 0,
    }
}

impl Piece {
    /// The stage to which the piece belongs.
    pub fn stage(self) -> Stage {
        match self {
            Self::Shard { stage, .. } | Self::Whole(stage) => stage,
            Self::PcaSums { .. } => Stage::Pca,
            Self::MixtureStart | Self::MixtureSums { .. } | Self::MixtureStep { .. } => Stage::Mixture,
        }
    }
}

impl fmt::Display for Piece {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Shard { stage, half, shard } => {
                write!(formatter, "{}/{}-{shard:04}", stage.name(), half.name())
            }
            Self::PcaSums { shard } => write!(formatter, "pca/sums-{shard:04}"),
            Self::MixtureStart => write!(formatter, "mixture/start"),
            Self::MixtureSums { state, shard } => write!(formatter, "mixture/sums-{state:04}-{shard:04}"),
            Self::MixtureStep { state } => write!(formatter, "mixture/step-{state:04}"),
            Self::Whole(stage) => formatter.write_str(stage.name()),
        }
    }
}

impl FromStr for Piece {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let parsed = || -> Option<Self> {
            let (name, part) = text.split_once('/').map_or((text, None), |(name, part)| (name, Some(part)));
            let stage = Stage::ALL.into_iter().find(|stage| stage.name() == name && *stage != Stage::Report)?;
            let Some(part) = part else { return Some(Self::Whole(stage)).filter(|_| halves(stage).is_empty()) };
            let words: Vec<&str> = part.split('-').collect();
            match (stage, words.as_slice()) {
                (Stage::Pca, ["sums", shard]) => Some(Self::PcaSums { shard: shard.parse().ok()? }),
                (Stage::Mixture, ["start"]) => Some(Self::MixtureStart),
                (Stage::Mixture, ["sums", state, shard]) => {
                    Some(Self::MixtureSums { state: state.parse().ok()?, shard: shard.parse().ok()? })
                }
                (Stage::Mixture, ["step", state]) => Some(Self::MixtureStep { state: state.parse().ok()? }),
                (stage, [half, shard]) => {
                    let half = halves(stage).iter().copied().find(|of| of.name() == *half)?;
                    Some(Self::Shard { stage, half, shard: shard.parse().ok()? })
                }
                _ => None,
            }
        };
        parsed().ok_or_else(|| anyhow::anyhow!("found \"{text}\", expected a piece of work, such as encode/train-0003"))
    }
}
