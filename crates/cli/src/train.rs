//! `train`: a model from labelled photographs of one's own, with its quality on photographs that it did not learn from.

use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use clap::Args;
use clap::builder::TypedValueParser as _;
use fisherlens_artifact::Header;
use fisherlens_dataset::{ImageSet, Missing, Opening, SplitOptions};
use fisherlens_eval::{Confusion, average_precision};
use fisherlens_experiment::dataset::Dataset;
use fisherlens_experiment::experiment::Experiment;
use fisherlens_experiment::interrupt::Interrupt;
use fisherlens_experiment::own::OwnPhotographs;
use fisherlens_experiment::progress::duration;
use fisherlens_experiment::run::Run;
use fisherlens_experiment::session::Session;
use fisherlens_experiment::stage::Stage;
use fisherlens_experiment::stages::scores::Scores;
use fisherlens_experiment::stages::{learned, scores};
use fisherlens_experiment::summary;
use fisherlens_model::{Model, Precision};
use serde::Serialize;

use crate::answer;
use crate::arguments::start_threads;
use crate::caller::{Caller, PROGRAM};
use crate::terminal;

/// The stages that learn and judge.
const UP_TO_SCORES: [Stage; 6] =
    [Stage::Sample, Stage::Pca, Stage::Mixture, Stage::Encode, Stage::Classifier, Stage::Scores];
/// Largest number of classes whose whole table of confusions is printed. Of more classes, only the most frequent mistakes are.
const MAX_N_COLUMNS: usize = 12;
/// Number of mistakes that are printed instead.
const N_MISTAKES: usize = 10;

/// Labelled photographs of one's own, and how they are divided.
#[derive(Debug, Clone, Args)]
pub struct OwnData {
    /// Class folders, a table (.csv or .tsv with the columns path and label), COCO's instances (.json), or VOC's XML beside the images
    #[arg(value_name = "DATA")]
    pub data: PathBuf,
    /// The folder that paths in a table or in COCO's JSON are relative to; default: the folder of that file
    #[arg(long, value_name = "DIR")]
    pub images: Option<PathBuf>,
    /// Never divide images with the same value of this column (a photographer, a patient) between training and test
    #[arg(long, value_name = "COLUMN")]
    pub group: Option<String>,
    /// Share of the images that are tested on, if the data give no split
    #[arg(long, value_name = "SHARE", default_value_t = 0.25)]
    pub test_share: f64,
    /// Keep nearly equal photographs together, in training or in test
    #[arg(long)]
    pub keep_near: bool,
    /// Refuse files and entries that cannot be used, instead of skipping and counting them
    #[arg(long)]
    pub strict: bool,
    /// Follow symbolic links that lead out of the folder
    #[arg(long)]
    pub follow_links: bool,
    /// Use only N images of each half, evenly spread
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..).map(|n| n as usize))]
    pub limit: Option<usize>,
    /// Number of threads (0: one per core); the results do not depend on it
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = crate::arguments::threads())]
    pub threads: usize,
    /// Folder in which finished steps are stored; default: the user's cache folder
    #[arg(long, value_name = "DIR")]
    pub artifacts: Option<PathBuf>,
}

/// `train`
#[derive(Debug, Clone, Args)]
pub struct Train {
    /// The photographs.
    #[command(flatten)]
    pub data: OwnData,
    /// The model file that is written
    #[arg(long, value_name = "FILE", default_value = "model.flm")]
    pub out: PathBuf,
    /// `fast`, `paper` (the settings of the paper), or a settings file with data.source = "own"
    #[arg(long, value_name = "PRESET", default_value = "fast")]
    pub preset: String,
    /// Change a setting of the preset, such as `mixture.n_components=64` (may be repeated)
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// Also write an HTML page into this folder: quality, the best and the worst test images with heatmaps, and context where boxes exist
    #[arg(long, value_name = "DIR")]
    pub report: Option<PathBuf>,
    /// Print one JSON document instead of a table
    #[arg(long)]
    pub json: bool,
}

impl OwnData {
    /// The session of an experiment on these photographs.
    pub fn session(&self, preset: &str, set: &[String], caller: &Caller) -> Session {
        let missing = if self.strict { Missing::Refuse } else { Missing::Skip };
        let opening = Opening { missing, follow_links: self.follow_links, images: self.images.clone() };
        Session {
            set: set.to_vec(),
            own: Some(OwnPhotographs {
                path: self.data.clone(),
                opening,
                split: SplitOptions { test_share: self.test_share, group: self.group.clone() },
                near_together: self.keep_near,
            }),
            missing,
            limit: self.limit,
            artifacts: caller.artifacts(self.artifacts.as_deref()),
            program: caller.program.clone(),
            ..Session::new(preset, &caller.folder)
        }
    }
}

/// The answer.
#[derive(Debug, Serialize)]
struct Answer {
    program: &'static str,
    model: String,
    n_train: usize,
    n_test: usize,
    skipped: Vec<Skipped>,
    warnings: Vec<String>,
    classes: Vec<ClassRow>,
    /// Mean over the classes with an average precision.
    mean_average_precision: f64,
    /// For photographs of exactly one class each.
    #[serde(skip_serializing_if = "Option::is_none")]
    accuracy: Option<f64>,
    /// Rows are true classes, columns predicted ones.
    #[serde(skip_serializing_if = "Option::is_none")]
    confusion: Option<Vec<Vec<usize>>>,
    seconds: f64,
}

#[derive(Debug, Serialize)]
struct Skipped {
    id: String,
    reason: String,
}

/// The result of one class.
#[derive(Debug, Serialize)]
struct ClassRow {
    class: String,
    /// Positive training images.
    n_train: usize,
    /// Positive test images.
    n_test: usize,
    /// `None` without a positive or a negative test image.
    average_precision: Option<f64>,
    /// The score above which the class counts as found.
    threshold: Option<f64>,
}

/// Runs the command.
///
/// # Errors
/// Photographs or settings that cannot be used; the errors of the stages and of the file.
pub fn run(arguments: &Train, caller: &Caller, interrupt: &Interrupt) -> Result<()> {
    start_threads(arguments.data.threads)?;
    let since = Instant::now();
    // Found out now, so that no training ends with a file that cannot be written.
    let folder = fisherlens_files::folder_of(&arguments.out);
    ensure!(
        folder.is_dir(),
        "--out {}: there is no folder {}; make it first",
        arguments.out.display(),
        folder.display()
    );
    ensure!(!arguments.out.is_dir(), "--out {}: expected a file, found a folder", arguments.out.display());
    let session = arguments.data.session(&arguments.preset, &arguments.set, caller);
    let experiment = Experiment::open(&session, terminal::progress(), interrupt.clone())?;
    let dataset = &experiment.core.dataset;
    experiment.core.progress.stage_line("train", &opened(dataset));
    let shown: &[Stage] = if arguments.report.is_some() { &[Stage::Relevance, Stage::Context] } else { &[] };
    let run = Run::execute_only(&experiment, &[&UP_TO_SCORES, shown].concat())?;
    let scores = scores::get(&experiment, &run.keys)?;
    let confusion = confusion(&scores)?;
    let mut model = learned::model(&experiment, &run.keys)?;
    let answer = Answer::new(&experiment, &scores, &model, confusion.as_ref(), arguments);
    model.card.extend(answer.card());
    let header = Header::new(&experiment.settings, 0.0)?;
    let n_bytes = model.write(&arguments.out, &header, Precision::Half)?;
    if let Some(folder) = &arguments.report {
        let data = summary::collect(&experiment, &run)?;
        let page = fisherlens_report::write(&data, folder)?;
        experiment.core.progress.stage_line("report", &page.display().to_string());
    }
    if arguments.json {
        answer!("{}", serde_json::to_string_pretty(&Answer { seconds: since.elapsed().as_secs_f64(), ..answer })?);
        return Ok(());
    }
    answer.print(confusion.as_ref());
    answer!("{}  {:.1} MB  ({})", answer.model, n_bytes as f64 / 1e6, duration(since.elapsed()));
    Ok(())
}

/// What was opened, in one line.
pub(crate) fn opened(dataset: &Dataset) -> String {
    let mut parts = vec![
        format!("{} training images", dataset.train.len()),
        format!("{} test images", dataset.test.len()),
        format!("{} classes", dataset.classes().len()),
    ];
    let skipped = dataset.train.set.skipped.len();
    if skipped > 0 {
        parts.push(format!("{skipped} files skipped"));
    }
    if !dataset.left_out.is_empty() {
        let names = dataset.left_out.join(", ");
        parts.push(format!("left out, because the training half has no image with or without them: {names}"));
    }
    parts.join(", ")
}

/// The table of confusions, if every test image has exactly one class.
fn confusion(scores: &Scores) -> Result<Option<Confusion>> {
    let class_of = |labels: ndarray::ArrayView1<'_, i8>| {
        let mut positive = labels.iter().enumerate().filter(|(_, label)| **label == 1).map(|(class, _)| class);
        positive.next().filter(|_| positive.next().is_none())
    };
    let truth: Option<Vec<usize>> = scores.labels.rows().into_iter().map(class_of).collect();
    truth.map(|truth| Confusion::new(scores.scores.view(), &truth).context("cannot count the confusions")).transpose()
}

fn n_positives(set: &ImageSet, class: usize) -> usize {
    set.images.iter().filter(|entry| entry.labels[class] == 1).count()
}

impl Answer {
    fn new(
        experiment: &Experiment,
        scores: &Scores,
        model: &Model,
        confusion: Option<&Confusion>,
        arguments: &Train,
    ) -> Self {
        let dataset = &experiment.core.dataset;
        let settings = &experiment.settings;
        let (difficult, interpolation) = (settings.data.difficult, settings.evaluation.interpolation);
        let row = |(class, name): (usize, &String)| {
            let labels = scores.labels_of_class(class, difficult);
            let is_judged = labels.contains(&1) && labels.contains(&-1);
            ClassRow {
                class: name.clone(),
                n_train: n_positives(&dataset.train.set, class),
                n_test: n_positives(&dataset.test.set, class),
                average_precision: average_precision(&scores.of_class(class), &labels, interpolation)
                    .filter(|_| is_judged),
                threshold: model.thresholds.as_ref().map(|thresholds| thresholds[class]),
            }
        };
        let skipped = dataset.train.set.skipped.iter();
        Self {
            program: PROGRAM,
            model: arguments.out.display().to_string(),
            n_train: dataset.train.len(),
            n_test: dataset.test.len(),
            skipped: skipped.map(|s| Skipped { id: s.id.clone(), reason: s.reason.clone() }).collect(),
            warnings: dataset.warnings(),
            classes: dataset.classes().iter().enumerate().map(row).collect(),
            mean_average_precision: scores.mean_average_precision(difficult, interpolation),
            accuracy: confusion.map(Confusion::accuracy),
            confusion: confusion.map(|confusion| confusion.counts.rows().into_iter().map(|row| row.to_vec()).collect()),
            seconds: 0.0,
        }
    }

    /// What the model's card says about its quality.
    fn card(&self) -> Vec<(String, String)> {
        let judged = self.classes.iter().filter_map(|row| Some((row, row.average_precision?)));
        let each = judged.map(|(row, value)| format!("{} {:.1} %", row.class, 100.0 * value)).collect::<Vec<_>>();
        let mut card = vec![
            (format!("mAP on {} test images", self.n_test), format!("{:.2} %", 100.0 * self.mean_average_precision)),
            ("average precision".to_owned(), each.join(", ")),
        ];
        if let Some(accuracy) = self.accuracy {
            card.push((format!("accuracy on {} test images", self.n_test), format!("{:.2} %", 100.0 * accuracy)));
        }
        card.push(("licence".to_owned(), "what the photographs that it was learned from allow".to_owned()));
        card
    }

    fn print(&self, confusion: Option<&Confusion>) {
        let width = self.classes.iter().map(|row| row.class.chars().count()).max().unwrap_or(0).max("class".len());
        answer!("{:width$}  {:>6}  {:>6}  {:>6}  {:>9}", "class", "train", "test", "AP", "threshold");
        for row in &self.classes {
            let precision =
                row.average_precision.map_or_else(|| "-".to_owned(), |value| format!("{:.1}", 100.0 * value));
            let threshold = row.threshold.map_or_else(|| "-".to_owned(), |value| format!("{value:.3}"));
            let ClassRow { class, n_train, n_test, .. } = row;
            answer!("{class:width$}  {n_train:>6}  {n_test:>6}  {precision:>6}  {threshold:>9}");
        }
        answer!("mAP {:.2} % on {} test images", 100.0 * self.mean_average_precision, self.n_test);
        if let Some(confusion) = confusion {
            self.print_confusion(confusion, width);
        }
    }

    fn print_confusion(&self, confusion: &Confusion, width: usize) {
        let (n_right, n_all) = (confusion.counts.diag().sum(), confusion.counts.sum());
        answer!("accuracy {:.2} % ({n_right} of {n_all})", 100.0 * confusion.accuracy());
        let names: Vec<&str> = self.classes.iter().map(|row| row.class.as_str()).collect();
        if names.len() > MAX_N_COLUMNS {
            for (truth, predicted, n) in confusion.mistakes().into_iter().take(N_MISTAKES) {
                answer!("{n:>6} of class {} were taken for {}", names[truth], names[predicted]);
            }
            return;
        }
        let columns: Vec<usize> = names.iter().map(|name| name.chars().count().max(5)).collect();
        let row = |cells: &[String]| -> String {
            let cells = cells.iter().zip(&columns).map(|(cell, width)| format!("{cell:>width$}"));
            cells.collect::<Vec<_>>().join("  ")
        };
        let heads = row(&names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>());
        answer!("{:width$}  {heads}   (columns: predicted)", "");
        for (name, counts) in names.iter().zip(confusion.counts.rows()) {
            let cells = row(&counts.iter().map(ToString::to_string).collect::<Vec<_>>());
            answer!("{name:width$}  {cells}");
        }
    }
}
