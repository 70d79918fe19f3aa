//! Every layout of photographs of one's own, whole and with the faults that people's data have, as `train` meets them: the same result from
//! each layout, a message that names the file and the place, and nothing half written.

mod support;

use std::fs;
use std::path::{Path, PathBuf};

use support::{SMALL, class_folders, fisherlens, succeed, text};

/// The photographs of [`class_folders`] in every layout. Names with spaces and umlauts are part of it.
struct Data {
    folder: tempfile::TempDir,
    /// Paths of the photographs below the folder, and their classes.
    images: Vec<(String, String)>,
}

/// What a fault does.
enum Outcome {
    /// `train` ends with exit code 1 and says these words.
    Refused(&'static [&'static str]),
    /// `train` skips an entry, or warns, with these words.
    Told(&'static [&'static str]),
}
use Outcome::{Refused, Told};

impl Data {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let names = class_folders(&folder.path().join("photographs"));
        let class = |name: &String| name.split('/').next().unwrap().to_owned();
        let images = names.iter().map(|name| (format!("photographs/{name}"), class(name))).collect();
        Self { folder, images }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        path
    }

    fn folders(&self) -> PathBuf {
        self.path("photographs")
    }

    fn table(&self, separator: char) -> String {
        let row = |(index, (path, class)): (usize, &(String, String))| {
            format!("\"{path}\"{separator}\"{class}\"{separator}camera {}\n", index % 4)
        };
        let rows = self.images.iter().enumerate().map(row).collect::<String>();
        format!("path{separator}label{separator}camera\n{rows}")
    }

    fn coco(&self) -> String {
        let classes = ["lying, flat", "upright"];
        let image = |(index, (path, _)): (usize, &(String, String))| {
            format!("{{\"id\": {index}, \"file_name\": \"{path}\", \"width\": 80, \"height\": 60}}")
        };
        let annotation = |(index, (_, class)): (usize, &(String, String))| {
            let category = classes.iter().position(|known| known == class).unwrap();
            format!(
                "{{\"id\": {index}, \"image_id\": {index}, \"category_id\": {category}, \"bbox\": [4, 5, 40, 30], \"iscrowd\": 0}}"
            )
        };
        let category = |(index, name): (usize, &&str)| format!("{{\"id\": {index}, \"name\": \"{name}\"}}");
        let images = self.images.iter().enumerate().map(image).collect::<Vec<_>>().join(",\n");
        let annotations = self.images.iter().enumerate().map(annotation).collect::<Vec<_>>().join(",\n");
        let categories = classes.iter().enumerate().map(category).collect::<Vec<_>>().join(", ");
        format!("{{\"images\": [{images}],\n\"annotations\": [{annotations}],\n\"categories\": [{categories}]}}\n")
    }

    /// Annotations in XML beside copies of the photographs.
    fn xml(&self) -> PathBuf {
        for (path, class) in &self.images {
            let file = Path::new(path).file_name().unwrap().to_str().unwrap();
            fs::create_dir_all(self.path("xml")).unwrap();
            fs::copy(self.path(path), self.path("xml").join(file)).unwrap();
            let stem = file.strip_suffix(".png").unwrap();
            self.write(&format!("xml/{stem}.xml"), annotation(class, 45));
        }
        self.path("xml")
    }

    /// Runs `train`. The model file must be there exactly if it succeeds, and nothing else may be left beside it.
    fn train(&self, data: &Path, further: &[&str]) -> (Option<i32>, String) {
        let out = self.path("out");
        let _ = fs::remove_dir_all(&out);
        fs::create_dir(&out).unwrap();
        let (model, store) = (out.join("m.flm"), self.path("store"));
        let words = ["train", text(data), "--out", text(&model), "--artifacts", text(&store)];
        // Data with a split of their own take no other one.
        let share: &[&str] = if data.join("train").is_dir() { &[] } else { &["--test-share", "0.4"] };
        let output = fisherlens(&[&words, share, &SMALL, further].concat());
        let said = String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
        assert!(!said.contains("panicked"), "{said}");
        let left: Vec<_> = fs::read_dir(&out).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left.len(), usize::from(output.status.success()), "{left:?} {said}");
        assert_eq!(model.exists(), output.status.success(), "{said}");
        (output.status.code(), said)
    }

    /// Trains on faulty data and checks what is said.
    fn meets(&self, what: &str, data: &Path, further: &[&str], outcome: &Outcome) {
        let (code, said) = self.train(data, further);
        let (expected, words) = match outcome {
            Refused(words) => (1, words),
            Told(words) => (0, words),
        };
        assert_eq!(code, Some(expected), "{what}: {said}");
        for word in *words {
            assert!(said.contains(word), "{what} should say {word:?}, but says: {said}");
        }
    }
}

fn annotation(class: &str, right: u32) -> String {
    format!(
        "<annotation><filename>other.png</filename><size><width>80</width><height>60</height><depth>3</depth></size><object>\
         <name>{class}</name><truncated>0</truncated><difficult>0</difficult><bndbox><xmin>5</xmin><ymin>6</ymin><xmax>{right}</xmax>\
         <ymax>35</ymax></bndbox></object></annotation>"
    )
}

#[test]
fn the_layouts_give_the_same_model_and_scores() {
    let data = Data::new();
    let (csv, tsv) = (data.write("l.csv", data.table(',')), data.write("l.tsv", data.table('\t')));
    let windows = format!("\u{feff}{}", data.table(',').replace('\n', "\r\n"));
    let (windows, coco, xml) = (data.write("w.csv", windows), data.write("i.json", data.coco()), data.xml());
    let (folders, model) = (data.folders(), data.path("out/m.flm"));
    let mut scores = Vec::new();
    for layout in [&folders, &csv, &tsv, &windows, &coco, &xml] {
        let (code, said) = data.train(layout, &[]);
        assert_eq!(code, Some(0), "{}: {said}", layout.display());
        let predict = ["predict", text(&folders), "--model", text(&model), "--format", "csv"];
        scores.push(succeed(&[&predict]));
    }
    for (layout, other) in scores.iter().enumerate() {
        assert_eq!(*other, scores[0], "layout {layout}");
    }
}

#[test]
fn faults_of_class_folders() {
    let data = Data::new();
    let folders = data.folders();
    data.write("photographs/upright/empty.JPG", "");
    data.meets("an empty file", &folders, &[], &Told(&["upright/empty.JPG", "1 file"]));
    data.meets("an empty file", &folders, &["--strict"], &Refused(&["upright/empty.JPG", "--strict"]));
    fs::remove_file(folders.join("upright/empty.JPG")).unwrap();
    data.write("photographs/upright/Größe 1.jpeg", "text in place of an image");
    data.meets("text", &folders, &[], &Told(&["Größe 1.jpeg"]));
    data.meets("text", &folders, &["--strict"], &Refused(&["Größe 1.jpeg"]));
    fs::remove_file(folders.join("upright/Größe 1.jpeg")).unwrap();
    data.write("photographs/upright/moving.gif", "GIF89a");
    data.meets("a GIF", &folders, &[], &Told(&["moving.gif"]));
    fs::remove_file(folders.join("upright/moving.gif")).unwrap();
    fs::create_dir(folders.join("single")).unwrap();
    fs::copy(folders.join("upright/0-0 é.png"), folders.join("single/one.png")).unwrap();
    data.meets("a class with one image", &folders, &[], &Told(&["single", "fewer than 10", "other labels"]));
    fs::remove_dir_all(folders.join("single")).unwrap();
    fs::remove_dir_all(folders.join("upright")).unwrap();
    data.meets("one class", &folders, &[], &Refused(&["photographs", "lying, flat"]));
    data.meets("no folder", &data.path("absent"), &[], &Refused(&["absent"]));
}

#[test]
fn faults_of_folders_of_splits() {
    let data = Data::new();
    for (index, (path, class)) in data.images.iter().enumerate() {
        let split = if index % 3 == 0 { "test" } else { "train" };
        fs::create_dir_all(data.path(&format!("splits/{split}/{class}"))).unwrap();
        fs::copy(data.path(path), data.path(&format!("splits/{split}/{class}/{index}.PNG"))).unwrap();
    }
    let splits = data.path("splits");
    data.meets("nothing", &splits, &[], &Told(&["16 training images, 8 test images", "class folders"]));
    fs::create_dir_all(splits.join("test/oblique")).unwrap();
    fs::copy(splits.join("train/upright/1.PNG"), splits.join("test/oblique/1.PNG")).unwrap();
    data.meets("a class in one split", &splits, &[], &Told(&["oblique", "left out", "same bytes"]));
    fs::remove_dir_all(splits.join("test/oblique")).unwrap();
    data.meets("a group", &splits, &["--group", "camera"], &Refused(&["camera", "splits"]));
    data.meets("a share", &splits, &["--test-share", "0.5"], &Refused(&["--test-share", "splits"]));
    fs::remove_dir_all(splits.join("test")).unwrap();
    fs::create_dir(splits.join("test")).unwrap();
    data.write("splits/test/upright/0.PNG", "");
    data.meets("a split without images", &splits, &["--test-share", "0.4"], &Told(&["0.PNG"]));
}

#[test]
fn faults_of_tables() {
    let data = Data::new();
    let whole = data.table(',');
    let first = whole.lines().nth(1).unwrap().to_owned();
    let cases: [(&str, String, &[&str], Outcome); 9] = [
        ("a missing file", whole.clone() + "no.png,upright,c\n", &[], Told(&["no.png", "line 26"])),
        ("a missing file", whole.clone() + "no.png,upright,c\n", &["--strict"], Refused(&["no.png", "line 26"])),
        ("no column of labels", whole.replacen("label", "colour", 1), &[], Refused(&["l.csv", "label", "colour"])),
        ("no column of paths", whole.replacen("path", "where", 1), &[], Refused(&["l.csv", "path", "where"])),
        ("an image twice", format!("{whole}{first}\n"), &[], Refused(&["l.csv", "line 26", "second time"])),
        ("too few cells", whole.clone() + "a.png,upright\n", &[], Refused(&["l.csv", "line 26"])),
        ("a column twice", whole.replacen("camera", "label", 1), &[], Refused(&["l.csv", "label"])),
        ("a wrong split", whole.replace("camera", "split"), &[], Refused(&["l.csv", "line 2", "split 0"])),
        ("nothing but a header", "path,label\n".to_owned(), &[], Refused(&["l.csv"])),
    ];
    for (what, content, further, outcome) in cases {
        let table = data.write("l.csv", content);
        data.meets(what, &table, further, &outcome);
    }
    let boxes = whole.replacen("camera", "camera,x1,y1,x2,y2", 1).replace("camera 0", "c,30,5,20,25");
    let boxes = boxes.replace("camera 1", "c,,,,").replace("camera 2", "c,,,,").replace("camera 3", "c,,,,");
    let table = data.write("l.csv", boxes);
    data.meets("turned corners", &table, &[], &Refused(&["l.csv", "line 2", "30"]));
    let table = data.write("l.csv", b"path,label\n\xff\xfe,upright\n".as_slice());
    data.meets("not UTF-8", &table, &[], &Refused(&["l.csv", "UTF-8"]));
    let table = data.write("l.tsv", data.table('\t') + "no.png\tupright\tc\n");
    data.meets("a missing file", &table, &["--strict"], &Refused(&["l.tsv", "line 26", "no.png"]));
}

#[test]
fn faults_of_coco() {
    let data = Data::new();
    let whole = data.coco();
    let missing = whole.replacen("0-3 é.png", "0-3.png", 1);
    let cases: [(&str, String, &[&str], Outcome); 7] = [
        ("a missing file", missing.clone(), &[], Told(&["0-3.png", "image 3"])),
        ("a missing file", missing, &["--strict"], Refused(&["i.json", "image 3", "0-3.png"])),
        ("an id twice", whole.replacen("{\"id\": 1,", "{\"id\": 0,", 1), &[], Refused(&["i.json", "id 0"])),
        (
            "an unknown image",
            whole.replace("\"image_id\": 7,", "\"image_id\": 70,"),
            &[],
            Refused(&["i.json", "id 70"]),
        ),
        ("cut off", whole[..whole.len() / 2].to_owned(), &[], Refused(&["i.json", "line"])),
        ("no categories", whole.replace("categories", "kinds"), &[], Refused(&["i.json", "categories"])),
        ("another size", whole.replacen("\"width\": 80", "\"width\": 81", 1), &[], Told(&["81 × 60"])),
    ];
    for (what, content, further, outcome) in cases {
        let file = data.write("i.json", content);
        data.meets(what, &file, further, &outcome);
    }
}

#[test]
fn faults_of_xml() {
    let data = Data::new();
    let folder = data.xml();
    let outside = annotation("upright", 99).replace("<xmin>5<", "<xmin>85<");
    let cases: [(&str, &str, String, &[&str], Outcome); 5] = [
        ("cut off", "0-3 é.xml", annotation("upright", 45)[..90].to_owned(), &[], Told(&["0-3 é.xml"])),
        ("cut off", "0-3 é.xml", annotation("upright", 45)[..90].to_owned(), &["--strict"], Refused(&["0-3 é.xml"])),
        ("a box outside", "0-4 é.xml", outside, &["--strict"], Refused(&["0-4 é.xml", "from 85 to 99"])),
        ("no image", "more.xml", annotation("upright", 45), &["--strict"], Refused(&["more.xml"])),
        ("an empty image", "0-5 é.png", String::new(), &[], Told(&["0-5 é.png"])),
    ];
    for (what, file, content, further, outcome) in cases {
        let path = folder.join(file);
        let before = fs::read(&path).ok();
        fs::write(&path, content).unwrap();
        data.meets(what, &folder, further, &outcome);
        match before {
            Some(before) => fs::write(&path, before).unwrap(),
            None => fs::remove_file(&path).unwrap(),
        }
    }
}
