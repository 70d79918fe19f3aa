//! `cargo xtask explain`: heatmap and overlay of single photographs.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};
use fisherlens_descriptors::Photograph;
use fisherlens_lrp::{Rule, blend, draw_descriptors, heatmap_scaled, largest_size};
use ndarray::{Array1, Array3};

use crate::cli::{Explain, Normalize};
use crate::console::answer;
use crate::experiment::{Experiment, Keys};
use crate::interrupt::Interrupt;
use crate::progress::Progress;
use crate::session::{self, Session};
use crate::stages::{Stage, learned, scores};
use fisherlens_model::Model;
use fisherlens_model::NpzFile;
use fisherlens_model::write_png;
use fisherlens_model::{Cell, panel};
use fisherlens_model::{Described, photograph};
use fisherlens_model::{Explainer, Explanation, conservation_line};

/// The model that comes with the program, under the folder of the checkout.
const COMMITTED_MODEL: &str = "data/models/voc2007.flm";

/// Memory that the explanation of one photograph may take, in bytes.
const MOST_MEMORY: usize = 2_000_000_000;
/// What a descriptor takes besides its projected values, in bytes: frame, position, posteriors, relevance (measured on 1.3 million).
const BYTES_A_DESCRIPTOR: usize = 160;

/// What explains.
struct Source {
    explainer: Explainer,
    classes: Vec<String>,
    /// Scores above which a class counts as found.
    thresholds: Option<Vec<f64>>,
    display_rule: Rule,
    /// Where ids of images lead.
    experiment: Option<Experiment>,
}

/// One picture of the command.
struct Shown {
    class: usize,
    rule: Rule,
    explanation: Explanation,
}

/// One photograph with its explanations.
struct Explained {
    path: PathBuf,
    photograph: Photograph,
    described: Described,
    shown: Vec<Shown>,
}

/// Runs the command.
///
/// # Errors
/// A model that is not there, an unknown class or rule, an unreadable photograph.
pub fn run(arguments: &Explain, interrupt: &Interrupt) -> Result<()> {
    session::set_threads(arguments.selection.threads)?;
    if !arguments.networks.networks.is_empty() {
        return super::network::explain(arguments, interrupt);
    }
    let source = Source::open(arguments, interrupt)?;
    let rules = match arguments.rules.as_slice() {
        [] => vec![source.display_rule],
        texts => texts.iter().map(|text| Ok(text.parse()?)).collect::<Result<Vec<Rule>>>()?,
    };
    let classes = arguments.classes.iter().map(|name| source.class(name)).collect::<Result<Vec<usize>>>()?;
    std::fs::create_dir_all(&arguments.out)
        .with_context(|| format!("cannot make the folder {}", arguments.out.display()))?;
    // On a common scale all photographs are explained before the first is drawn; else each is drawn at once.
    let mut waiting = Vec::new();
    for name in &arguments.images {
        interrupt.check()?;
        let explained = source.explain(name, &classes, &rules, arguments.max_side)?;
        match arguments.normalize {
            Normalize::Image => write(&source, &explained, arguments, None)?,
            Normalize::Common => waiting.push(explained),
        }
    }
    let all = waiting.iter().flat_map(|explained| &explained.shown);
    let largest = all.fold(0.0_f32, |largest, shown| largest.max(largest_size(shown.explanation.pixels.view())));
    for explained in &waiting {
        write(&source, explained, arguments, Some(largest))?;
    }
    Ok(())
}

impl Source {
    fn open(arguments: &Explain, interrupt: &Interrupt) -> Result<Self> {
        if arguments.experiment.is_none() && arguments.selection.voc.is_none() {
            let committed = session::root().join(COMMITTED_MODEL);
            let path = arguments.model.as_deref().unwrap_or(&committed);
            let model = Model::read(path)?;
            let learned = model.card.iter().find(|(what, _)| what == "learned from");
            let learned = learned.map_or_else(String::new, |(what, value)| format!(", {what} {value}"));
            answer!("model {}{learned}", path.display());
            return Ok(Self {
                explainer: Explainer::from_model(&model)?,
                classes: model.classes,
                thresholds: model.thresholds,
                display_rule: model.display_rule,
                experiment: None,
            });
        }
        let session = Session::from_selection(arguments.experiment.as_deref(), &arguments.selection);
        let experiment = session.open(Progress::standard(), interrupt.clone())?;
        let keys = experiment.keys()?;
        ensure_learned(&experiment, &keys, Stage::Classifier)?;
        let known = experiment.has(Stage::Scores, keys.scores, None);
        let difficult = experiment.settings.data.difficult;
        let thresholds = if known {
            Some(scores::thresholds(&scores::get(&experiment, &keys)?.predictions(difficult)))
        } else {
            None
        };
        answer!("model of experiment {}", experiment.name);
        Ok(Self {
            explainer: learned::explainer(&experiment, &keys)?,
            classes: experiment.dataset.classes().to_vec(),
            thresholds,
            display_rule: experiment.settings.relevance.display_rule,
            experiment: Some(experiment),
        })
    }

    fn class(&self, name: &str) -> Result<usize> {
        let found = self.classes.iter().position(|class| class == name);
        found.with_context(|| format!("the model has no class \"{name}\"; it knows {}", self.classes.join(", ")))
    }

    fn threshold(&self, class: usize) -> f64 {
        self.thresholds.as_ref().map_or(0.0, |thresholds| thresholds[class])
    }

    fn explain(&self, name: &str, classes: &[usize], rules: &[Rule], max_side: usize) -> Result<Explained> {
        let (path, photograph) = self.photograph(name, max_side)?;
        self.refuse_memory(&photograph, &path)?;
        let described = self.explainer.describe(&photograph, &path)?;
        let mapped = self.explainer.map(&described, rules).with_context(|| format!("{}", path.display()))?;
        let scores: Vec<f64> = (0..self.classes.len()).map(|class| mapped.score(class)).collect();
        let mut chosen = classes.to_vec();
        if chosen.is_empty() {
            let margin = |class: usize| scores[class] - self.threshold(class);
            chosen = (0..self.classes.len()).filter(|&class| margin(class) > 0.0).collect();
            chosen.sort_by(|&a, &b| margin(b).total_cmp(&margin(a)));
            if chosen.is_empty() {
                let best = (0..self.classes.len()).max_by(|&a, &b| margin(a).total_cmp(&margin(b)));
                chosen.extend(best);
                answer!("{}: no class is above its threshold; the nearest one is shown", path.display());
            }
        }
        let mut shown = Vec::new();
        for &class in &chosen {
            for &rule in rules {
                shown.push(Shown { class, rule, explanation: mapped.explain(class, rule)? });
            }
        }
        drop(mapped);
        Ok(Explained { path, photograph, described, shown })
    }

    /// A file the right way up and shrunk, or an image of the experiment as the experiment sees it.
    fn photograph(&self, name: &str, max_side: usize) -> Result<(PathBuf, Photograph)> {
        let path = PathBuf::from(name);
        if path.exists() {
            let whole = photograph::read_upright(&path, 0)?;
            let (width, height) = (whole.width(), whole.height());
            let photograph = if max_side == 0 { whole } else { whole.fitted(max_side) };
            let size = format!("{} × {}", photograph.width(), photograph.height());
            if (photograph.width(), photograph.height()) == (width, height) {
                answer!("{}  {size}", path.display());
            } else {
                answer!("{}  {width} × {height}, shrunk to {size} (--max-side {max_side}, Lanczos)", path.display());
            }
            return Ok((path, photograph));
        }
        let Some(experiment) = &self.experiment else {
            bail!("there is no file {name}; ids of images need the experiment they are of, --experiment E");
        };
        let path = image_path(experiment, name)?;
        let photograph = photograph::read(&path)?;
        answer!("{}  {} × {}", path.display(), photograph.width(), photograph.height());
        Ok((path, photograph))
    }

    /// Refuses what would take more memory than allowed, before it is taken.
    fn refuse_memory(&self, photograph: &Photograph, path: &Path) -> Result<()> {
        let n_descriptors = self.explainer.extractor().most_descriptors(photograph.width(), photograph.height());
        let bytes = n_descriptors * (size_of::<f32>() * self.explainer.pca().n_components() + BYTES_A_DESCRIPTOR);
        ensure!(
            bytes <= MOST_MEMORY,
            "{} has {} × {} pixels, hence {n_descriptors} descriptors, which would take {:.1} GB of memory; {:.0} GB are allowed: \
             let it be shrunk by --max-side N",
            path.display(),
            photograph.width(),
            photograph.height(),
            bytes as f64 / 1e9,
            MOST_MEMORY as f64 / 1e9
        );
        Ok(())
    }
}

/// Draws and writes everything that was asked for of one photograph.
fn write(source: &Source, explained: &Explained, arguments: &Explain, largest: Option<f32>) -> Result<()> {
    let Explained { path, photograph, described, shown } = explained;
    let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let rgb = photograph.rgb();
    let mut rows: Vec<Vec<Cell>> = Vec::new();
    for (index, Shown { class, rule, explanation }) in shown.iter().enumerate() {
        let name = &source.classes[*class];
        let above = explanation.score - source.threshold(*class);
        let threshold = match &source.thresholds {
            Some(_) => format!("{above:+.4} above its threshold"),
            None => "no threshold known".to_owned(),
        };
        answer!(
            "  score of {name}: {:+.4}  ({threshold}; {} descriptors, rule {rule})",
            explanation.score,
            described.frames.len()
        );
        answer!("  {}", conservation_line(&explanation.conservation));
        let pixels = explanation.pixels.view();
        let heat = heatmap_scaled(pixels, arguments.color_map, largest.unwrap_or_else(|| largest_size(pixels)));
        let over = blend(rgb.view(), heat.view(), arguments.opacity);
        let save = |kind: &str, picture: &Array3<u8>| -> Result<()> {
            let rule = rule.to_string().replace('=', "-");
            let file = arguments.out.join(format!("{stem}-{name}-{rule}-{kind}.png"));
            write_png(&file, picture.view())?;
            answer!("  {}", file.display());
            Ok(())
        };
        save("heatmap", &heat)?;
        save("overlay", &over)?;
        if let Some(n) = arguments.top {
            let map = arguments.color_map;
            let drawn = draw_descriptors(rgb.view(), &described.frames, &explanation.descriptors, n, map)?;
            save("top", &drawn)?;
        }
        let label = format!("{name} {:+.2} {rule}", explanation.score);
        if index == 0 || shown[index - 1].class != *class {
            // The photograph begins the first row, and keeps the columns of the others in line.
            let first = if index == 0 { rgb.clone() } else { Array3::zeros((0, 0, 3)) };
            rows.push(vec![Cell { label: if index == 0 { stem.clone() } else { String::new() }, picture: first }]);
        }
        rows.last_mut().expect("a row was begun").push(Cell { label, picture: over });
    }
    if shown.len() > 1 {
        let file = arguments.out.join(format!("{stem}-panel.png"));
        write_png(&file, panel(&rows).view())?;
        answer!("  {}", file.display());
    }
    if arguments.npz {
        let file = arguments.out.join(format!("{stem}.npz"));
        write_npz(source, explained, &rgb, &file)?;
        answer!("  {}", file.display());
    }
    Ok(())
}

/// Photograph, frames, and the relevance of every class and rule.
fn write_npz(source: &Source, explained: &Explained, rgb: &Array3<u8>, path: &Path) -> Result<()> {
    let mut file = NpzFile::create(path)?;
    file.add("photograph", rgb)?;
    let frames = &explained.described.frames;
    file.add("x", &frames.iter().map(|frame| frame.x).collect::<Array1<f32>>())?;
    file.add("y", &frames.iter().map(|frame| frame.y).collect::<Array1<f32>>())?;
    file.add("bin_size", &frames.iter().map(|frame| u32::from(frame.bin_size)).collect::<Array1<u32>>())?;
    for (index, Shown { class, rule, explanation }) in explained.shown.iter().enumerate() {
        let name = &source.classes[*class];
        if index == 0 || explained.shown[index - 1].class != *class {
            file.add(&format!("score {name}"), &Array1::from(vec![explanation.score]))?;
            file.add(&format!("dimensions {name}"), &Array1::from(explanation.dimensions.clone()))?;
        }
        file.add(&format!("descriptors {name} {rule}"), &Array1::from(explanation.descriptors.clone()))?;
        file.add(&format!("pixels {name} {rule}"), &explanation.pixels)?;
    }
    file.finish()
}

/// The path that a word names: a file, or else an image of the experiment by its id.
///
/// # Errors
/// When it is neither.
pub fn image_path(experiment: &Experiment, name: &str) -> Result<PathBuf> {
    let path = Path::new(name);
    if path.exists() {
        return Ok(path.to_owned());
    }
    match experiment.dataset.image(name) {
        Some(entry) => Ok(entry.path.clone()),
        None => bail!("{name} is neither a file nor the id of an image of experiment {}", experiment.name),
    }
}

/// Refuses to learn for hours because of a question about one image.
///
/// # Errors
/// When the stage's artifact is not there; the sentence has the command that makes it.
pub fn ensure_learned(experiment: &Experiment, keys: &Keys, stage: Stage) -> Result<()> {
    let (key, given) = match stage {
        Stage::Pca => (keys.pca, experiment.settings.pca.from.is_some()),
        Stage::Mixture => (keys.mixture, experiment.settings.mixture.from.is_some()),
        Stage::Classifier => (keys.classifier, experiment.settings.classifier.from.is_some()),
        _ => (keys.scores, false),
    };
    if given || experiment.has(stage, key, None) {
        return Ok(());
    }
    bail!(
        "experiment {} with these settings has no stored {} yet: run `cargo xtask reproduce {} --until {}` first, with the \
         same --voc, --set and --limit",
        experiment.name,
        stage.name(),
        experiment.name,
        stage.name()
    )
}
