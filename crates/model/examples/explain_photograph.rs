//! The scores of one photograph, and the heatmap of its best class, with the model that comes with the crate:
//! `cargo run --package fisherlens-model --example explain_photograph [PHOTOGRAPH] [FOLDER]`
//!
//! Without a photograph, a drawn one is explained. The pictures go to `FOLDER`, or to a folder for temporary files.

#![expect(clippy::print_stdout, reason = "an example shows its results")]

use std::path::PathBuf;

use fisherlens_descriptors::gray_from_rgb;
use fisherlens_lrp::{ColorMap, heatmap, overlay};
use fisherlens_model::{Explainer, Model, ModelError, conservation_line, photograph, write_png};
use ndarray::Array3;

fn main() -> Result<(), ModelError> {
    let arguments: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let rgb = match arguments.first() {
        // The model learned from photographs whose longer side has 500 pixels.
        Some(path) => photograph::read_upright(path, 500)?.rgb(),
        None => drawn(),
    };
    let folder = arguments.get(1).cloned().unwrap_or_else(std::env::temp_dir);

    let model = Model::shipped();
    let explainer = Explainer::from_model(&model)?;
    let described = explainer.describe_gray(gray_from_rgb(rgb.view()).view())?;
    let rule = model.display_rule;
    let mapped = explainer.map(&described, &[rule])?;

    let mut scores: Vec<(usize, f64)> = (0..model.classes.len()).map(|class| (class, mapped.score(class))).collect();
    scores.sort_by(|a, b| b.1.total_cmp(&a.1));
    for (class, score) in &scores {
        println!("{:12} {score:+.4}", model.classes[*class]);
    }

    let best = scores[0].0;
    let explanation = mapped.explain(best, rule)?;
    println!("\n{} by the rule {rule}: {}", model.classes[best], conservation_line(&explanation.conservation));
    let heat = heatmap(explanation.pixels.view(), ColorMap::Diverging);
    let over = overlay(rgb.view(), explanation.pixels.view(), ColorMap::Diverging, 0.6);
    for (name, picture) in [("heatmap.png", heat), ("overlay.png", over)] {
        let file = folder.join(name);
        write_png(&file, picture.view())?;
        println!("{}", file.display());
    }
    Ok(())
}

/// A ball in front of a striped wall.
fn drawn() -> Array3<u8> {
    Array3::from_shape_fn((240, 320, 3), |(y, x, channel)| {
        let distance = (x as f32 - 130.0).hypot(y as f32 - 140.0);
        if distance < 70.0 { [220, 150, 80][channel] - distance as u8 } else { 120 + 60 * (x / 20 % 2) as u8 }
    })
}
