//! Compares heatmaps with the truth. The embedded devkit has masks, which mark the pixels of each object and of the tag.

use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use fisherlens_mini_voc::{CLASSES, Masks};
use ndarray::Array2;
use serde::{Deserialize, Serialize};

/// Where the positive relevance of one class lies, together with the values for evenly spread relevance.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct MaskShares {
    /// Share of the positive relevance on the pixels of the class's objects.
    pub object: f64,
    /// Share of the image's pixels that belong to these objects.
    pub object_area: f64,
    /// Share of the positive relevance on the tag; `None` if the image has no tag.
    pub tag: Option<f64>,
    /// Share of the image's pixels that the tag covers.
    pub tag_area: f64,
    /// Probability that a pixel of the object has more relevance than a pixel outside of the object (0.5 by chance). `None` if one of the
    /// two kinds of pixels does not exist.
    pub pixel_auc: Option<f64>,
}

/// The masks of one image.
///
/// # Errors
/// A missing or damaged mask file.
pub fn read(folder: &Path, id: &str) -> Result<Masks> {
    let path = folder.join(format!("{id}.png"));
    Masks::read(&path).with_context(|| format!("cannot read the masks {}", path.display()))
}

/// Measures one heatmap.
///
/// # Errors
/// Masks and heatmap of different sizes; a class that the masks do not contain.
pub fn shares(masks: &Masks, class: &str, relevance: &Array2<f32>) -> Result<MaskShares> {
    let (height, width) = relevance.dim();
    ensure!(
        (masks.width, masks.height) == (width, height),
        "the masks have {} × {} pixels, expected {width} × {height} as in the image",
        masks.width,
        masks.height
    );
    let class = CLASSES.iter().position(|name| *name == class).with_context(|| {
        format!("no class of the embedded data is called \"{class}\"; expected one of {}", CLASSES.join(", "))
    })?;
    let object = masks.of_class(class);
    let values = relevance.as_slice().context("a heatmap is contiguous")?;
    let total: f64 = values.iter().map(|&value| f64::from(value.max(0.0))).sum();
    let on = |mask: &[bool]| -> (f64, f64) {
        let inside: f64 =
            values.iter().zip(mask).filter(|(_, inside)| **inside).map(|(v, _)| f64::from(v.max(0.0))).sum();
        let area = mask.iter().filter(|inside| **inside).count() as f64 / values.len() as f64;
        (if total > 0.0 { inside / total } else { 0.0 }, area)
    };
    let (object_share, object_area) = on(&object);
    let (tag_share, tag_area) = on(&masks.tag);
    Ok(MaskShares {
        object: object_share,
        object_area,
        tag: masks.has_tag().then_some(tag_share),
        tag_area,
        pixel_auc: pixel_auc(values, &object),
    })
}

/// Area under the ROC curve of relevance as a detector of the mask's pixels; ties count half. `None` if all pixels are inside or all are
/// outside of the mask.
fn pixel_auc(values: &[f32], mask: &[bool]) -> Option<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_unstable_by(|&a, &b| values[a].total_cmp(&values[b]));
    let n_inside = mask.iter().filter(|inside| **inside).count();
    let n_outside = mask.len() - n_inside;
    if n_inside == 0 || n_outside == 0 {
        return None;
    }
    let mut rank_sum = 0.0;
    let mut start = 0;
    while start < order.len() {
        let value = values[order[start]];
        let end = start + order[start..].iter().take_while(|&&i| values[i] == value).count();
        let mean_rank = (start + 1 + end) as f64 / 2.0;
        rank_sum += mean_rank * order[start..end].iter().filter(|&&i| mask[i]).count() as f64;
        start = end;
    }
    // Mann-Whitney statistic: the rank sum of the pixels inside, minus its smallest possible value, is the number of pairs in the right
    // order.
    let smallest = n_inside as f64 * (n_inside as f64 + 1.0) / 2.0;
    Some((rank_sum - smallest) / (n_inside as f64 * n_outside as f64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_area_under_the_curve_by_hand() {
        // The values inside are 3 and 1, outside 2 and 0. Three of the four pairs are in the right order.
        assert_eq!(pixel_auc(&[3.0, 2.0, 1.0, 0.0], &[true, false, true, false]), Some(0.75));
        assert_eq!(pixel_auc(&[1.0, 1.0], &[true, false]), Some(0.5));
        assert_eq!(pixel_auc(&[1.0, 2.0], &[true, true]), None);
    }
}
