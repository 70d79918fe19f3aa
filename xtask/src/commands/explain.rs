//! `cargo xtask explain`: heatmap and overlay of single photographs.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use fisherlens_lrp::{ColorMap, Rule, heatmap, overlay};
use ndarray::ArrayView3;

use crate::cli::Explain;
use crate::experiment::{Experiment, Keys};
use crate::explainer::{Explainer, conservation_line};
use crate::interrupt::Interrupt;
use crate::photograph;
use crate::progress::Progress;
use crate::session::{self, Session};
use crate::stages::Stage;

/// How much of the heatmap covers the photograph in an overlay.
const OVERLAY_OPACITY: f32 = 0.6;

/// Runs the command.
///
/// # Errors
/// An experiment that was not reproduced yet, an unknown class or rule, an unreadable photograph.
#[expect(clippy::print_stdout, reason = "the answer of the command")]
pub fn run(arguments: &Explain, interrupt: &Interrupt) -> Result<()> {
    session::set_threads(arguments.selection.threads)?;
    let session = Session::from_selection(arguments.experiment.as_deref(), &arguments.selection);
    let experiment = session.open(Progress::standard(), interrupt.clone())?;
    let class = experiment.dataset.class_index(&arguments.class)?;
    let rule = match &arguments.rule {
        Some(text) => text.parse::<Rule>()?,
        None => experiment.settings.relevance.display_rule,
    };
    let keys = experiment.keys()?;
    ensure_learned(&experiment, &keys, Stage::Classifier)?;
    let explainer = Explainer::new(&experiment, &keys)?;
    std::fs::create_dir_all(&arguments.out)
        .with_context(|| format!("cannot make the folder {}", arguments.out.display()))?;
    for name in &arguments.images {
        interrupt.check()?;
        let path = image_path(&experiment, name)?;
        let photograph = photograph::read(&path)?;
        let described = explainer.describe(&photograph, &path)?;
        let explained = explainer.map(&described, &[rule]).with_context(|| format!("{}", path.display()))?;
        let explanation = explained.explain(class, rule)?;
        let stem = format!(
            "{}-{}-{}",
            path.file_stem().unwrap_or_default().to_string_lossy(),
            arguments.class,
            rule.to_string().replace('=', "-")
        );
        let heat = heatmap(explanation.pixels.view(), ColorMap::Diverging);
        let over = overlay(photograph.rgb().view(), explanation.pixels.view(), ColorMap::Diverging, OVERLAY_OPACITY);
        let heat_path = arguments.out.join(format!("{stem}-heatmap.png"));
        let over_path = arguments.out.join(format!("{stem}-overlay.png"));
        write_png(&heat_path, heat.view())?;
        write_png(&over_path, over.view())?;
        println!("{}  {} × {}", path.display(), photograph.width(), photograph.height());
        println!(
            "  score of {}: {:+.4}  ({} descriptors, rule {rule})",
            arguments.class,
            explanation.score,
            described.frames.len()
        );
        println!("  {}", conservation_line(&explanation.conservation));
        println!("  {}\n  {}", heat_path.display(), over_path.display());
    }
    Ok(())
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

/// Writes `(height, width, 3)` as a PNG file.
///
/// # Errors
/// What the file system says.
pub fn write_png(path: &Path, rgb: ArrayView3<'_, u8>) -> Result<()> {
    let (height, width, _) = rgb.dim();
    let file = std::fs::File::create(path).with_context(|| format!("cannot write {}", path.display()))?;
    let mut encoder = png::Encoder::new(std::io::BufWriter::new(file), width as u32, height as u32);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    let mut writer = encoder.write_header()?;
    let pixels: Vec<u8> = rgb.iter().copied().collect();
    writer.write_image_data(&pixels)?;
    writer.finish().with_context(|| format!("cannot finish {}", path.display()))
}
