//! Explains single photographs by networks: heatmaps, overlays, and a panel with one column per network (supplement §6).

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};
use fisherlens_cnn::{
    Architecture, Bookkeeping, Composite, Crop, Device, Framing, IMAGENET_MEAN, Mean, Network, Occlusion, Targets,
};
use fisherlens_experiment::interrupt::Interrupt;
use fisherlens_experiment::networks::experiment::NEW_LAYER;
use fisherlens_experiment::networks::frames::{read_mean, read_weights};
use fisherlens_experiment::networks::settings::named;
use fisherlens_lrp::{blend, heatmap_scaled, largest_size};
use fisherlens_model::{Cell, NpzFile, Panel, photograph, write_png};
use ndarray::{Array2, Array3, Array4, Axis, s};
use serde::Serialize;

use crate::answer;
use crate::arguments::{Explain, Normalize, distinct};
use crate::caller::PROGRAM;
use crate::console::{print_json, say};
use crate::device::device;
use crate::failures::Failures;
use crate::file_names::{class_parts, parts, stems};

/// Prints one line of the answer for people. With `--json`, prints nothing.
macro_rules! line {
    ($arguments:expr, $($text:tt)*) => {
        if !$arguments.json {
            answer!($($text)*);
        }
    };
}

/// Names of ImageNet's classes in the order of the scores, from BVLC's list of synsets.
const IMAGENET_CLASSES: &str = include_str!("imagenet_classes.txt");

/// Largest file with names of classes that is read.
const MAX_NAMES_BYTES: u64 = 64 << 20;

/// Side to which photographs are resized, as in Caffe's examples and supplement §5.
const FRAME: usize = 256;

/// The default composite, which the papers on relevance in networks show.
const COMPOSITE: &str = "alpha2-beta1";

/// Number of points on the line of integrated gradients.
const N_STEPS: usize = 32;

/// The squares that occlusion covers.
const OCCLUSION: Occlusion = Occlusion { side: 32, stride: 16, value: 0.0 };

/// A network ready to explain.
struct Column {
    name: String,
    network: Network,
    mean: Mean,
}

/// The method by which pixels get their relevance.
enum Method {
    Composite(Composite),
    Gradient,
    GradientTimesInput,
    IntegratedGradients,
    Occlusion,
}

/// One picture of the panel.
struct Shown {
    caption: String,
    file: String,
    crop: Array3<u8>,
    relevance: Array2<f32>,
    /// What `--json` prints of it; `None` for the crop itself.
    answer: Option<Answer>,
}

/// One class explained by one network and composite, for `--json`.
#[derive(Debug, Clone, Serialize)]
struct Answer {
    photograph: String,
    network: String,
    class: String,
    score: f32,
    composite: String,
    /// The sum of the relevance of all pixels.
    relevance: f32,
    heatmap: PathBuf,
    overlay: PathBuf,
}

/// The whole answer for `--json`.
#[derive(Debug, Serialize)]
struct Document<'a> {
    program: &'static str,
    explanations: Vec<Answer>,
    panel: Option<PathBuf>,
    /// One entry per photograph that could not be explained.
    failed: &'a Failures,
}

/// What is asked of each photograph.
struct Asked<'a> {
    arguments: &'a Explain,
    columns: &'a [Column],
    composites: &'a [String],
    /// The composites as parts of file names.
    composite_parts: Vec<String>,
    classes: &'a [usize],
    names: &'a [String],
    /// The first name of each class as part of a file name.
    class_parts: Vec<String>,
}

/// Runs the command.
///
/// # Errors
/// Weights that do not fit, an unknown class or composite, an unreadable photograph.
pub(crate) fn run(arguments: &Explain, interrupt: &Interrupt) -> Result<()> {
    let options = &arguments.networks;
    let device = device(&options.device)?;
    let names: Vec<String> = match &options.class_names {
        Some(path) => {
            let text = fisherlens_files::read_text(path, MAX_NAMES_BYTES)
                .with_context(|| format!("cannot read the names of the classes {}", path.display()))?;
            class_names(&text)
        }
        None => IMAGENET_CLASSES.lines().map(str::to_owned).collect(),
    };
    let columns = columns(arguments, &names, &device)?;
    let composites =
        if options.composites.is_empty() { vec![COMPOSITE.to_owned()] } else { distinct(options.composites.clone()) };
    let classes = arguments.classes.iter().map(|class| class_index(class, &names)).collect::<Result<Vec<_>>>()?;
    let classes = distinct(classes);
    std::fs::create_dir_all(&arguments.out)
        .with_context(|| format!("cannot create the folder {}", arguments.out.display()))?;
    let asked = Asked {
        arguments,
        columns: &columns,
        composite_parts: parts(composites.iter().map(String::as_str)),
        composites: &composites,
        classes: &classes,
        class_parts: class_parts(names.iter().map(|name| first_name(name))),
        names: &names,
    };
    let mut rows: Vec<Vec<Shown>> = Vec::new();
    let mut failed = Failures::of(arguments.images.len(), "explained");
    for (image, stem) in arguments.images.iter().zip(stems(&arguments.images)) {
        interrupt.check()?;
        match explain(&asked, image, &stem) {
            Ok(explained) => rows.extend(explained),
            Err(error) => failed.note(image, &error),
        }
    }
    write(arguments, &rows, &failed)?;
    failed.finish()
}

/// The names of the classes in a text with one class per line, without an ImageNet number at the beginning, as in `n01440764 tench, Tinca`
/// of `synset_words.txt`.
fn class_names(text: &str) -> Vec<String> {
    let lines = text.trim_start_matches('\u{feff}').lines().map(str::trim).filter(|line| !line.is_empty());
    let is_number = |word: &str| {
        word.strip_prefix('n')
            .is_some_and(|digits| digits.len() == 8 && digits.bytes().all(|byte| byte.is_ascii_digit()))
    };
    lines
        .map(|line| match line.split_once(char::is_whitespace) {
            Some((first, rest)) if is_number(first) => rest.trim().to_owned(),
            _ => line.to_owned(),
        })
        .collect()
}

fn columns(arguments: &Explain, names: &[String], device: &Device) -> Result<Vec<Column>> {
    let options = &arguments.networks;
    ensure!(
        options.weights.len() == options.networks.len(),
        "found {} --network and {} --weights, expected one file for each network, in the same order",
        options.networks.len(),
        options.weights.len()
    );
    ensure!(
        options.mean.is_empty() || options.mean.len() == options.networks.len(),
        "found {} --network and {} --mean, expected no file or one file for each network, in the same order",
        options.networks.len(),
        options.mean.len()
    );
    // All names are checked before the first file of weights is read, which may take long.
    let architectures = options.networks.iter().map(|name| named(name).context("--network"));
    let architectures: Vec<Architecture> = architectures.collect::<Result<_>>()?;
    let mut columns = Vec::new();
    let files = options.networks.iter().zip(&options.weights);
    for (index, ((name, path), mut architecture)) in files.zip(architectures).enumerate() {
        let (weights, _) = read_weights(path)?;
        // Weights that were trained again on other classes often have a last layer of another name.
        let last = if weights.get(NEW_LAYER).is_some() {
            Some(NEW_LAYER)
        } else {
            weights.last_layer(&architecture, names.len())
        };
        if let Some(last) = last.filter(|last| *last == NEW_LAYER || architecture.n_classes() != names.len()) {
            architecture = architecture.with_classes(names.len(), last)?;
        }
        let unused = weights.unused(&architecture);
        if !unused.is_empty() {
            say(format_args!(
                "weights {}: layers that {name} does not have are passed over: {}",
                path.display(),
                unused.join(", ")
            ));
        }
        ensure!(
            architecture.n_classes() == names.len(),
            "network {name} has {} scores, but there are {} names of classes; give the names of its classes with --class-names FILE",
            architecture.n_classes(),
            names.len()
        );
        let network = Network::new(architecture, &weights, device)
            .with_context(|| format!("weights {} in network {name}", path.display()))?;
        let mean = options.mean.get(index).map(|path| read_mean(path)).transpose()?;
        columns.push(Column { name: name.clone(), network, mean: mean.unwrap_or(Mean::Channels(IMAGENET_MEAN)) });
    }
    Ok(columns)
}

/// Finds a class by its number, its whole name, or one of the names between commas. Upper and lower case do not matter.
fn class_index(text: &str, names: &[String]) -> Result<usize> {
    if let Ok(number) = text.parse::<usize>() {
        ensure!(number < names.len(), "class {number}: expected a number below {}, the number of classes", names.len());
        return Ok(number);
    }
    let wanted = text.trim().to_lowercase();
    let is = |name: &String| {
        let name = name.to_lowercase();
        name == wanted || name.split(", ").any(|one| one == wanted)
    };
    let found: Vec<usize> = (0..names.len()).filter(|&class| is(&names[class])).collect();
    match found.as_slice() {
        [class] => Ok(*class),
        [] => {
            let near = names.iter().filter(|name| name.to_lowercase().contains(&wanted)).take(8);
            let near: Vec<&str> = near.map(String::as_str).collect();
            let hint = if near.is_empty() { String::new() } else { format!("; similar names: {}", near.join(" | ")) };
            bail!("no class is called \"{text}\"{hint}")
        }
        several => {
            let several: Vec<String> = several.iter().map(|class| format!("{class} ({})", names[*class])).collect();
            bail!("several classes are called \"{text}\"; give the number of one of them: {}", several.join(" | "))
        }
    }
}

impl Method {
    fn parse(text: &str, mean: &Mean) -> Result<Self> {
        Ok(match text {
            "gradient" => Self::Gradient,
            "gradient-times-input" => Self::GradientTimesInput,
            "integrated-gradients" => Self::IntegratedGradients,
            "occlusion" => Self::Occlusion,
            text => Self::Composite(Composite::parse(text, &mean.pixel_range()).context("--composite")?),
        })
    }

    /// One map per class, `(height, width)`.
    fn explain(&self, network: &Network, input: &Array4<f32>, classes: &[usize]) -> Result<Vec<Array2<f32>>> {
        if let Self::Composite(composite) = self {
            let trace = network.trace(input.view())?;
            let targets = Targets::Classes(classes.to_vec());
            let relevance = network.relevance(&trace, composite, &targets, Bookkeeping::Off)?;
            let maps = relevance.pixels.outer_iter().map(|map| map.slice(s![0, .., .., ..]).sum_axis(Axis(0)));
            return Ok(maps.collect());
        }
        let mut maps = Vec::new();
        for &class in classes {
            let map = match self {
                Self::Gradient => network.gradient(input.view(), &[class])?.mapv(f32::abs),
                Self::GradientTimesInput => network.gradient_times_input(input.view(), &[class])?,
                Self::IntegratedGradients => {
                    let baseline = Array4::zeros((1, input.dim().1, input.dim().2, input.dim().3));
                    network.integrated_gradients(input.view(), baseline.view(), &[class], N_STEPS)?
                }
                _ => network.occlusion(input.view(), &[class], OCCLUSION)?,
            };
            maps.push(map.slice(s![0, .., .., ..]).sum_axis(Axis(0)));
        }
        Ok(maps)
    }
}

/// One row per class: the crop of the first network, then one picture per network and composite. The names of the files begin with `stem`.
fn explain(asked: &Asked<'_>, path: &Path, stem: &str) -> Result<Vec<Vec<Shown>>> {
    let &Asked { arguments, columns, composites, classes, names, .. } = asked;
    let photograph = photograph::read_upright(path, 0)?;
    let framing = if arguments.networks.framing == "padded" { Framing::Padded } else { Framing::Covering };
    let (frame, _) = framing.frame(photograph.rgb().view(), FRAME).with_context(|| format!("{}", path.display()))?;
    line!(arguments, "{}  {} × {}", path.display(), photograph.width(), photograph.height());
    let mut classes = classes.to_vec();
    let mut rows: Vec<Vec<Shown>> = Vec::new();
    for Column { name, network, mean } in columns {
        let side = network.architecture().input_shape()[1];
        let crop = Crop::centre((frame.dim().0, frame.dim().1), side)?;
        let input = mean.inputs(&frame, &[crop])?;
        let scores = network.scores(input.view())?.index_axis_move(Axis(0), 0);
        let mut best: Vec<usize> = (0..scores.len()).collect();
        best.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]));
        if classes.is_empty() {
            classes.push(best[0]);
        }
        let shown: Vec<String> =
            best.iter().take(3).map(|&class| format!("{} {:+.2}", first_name(&names[class]), scores[class])).collect();
        line!(arguments, "  {name}: {}", shown.join(", "));
        let pixels = crop.cut(&frame).to_owned();
        if rows.is_empty() {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let input = |_: &usize| Shown {
                caption: format!("{name}\nthe {side} × {side} pixels in the middle"),
                file: String::new(),
                crop: pixels.clone(),
                relevance: Array2::zeros((0, 0)),
                answer: None,
            };
            rows = classes.iter().map(|class| vec![input(class)]).collect();
        }
        for (composite, composite_part) in composites.iter().zip(&asked.composite_parts) {
            let method = Method::parse(composite, mean)?;
            let maps = method.explain(network, &input, &classes)?;
            for ((row, &class), relevance) in rows.iter_mut().zip(&classes).zip(maps) {
                line!(
                    arguments,
                    "  {name}, {}: score {:+.4}, {composite}: sum {:+.4}",
                    first_name(&names[class]),
                    scores[class],
                    relevance.sum()
                );
                let file = format!("{stem}-{}-{name}-{composite_part}", asked.class_parts[class]);
                let caption = format!("{} {:+.2}\n{name}, {composite}", first_name(&names[class]), scores[class]);
                let answer = Answer {
                    photograph: path.display().to_string(),
                    network: name.clone(),
                    class: first_name(&names[class]).to_owned(),
                    score: scores[class],
                    composite: composite.clone(),
                    relevance: relevance.sum(),
                    heatmap: arguments.out.join(format!("{file}-heatmap.png")),
                    overlay: arguments.out.join(format!("{file}-overlay.png")),
                };
                row.push(Shown { caption, file, crop: pixels.clone(), relevance, answer: Some(answer) });
            }
        }
    }
    if arguments.npz {
        let file = arguments.out.join(format!("{stem}-networks.npz"));
        let mut npz = NpzFile::create(&file)?;
        npz.add("crop", &rows[0][0].crop)?;
        for shown in rows.iter().flatten().filter(|shown| !shown.file.is_empty()) {
            npz.add(&format!("relevance {}", shown.file), &shown.relevance)?;
        }
        npz.finish()?;
        line!(arguments, "  {}", file.display());
    }
    Ok(rows)
}

/// The first of the names between commas.
fn first_name(name: &str) -> &str {
    name.split(", ").next().unwrap_or(name)
}

fn write(arguments: &Explain, rows: &[Vec<Shown>], failed: &Failures) -> Result<()> {
    let all = rows.iter().flatten().filter(|shown| !shown.file.is_empty());
    let common = all.fold(0.0_f32, |largest, shown| largest.max(largest_size(shown.relevance.view())));
    let mut cells: Vec<Vec<Cell>> = Vec::new();
    for row in rows {
        let mut line = Vec::new();
        for shown in row {
            if shown.file.is_empty() {
                line.push(Cell { caption: shown.caption.clone(), picture: twice(&shown.crop) });
                continue;
            }
            let own = largest_size(shown.relevance.view());
            let largest = if arguments.normalize == Normalize::Common { common } else { own };
            let heat = heatmap_scaled(shown.relevance.view(), arguments.color_map, largest);
            let over = blend(shown.crop.view(), heat.view(), arguments.opacity);
            if let Some(Answer { heatmap, overlay, .. }) = &shown.answer {
                for (file, picture) in [(heatmap, &heat), (overlay, &over)] {
                    write_png(file, picture.view())?;
                    line!(arguments, "  {}", file.display());
                }
            }
            line.push(Cell { caption: shown.caption.clone(), picture: twice(&heat) });
        }
        cells.push(line);
    }
    let panel = if cells.is_empty() {
        None
    } else {
        let file = arguments.out.join("networks-panel.png");
        // The captions of the crops name the photographs.
        let panel = if cells.len() == 1 { Panel::grid("", cells.remove(0)) } else { Panel::rows("", cells) };
        write_png(&file, panel.draw().view())?;
        line!(arguments, "  {}", file.display());
        Some(file)
    };
    if arguments.json {
        let explanations = rows.iter().flatten().filter_map(|shown| shown.answer.clone()).collect();
        let document = Document { program: PROGRAM, explanations, panel, failed };
        print_json(&document)?;
    }
    Ok(())
}

/// The picture at twice its width and height, so that details of the crop can be seen.
fn twice(picture: &Array3<u8>) -> Array3<u8> {
    let (height, width, _) = picture.dim();
    Array3::from_shape_fn((2 * height, 2 * width, 3), |(y, x, channel)| picture[[y / 2, x / 2, channel]])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_classes_are_read_in_the_forms_of_other_programs() {
        let names = class_names("\u{feff}n01440764 tench, Tinca tinca\r\n\nn1 small cat\ngoldfish\n");
        assert_eq!(names, ["tench, Tinca tinca", "n1 small cat", "goldfish"]);
    }

    #[test]
    fn classes_are_found_by_any_of_their_names() {
        let names: Vec<String> = IMAGENET_CLASSES.lines().map(str::to_owned).collect();
        assert_eq!(names.len(), 1000);
        assert_eq!(class_index("Egyptian cat", &names).unwrap(), 285);
        assert_eq!(class_index("tinca TINCA", &names).unwrap(), 0);
        assert_eq!(class_index("967", &names).unwrap(), 967);
        let several = class_index("crane", &names).unwrap_err().to_string();
        assert!(several.contains("134") && several.contains("517"), "{several}");
        let unknown = class_index("Egyptian", &names).unwrap_err().to_string();
        assert!(unknown.contains("similar names: Egyptian cat"), "{unknown}");
        assert!(class_index("1000", &names).is_err());
    }
}
