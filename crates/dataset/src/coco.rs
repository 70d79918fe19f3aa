//! COCO's instances: one JSON file with images, annotations and categories (`lin2014`).

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::path::Path;

use fisherlens_files::check_class_name;
use serde::Deserialize;

use crate::error::DatasetError;
use crate::found::{Found, Opening, decide, resolve};
use crate::image::{BoundingBox, Object, Skipped};
use crate::text::without_mark;

/// Largest file that is read, 4 GiB. The largest one of COCO has 0.5 GB.
const MAX_BYTES: u64 = 4 << 30;

#[derive(Deserialize)]
struct Instances {
    images: Vec<Image>,
    annotations: Vec<Annotation>,
    categories: Vec<Category>,
}

#[derive(Deserialize)]
struct Image {
    id: serde_json::Number,
    file_name: String,
    width: Option<u32>,
    height: Option<u32>,
}

#[derive(Deserialize)]
struct Annotation {
    image_id: serde_json::Number,
    category_id: serde_json::Number,
    bbox: Option<Vec<f64>>,
    #[serde(default)]
    iscrowd: u8,
}

#[derive(Deserialize)]
struct Category {
    id: serde_json::Number,
    name: String,
}

/// Reads the file. Images without an annotation are negative for all classes.
pub(crate) fn read(path: &Path, opening: &Opening) -> Result<(Vec<Found>, Vec<Skipped>), DatasetError> {
    let bytes = fisherlens_files::read(path, MAX_BYTES).map_err(DatasetError::io(path))?;
    let bytes = without_mark(&bytes).map_err(|problem| DatasetError::content(path, problem))?;
    let instances: Instances = serde_json::from_slice(bytes).map_err(|error| DatasetError::Line {
        path: path.to_owned(),
        line: error.line() as u64,
        problem: format!("not COCO's instances (images, annotations, categories): {error}"),
    })?;
    let refuse = |problem: String| DatasetError::content(path, problem);
    let mut categories: HashMap<String, String> = HashMap::new();
    let mut class_names = HashSet::new();
    for category in &instances.categories {
        let name = category.name.trim();
        check_class_name(name).map_err(|problem| refuse(format!("category {}: {problem}", category.id)))?;
        if !class_names.insert(name) {
            return Err(refuse(format!("two categories are called \"{name}\"")));
        }
        if categories.insert(category.id.to_string(), name.to_owned()).is_some() {
            return Err(refuse(format!("two categories have the id {}", category.id)));
        }
    }
    let mut skipped = Vec::new();
    let mut places: HashMap<String, usize> = HashMap::new();
    let mut names: HashMap<&str, &serde_json::Number> = HashMap::new();
    let mut found: Vec<Option<Found>> = Vec::with_capacity(instances.images.len());
    for image in &instances.images {
        let Image { id, file_name, width, height } = image;
        match places.entry(id.to_string()) {
            Entry::Occupied(_) => return Err(refuse(format!("two images have the id {id}"))),
            Entry::Vacant(entry) => entry.insert(found.len()),
        };
        if let Some(other) = names.insert(file_name, id) {
            return Err(refuse(format!("the images {other} and {id} have the same file_name \"{file_name}\"")));
        }
        match resolve(path, opening, file_name) {
            Ok(path) => found.push(Some(Found {
                id: file_name.clone(),
                path,
                size: width.zip(*height).map(|(width, height)| [width, height]),
                ..Found::default()
            })),
            Err(problem) => {
                decide(opening, refuse(format!("image {id}: {problem}")), file_name, &mut skipped)?;
                found.push(None);
            }
        }
    }
    for (index, annotation) in instances.annotations.iter().enumerate() {
        let refuse = |problem: String| refuse(format!("annotations[{index}]: {problem}"));
        let id = &annotation.image_id;
        let &place = places.get(&id.to_string()).ok_or_else(|| refuse(format!("no image has the id {id}")))?;
        let category = &annotation.category_id;
        let class = categories.get(&category.to_string());
        let class = class.ok_or_else(|| refuse(format!("no category has the id {category}")))?;
        let Some(found) = &mut found[place] else { continue };
        let is_difficult = annotation.iscrowd != 0;
        match &annotation.bbox {
            Some(corners) => found.objects.push(Object {
                class: class.clone(),
                bounds: bounds(corners, found.size).map_err(refuse)?,
                difficult: is_difficult,
                truncated: false,
            }),
            None => drop(found.classes.insert(class.clone())),
        }
    }
    Ok((found.into_iter().flatten().collect(), skipped))
}

/// COCO's boxes are left, top, width and height in pixels, counted from 0, with decimals.
fn bounds(corners: &[f64], size: Option<[u32; 2]>) -> Result<BoundingBox, String> {
    let &[left, top, width, height] = corners else {
        return Err(format!("bbox: expected left, top, width and height, found {} numbers", corners.len()));
    };
    BoundingBox::rounded([left, top, left + width, top + height], size)
}
