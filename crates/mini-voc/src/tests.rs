//! Tests of the whole devkit: the content is the same on every machine, and what the documentation says about it is true.

use std::fs;
use std::path::PathBuf;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use fisherlens_dataset::{BoundingBox, Devkit, ImageSet, Missing};

use crate::contents::{CLASSES, N_IMAGES, TAG_OWNER, TAGGED_CLASS, YEAR};
use crate::error::MiniVocError;
use crate::folder::{ensure, ensure_while, image_digest, verify};
use crate::masks::Masks;
use crate::picture::{draw_image, draw_pair, image_id};

/// The folder of a devkit that is drawn once for all tests.
fn drawn() -> PathBuf {
    static FOLDER: OnceLock<tempfile::TempDir> = OnceLock::new();
    let folder = FOLDER.get_or_init(|| {
        let folder = tempfile::tempdir().expect("a temporary folder");
        ensure(folder.path()).expect("the devkit draws and has the checksum");
        folder
    });
    folder.path().to_owned()
}

fn sets() -> [ImageSet; 2] {
    let devkit = Devkit::open(&drawn(), None).expect("a devkit");
    assert_eq!(devkit.year(), Some(YEAR));
    assert_eq!(devkit.classes(), CLASSES);
    ["train", "test"].map(|set| devkit.image_set(set, Missing::Refuse).expect("complete"))
}

fn masks(id: &str) -> Masks {
    Masks::read(&drawn().join(format!("VOC{YEAR}/Masks/{id}.png"))).expect("a mask")
}

/// The bounding box of the pixels of object `number`, counting from 1.
fn bounds(masks: &Masks, number: u8) -> Option<BoundingBox> {
    let places = || (0..masks.objects.len()).filter(|&place| masks.objects[place] == number);
    let columns = || places().map(|place| (place % masks.width) as u32);
    let rows = || places().map(|place| (place / masks.width) as u32);
    Some(BoundingBox {
        left: columns().min()?,
        top: rows().min()?,
        right: columns().max()? + 1,
        bottom: rows().max()? + 1,
    })
}

#[test]
fn single_images_are_the_same_on_every_machine() {
    for (index, expected) in [(0, "3ae92c914f32634f"), (123, "a65cab53e40a0f96"), (499, "50e665699b8615ac")] {
        let picture = draw_image(index);
        let digest = image_digest(&picture.id, &picture.rgb, &picture.masks.rgb(), b"");
        assert_eq!(digest.to_hex().as_str()[..16], *expected, "image {index}");
    }
}

#[test]
fn the_files_have_the_checksum_of_the_drawing() {
    verify(&drawn()).expect("the files hold the drawing");
}

#[test]
fn a_complete_folder_is_left_as_it_is() {
    let folder = drawn();
    let names = || {
        let entries = fs::read_dir(&folder).expect("the folder").map(|entry| entry.expect("an entry").file_name());
        entries.collect::<Vec<_>>()
    };
    let marker = folder.join(format!("VOC{YEAR}/CHECKSUM"));
    let written = || fs::metadata(&marker).and_then(|data| data.modified()).expect("a time");
    let before = written();
    assert_eq!(ensure(&folder).expect("complete"), folder);
    assert_eq!((written(), names().len()), (before, 1));
}

#[test]
fn a_drawing_that_is_stopped_leaves_nothing() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let n_drawn = AtomicUsize::new(0);
    let stopped = ensure_while(folder.path(), &|| n_drawn.fetch_add(1, Ordering::Relaxed) < 5);
    assert!(matches!(stopped, Err(MiniVocError::Stopped)), "{stopped:?}");
    assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 0);
    assert!(n_drawn.into_inner() < N_IMAGES);
    ensure_while(&drawn(), &|| panic!("a complete devkit is not drawn again")).expect("complete");
}

#[test]
fn a_foreign_folder_is_not_changed() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let foreign = folder.path().join(format!("VOC{YEAR}"));
    fs::create_dir(&foreign).expect("a folder");
    fs::write(foreign.join("notes.txt"), "mine").expect("a file");
    let message = ensure(folder.path()).expect_err("refused").to_string();
    assert!(message.contains("was not drawn by this program"), "{message}");
    assert!(foreign.join("notes.txt").is_file());
}

#[test]
fn both_halves_have_the_documented_numbers() {
    let tagged_class = CLASSES.iter().position(|class| *class == TAGGED_CLASS).expect("a class of the devkit");
    for set in sets() {
        assert_eq!(set.images.len(), N_IMAGES / 2);
        let mut n_tags = 0;
        for image in &set.images {
            let tagged = masks(&image.id).has_tag();
            assert_eq!(tagged, image.owner() == Some(TAG_OWNER), "{}", image.id);
            assert!(!tagged || image.labels[tagged_class] == 1, "{}", image.id);
            n_tags += usize::from(tagged);
        }
        let n_positives = |class: usize| set.images.iter().filter(|image| image.labels[class] == 1).count();
        assert!((40..=45).contains(&n_tags), "{}: {n_tags} tags", set.name);
        assert_eq!(n_positives(tagged_class), N_IMAGES / 4);
        for (class, name) in CLASSES.iter().enumerate() {
            let n = n_positives(class);
            assert!(n >= 25, "{}: {n} of class {name}", set.name);
        }
    }
}

#[test]
fn masks_boxes_and_labels_agree() {
    for image in sets().iter().flat_map(|set| &set.images) {
        let masks = masks(&image.id);
        assert_eq!(Some([masks.width as u32, masks.height as u32]), image.size);
        for (number, object) in (1..).zip(&image.objects) {
            assert_eq!(bounds(&masks, number), Some(object.bounds), "{}, object {number}", image.id);
            let class = CLASSES.iter().position(|class| *class == object.class).expect("a class of the devkit");
            let of_class = masks.of_class(class);
            let mut places = masks.objects.iter().zip(of_class).filter(|(found, _)| **found == number);
            assert!(places.all(|(_, inside)| inside), "{}, object {number}", image.id);
        }
        let highest = masks.objects.iter().copied().max().unwrap_or(0);
        assert_eq!(usize::from(highest), image.objects.len(), "{}", image.id);
        for (class, &label) in CLASSES.iter().zip(&image.labels) {
            let objects = image.objects.iter().filter(|object| object.class == *class);
            let expected = objects.map(|object| i8::from(!object.difficult)).max().unwrap_or(-1);
            assert_eq!(label, expected, "{}, class {class}", image.id);
        }
    }
}

#[test]
fn pairs_differ_in_the_tag_only() {
    let index = (0..N_IMAGES).find(|&index| draw_image(index).tag.is_some()).expect("a tagged image");
    let (with, without) = draw_pair(&image_id(index)).expect("a pair");
    assert_eq!(with, draw_image(index));
    assert!(without.tag.is_none() && !without.masks.has_tag());
    for (place, &tag) in with.masks.tag.iter().enumerate() {
        let pixel = 3 * place..3 * place + 3;
        assert!(tag || with.rgb[pixel.clone()] == without.rgb[pixel], "pixel {place}");
    }
    let untagged = (0..N_IMAGES).find(|&index| draw_image(index).tag.is_none()).expect("an untagged image");
    let (with, without) = draw_pair(&image_id(untagged)).expect("a pair");
    assert_eq!(without, draw_image(untagged));
    assert_ne!(with.rgb, without.rgb);
    for id in ["2016_000000", "2016_000501", "2016_7", "2007_000001", ""] {
        assert!(draw_pair(id).is_err(), "{id}");
    }
}
