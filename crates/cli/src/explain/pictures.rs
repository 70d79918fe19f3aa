//! The files of one photograph: heatmap, overlay, squares of descriptors, panel, arrays.

use std::path::Path;

use anyhow::Result;
use fisherlens_lrp::{Rule, blend, draw_descriptors, heatmap_scaled, largest_size};
use fisherlens_model::{Cell, NpzFile, Panel, write_png};
use ndarray::{Array1, Array3};
use serde::Serialize;

use crate::arguments::Explain;
use crate::explain::source::{Explained, Shown, Source};

/// The pictures of one class and rule. Paths are text, because a name that is not Unicode has no form in JSON.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Pictures {
    pub(super) heatmap: String,
    pub(super) overlay: String,
    /// Squares of the most relevant descriptors, if they were requested.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) top: Option<String>,
}

/// Everything that was written for one photograph.
#[derive(Debug, Clone)]
pub(super) struct Files {
    /// In the order of the explanations.
    pub(super) pictures: Vec<Pictures>,
    /// All of them in one picture, if there are several.
    pub(super) panel: Option<String>,
    /// Arrays, if they were requested.
    pub(super) npz: Option<String>,
}

/// Draws and writes everything that was asked for. `largest`: the relevance that the strongest colour stands for, where it is common to
/// all pictures.
pub(super) fn write(
    source: &Source,
    explained: &Explained,
    arguments: &Explain,
    largest: Option<f32>,
) -> Result<Files> {
    let Explained { stem, photograph, described, shown, .. } = explained;
    let rgb = photograph.rgb();
    let mut pictures = Vec::new();
    let mut overlays = Vec::new();
    for Shown { class, rule, explanation } in shown {
        let name = &source.class_parts[*class];
        let pixels = explanation.pixels.view();
        let heat = heatmap_scaled(pixels, arguments.color_map, largest.unwrap_or_else(|| largest_size(pixels)));
        let over = blend(rgb.view(), heat.view(), arguments.opacity);
        let save = |kind: &str, picture: &Array3<u8>| -> Result<String> {
            let rule = rule.to_string().replace('=', "-");
            let file = arguments.out.join(format!("{stem}-{name}-{rule}-{kind}.png"));
            write_png(&file, picture.view())?;
            Ok(file.display().to_string())
        };
        let top = arguments.top.map(|n| -> Result<String> {
            let map = arguments.color_map;
            save("top", &draw_descriptors(rgb.view(), &described.frames, &explanation.descriptors, n, map)?)
        });
        pictures.push(Pictures {
            heatmap: save("heatmap", &heat)?,
            overlay: save("overlay", &over)?,
            top: top.transpose()?,
        });
        overlays.push(Cell { caption: caption(source, *class, *rule, explanation.score), picture: over });
    }
    let mut files = Files { pictures, panel: None, npz: None };
    if shown.len() > 1 {
        let file = arguments.out.join(format!("{stem}-panel.png"));
        write_png(&file, arranged(explained, rgb.clone(), overlays).draw().view())?;
        files.panel = Some(file.display().to_string());
    }
    if arguments.npz {
        let file = arguments.out.join(format!("{stem}.npz"));
        write_npz(source, explained, &rgb, &file)?;
        files.npz = Some(file.display().to_string());
    }
    Ok(files)
}

/// Class, score, how far it is from its threshold, and rule.
fn caption(source: &Source, class: usize, rule: Rule, score: f64) -> String {
    let margin = match source.thresholds.as_ref().map(|thresholds| score - thresholds[class]) {
        Some(margin) if margin > 0.0 => format!("{margin:.2} above its threshold"),
        Some(margin) => format!("{:.2} below its threshold", -margin),
        None => "no threshold known".to_owned(),
    };
    format!("{} {score:+.2} ({margin})\nrule {rule}", source.classes[class])
}

/// The photograph with its overlays: a grid, or for several classes by several rules one row per class, each with the photograph before it.
fn arranged(explained: &Explained, rgb: Array3<u8>, overlays: Vec<Cell>) -> Panel {
    let title = explained.path.file_name().unwrap_or_default().to_string_lossy();
    let (height, width, _) = rgb.dim();
    let photograph = Cell { caption: format!("photograph, {width} × {height} pixels"), picture: rgb };
    // All rules of a class lie together.
    let n_rules = explained.shown.iter().take_while(|shown| shown.class == explained.shown[0].class).count();
    if n_rules == 1 || n_rules == overlays.len() {
        return Panel::grid(&title, std::iter::once(photograph).chain(overlays).collect());
    }
    let rows =
        overlays.chunks(n_rules).map(|row| std::iter::once(&photograph).chain(row).cloned().collect::<Vec<Cell>>());
    Panel::rows(&title, rows.collect())
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
    Ok(file.finish()?)
}
