//! Heatmaps as pictures with captions.

use anyhow::Context;
use minijinja::{Value, context};

use super::data::{ClassExamples, Example, Limits, RgbImage};
use super::format::fixed;
use super::picture;

/// The classes that have an example, each with what goes into the page.
pub(super) fn by_class(classes: &[ClassExamples], limits: Limits) -> anyhow::Result<Vec<Value>> {
    classes
        .iter()
        .filter(|class| !class.best.is_empty() || !class.worst.is_empty())
        .map(|class| {
            let kinds = [("Highest scores", &class.best), ("Lowest scores among positives", &class.worst)];
            let kinds = kinds
                .into_iter()
                .filter(|(_, examples)| !examples.is_empty())
                .map(|(name, examples)| {
                    let examples = examples
                        .iter()
                        .take(limits.n_examples)
                        .map(|example| view(example, class, limits.thumbnail))
                        .collect::<anyhow::Result<Vec<Value>>>()?;
                    Ok(context! { name => name, examples => examples })
                })
                .collect::<anyhow::Result<Vec<Value>>>()?;
            let name = if class.rule.is_empty() {
                class.class.clone()
            } else {
                format!("{} (rule {})", class.class, class.rule)
            };
            Ok(context! { name => name, kinds => kinds })
        })
        .collect()
}

fn view(example: &Example, class: &ClassExamples, side: usize) -> anyhow::Result<Value> {
    let (id, name) = (&example.id, &class.class);
    let pictures = [
        (&example.photograph, format!("Photograph {id}")),
        (&example.heatmap, format!("Heatmap of {id}: relevance for {name}")),
        (&example.overlay, format!("Relevance for {name} laid over photograph {id}")),
    ];
    let pictures = pictures
        .into_iter()
        .filter(|(image, _)| **image != RgbImage::default())
        .map(|(image, alt)| {
            let picture = picture::embed(image, side).with_context(|| format!("example {id} of {name}"))?;
            // Base64 has nothing to escape but its strokes, and those would grow sixfold.
            let address = Value::from_safe_string(picture.address);
            Ok(context! { address => address, width => picture.width, height => picture.height, alt => alt })
        })
        .collect::<anyhow::Result<Vec<Value>>>()?;
    let label = match example.label {
        0 => "difficult",
        1.. => "positive",
        ..0 => "negative",
    };
    let caption = format!("{id} · score {} · {label}", fixed(example.score, 3));
    Ok(context! { pictures => pictures, caption => caption, conservation => example.conservation.as_str() })
}
