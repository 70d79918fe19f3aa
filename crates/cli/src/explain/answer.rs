//! The answer of the command: lines for people, or one JSON document for programs.

use fisherlens_lrp::Conservation;
use fisherlens_model::conservation_line;
use serde::Serialize;

use crate::answer;
use crate::caller::PROGRAM;
use crate::explain::pictures::{Files, Pictures};
use crate::explain::source::{Explained, Source};
use crate::failures::Failures;

/// The whole answer.
#[derive(Debug, Serialize)]
pub(super) struct Answer {
    /// Name and version of the program.
    program: &'static str,
    /// `built-in`, a file or an experiment.
    model: String,
    /// One entry per photograph that was explained.
    pub(super) photographs: Vec<Photograph>,
    /// One entry per photograph that could not be explained.
    pub(super) failed: Failures,
}

/// What was found in one photograph.
#[derive(Debug, Serialize)]
pub(super) struct Photograph {
    path: String,
    /// Pixels of the file.
    original_width: usize,
    original_height: usize,
    /// Pixels that were explained.
    width: usize,
    height: usize,
    n_descriptors: usize,
    /// Every class, the highest margin first.
    scores: Vec<ClassScore>,
    explanations: Vec<Explanation>,
    #[serde(skip_serializing_if = "Option::is_none")]
    panel: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    npz: Option<String>,
}

/// The score of one class.
#[derive(Debug, Serialize)]
struct ClassScore {
    class: String,
    score: f64,
    /// The equal-error threshold; null if it is not known.
    threshold: Option<f64>,
    /// Whether the score is above the threshold, or above 0 if no threshold is known.
    found: bool,
    /// The probability of the class; null if it is not known.
    probability: Option<f64>,
}

/// One class explained by one rule.
#[derive(Debug, Serialize)]
struct Explanation {
    class: String,
    rule: String,
    score: f64,
    threshold: Option<f64>,
    found: bool,
    probability: Option<f64>,
    /// The sum of the relevance after each step back, and what was lost.
    conservation: Conservation,
    files: Pictures,
}

impl Answer {
    pub(super) fn new(source: &Source, n_photographs: usize) -> Self {
        let failed = Failures::of(n_photographs, "explained");
        Self { program: PROGRAM, model: source.name.clone(), photographs: Vec::new(), failed }
    }
}

impl Photograph {
    pub(super) fn new(source: &Source, explained: &Explained, files: Files) -> Self {
        let threshold = |class: usize| source.thresholds.as_ref().map(|thresholds| thresholds[class]);
        let score = |class: usize| ClassScore {
            class: source.classes[class].clone(),
            score: explained.scores[class],
            threshold: threshold(class),
            found: explained.scores[class] > source.threshold(class),
            probability: source.probability(class, explained.scores[class]),
        };
        let mut scores: Vec<ClassScore> = (0..source.classes.len()).map(score).collect();
        let margin = |score: &ClassScore| score.score - score.threshold.unwrap_or(0.0);
        scores.sort_by(|a, b| margin(b).total_cmp(&margin(a)));
        let explanations = explained.shown.iter().zip(files.pictures).map(|(shown, files)| Explanation {
            class: source.classes[shown.class].clone(),
            rule: shown.rule.to_string(),
            score: shown.explanation.score,
            threshold: threshold(shown.class),
            found: shown.explanation.score > source.threshold(shown.class),
            probability: source.probability(shown.class, shown.explanation.score),
            conservation: shown.explanation.conservation,
            files,
        });
        Self {
            path: explained.path.display().to_string(),
            original_width: explained.original.0,
            original_height: explained.original.1,
            width: explained.photograph.width(),
            height: explained.photograph.height(),
            n_descriptors: explained.described.frames.len(),
            scores,
            explanations: explanations.collect(),
            panel: files.panel,
            npz: files.npz,
        }
    }

    /// The lines for people.
    pub(super) fn print(&self, explained: &Explained) {
        let size = format!("{} × {}", self.width, self.height);
        let (width, height) = explained.original;
        if (width, height) == (self.width, self.height) {
            answer!("{}  {size}", self.path);
        } else {
            answer!("{}  {width} × {height}, shrunk to {size} (--max-side)", self.path);
        }
        if explained.is_nearest {
            answer!("  no class is above its threshold; the class nearest to its threshold is shown");
        }
        for explanation in &self.explanations {
            let Explanation { class, rule, score, threshold, probability, .. } = explanation;
            let threshold = match threshold {
                Some(threshold) => match score - threshold {
                    margin if margin > 0.0 => format!("{margin:.4} above its threshold"),
                    margin => format!("{:.4} below its threshold", -margin),
                },
                None => "no threshold known".to_owned(),
            };
            let probability = probability.map_or_else(String::new, |p| format!("; probability {:.0} %", 100.0 * p));
            answer!(
                "  score of {class}: {score:+.4}  ({threshold}{probability}; {} descriptors, rule {rule})",
                self.n_descriptors
            );
            answer!("  {}", conservation_line(&explanation.conservation));
            let Pictures { heatmap, overlay, top } = &explanation.files;
            for file in [Some(heatmap), Some(overlay), top.as_ref()].into_iter().flatten() {
                answer!("  {file}");
            }
        }
        for file in [&self.panel, &self.npz].into_iter().flatten() {
            answer!("  {file}");
        }
    }
}
