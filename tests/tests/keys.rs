//! Which stored results a change of each setting makes invalid.

mod support;

use std::collections::BTreeSet;

use fisherlens_artifact::Key;
use fisherlens_experiment::dataset::Half;
use fisherlens_experiment::experiment::Experiment;
use fisherlens_experiment::keys::Keys;
use fisherlens_experiment::series::Series;
use fisherlens_lrp::Rule;

use support::open;

/// A change, and the stages that must be computed again: S sample, P projection, M mixture, E vectors, C classifiers, R scores, L relevance,
/// T traces, X regions of pixels, N context, G strategies, H pictures of the report.
const MOVED: [(&str, &str); 64] = [
    ("seed=7", "SPMECRLTXNGH"),
    ("data.leave_out=[\"drum\"]", "CRLTXNGH"),
    ("data.difficult=negative", "CRLTXNGH"),
    ("data.shard_size=7", "SECRLTXNGH"),
    ("data.vectors=int8", "ECRLTXNGH"),
    ("descriptors.bin_sizes=[4]", "SPMECRLTXNGH"),
    ("descriptors.step=5", "SPMECRLTXNGH"),
    ("descriptors.window=gaussian", "SPMECRLTXNGH"),
    ("descriptors.contrast_threshold=0.01", "SPMECRLTXNGH"),
    ("descriptors.low_contrast=drop", "SPMECRLTXNGH"),
    ("descriptors.root_sift=on", "SPMECRLTXNGH"),
    ("sample.n_descriptors=9000", "SPMECRLTXNGH"),
    ("sample.n_images=9", "SPMECRLTXNGH"),
    ("sample.in_memory=shards", "SPMECRLTXNGH"),
    ("pca.n_components=30", "PMECRLTXNGH"),
    ("pca.whitening=on", "PMECRLTXNGH"),
    ("mixture.n_components=15", "MECRLTXNGH"),
    ("mixture.max_n_iterations=4", "MECRLTXNGH"),
    ("mixture.tolerance=1e-6", "MECRLTXNGH"),
    ("mixture.init=random", "MECRLTXNGH"),
    ("mixture.init_n_samples=5000", "MECRLTXNGH"),
    ("mixture.init_n_iterations=4", "MECRLTXNGH"),
    ("mixture.variance_floor=1e-3", "MECRLTXNGH"),
    ("mixture.posterior_floor=1e-3", "MECRLTXNGH"),
    ("encoder.kind=vlad", "ECRLTXNGH"),
    ("encoder.parts=[\"means\"]", "ECRLTXNGH"),
    ("encoder.posterior_floor=1e-3", "ECRLTXNGH"),
    ("encoder.pyramid=[\"1x1\",\"2x2\"]", "ECRLTXNGH"),
    ("encoder.normalization=raw", "CRLTXNGH"),
    ("classifier.kind=logistic-regression", "CRLTXNGH"),
    ("classifier.kernel=rbf", "CRLTXNGH"),
    ("classifier.c_grid=[2.0]", "CRLTXNGH"),
    ("classifier.loss=squared-hinge", "CRLTXNGH"),
    ("classifier.n_folds=3", "CRLTXNGH"),
    ("classifier.tolerance=1e-4", "CRLTXNGH"),
    ("classifier.max_n_epochs=999", "CRLTXNGH"),
    ("classifier.solver=blocks", "CRLTXNGH"),
    ("relevance.rules=[\"naive\",\"epsilon=21\"]", "XH"),
    ("relevance.display_rule=naive", "GH"),
    ("relevance.grid=16", "LNGH"),
    ("resampling.n_replacements=2079", "T"),
    ("resampling.batch=42", "T"),
    ("resampling.n_repeats=3", "T"),
    ("resampling.rules=[\"naive\"]", ""),
    ("resampling.substitutes=[]", ""),
    ("pixels.side=8", "X"),
    ("pixels.n_regions=44", "X"),
    ("pixels.batch=2", "X"),
    ("pixels.fills=[\"blur\"]", "X"),
    ("pixels.n_targets=3", "X"),
    ("evaluation.interpolation=area", ""),
    ("evaluation.n_bootstrap=51", ""),
    ("evaluation.n_seeds=2", ""),
    ("strategies.classes=[\"drum\"]", "G"),
    ("strategies.images=true-positives", "G"),
    ("strategies.grid=8", "G"),
    ("strategies.n_neighbours=[5]", "G"),
    ("strategies.n_clusters=[2]", "G"),
    ("strategies.tag_owner=Nobody", "G"),
    ("strategies.tag_corner=upper-left", "G"),
    ("strategies.tag_size=[0.3,0.2]", "G"),
    ("strategies.paste_on=knot", "G"),
    ("strategies.n_changed=3", "G"),
    ("report.n_examples=2", "H"),
];

/// Letter and key of every stage, for a fixed rule and a fixed series.
fn keys(experiment: &Experiment) -> Vec<(char, Vec<Key>)> {
    let keys = Keys::of(experiment).unwrap();
    vec![
        ('S', vec![keys.sample_shards]),
        ('P', vec![keys.pca]),
        ('M', vec![keys.mixture]),
        ('E', vec![keys.encode(Half::Train), keys.encode(Half::Test)]),
        ('C', vec![keys.classifier]),
        ('R', vec![keys.scores]),
        ('L', vec![keys.relevance(experiment, Rule::Naive)]),
        ('T', vec![keys.resampling(experiment, "random".parse::<Series>().unwrap())]),
        ('X', vec![keys.pixels(experiment)]),
        ('N', vec![keys.context(experiment, Rule::Naive)]),
        ('G', vec![keys.strategies(experiment)]),
        ('H', vec![keys.gallery(experiment)]),
    ]
}

fn moved(before: &Experiment, after: &Experiment) -> String {
    let pairs = keys(before).into_iter().zip(keys(after));
    pairs.filter(|((_, one), (_, other))| one != other).map(|((letter, _), _)| letter).collect()
}

#[test]
fn every_setting_moves_the_keys_of_the_table() {
    let folder = tempfile::tempdir().unwrap();
    let before = open(folder.path(), Some(40), &[]);
    let mut tried = BTreeSet::new();
    for (change, expected) in MOVED {
        tried.insert(change.split_once('=').unwrap().0.to_owned());
        let changes: &[&str] = match change {
            "strategies.classes=[\"drum\"]" => &[change, "strategies.paste_on=knot"],
            change if change.starts_with("encoder.kind") => &[change, "encoder.parts=[\"means\"]"],
            _ => &[change],
        };
        let after = open(folder.path(), Some(40), changes);
        assert_eq!(moved(&before, &after), expected, "{change}");
    }
    // Every setting has a row, except those that choose the images, whose content is part of the keys, those with one value, and those that need
    // other settings too, which are tested below.
    let others = [
        "data.source",
        "data.train",
        "data.year",
        "data.test",
        "descriptors.kind",
        "encoder.assignment",
        "pca.from",
        "mixture.from",
        "classifier.from",
    ];
    for (name, _) in before.settings.describe() {
        assert!(tried.contains(&name) || others.contains(&name.as_str()), "{name} has no row in the table");
    }
}

#[test]
fn true_positives_of_classifiers_from_a_file_depend_on_difficult_images() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("svm.npz");
    std::fs::write(&file, "any bytes").unwrap();
    let from = format!("classifier.from={}", file.display());
    let before = open(folder.path(), Some(40), &[&from]);
    let after = open(folder.path(), Some(40), &[&from, "data.difficult=negative"]);
    assert_eq!(moved(&before, &after), "CRLTXNGH");
    let fewer = open(folder.path(), Some(40), &[&from, "data.leave_out=[\"drum\"]"]);
    assert_eq!(moved(&before, &fewer), "CRLTXNGH");
}

#[test]
fn settings_that_need_others_move_keys_too() {
    let folder = tempfile::tempdir().unwrap();
    let pairs = [
        (["classifier.kernel=rbf"].as_slice(), "classifier.gamma=0.5", "CRLTXNGH"),
        (&["encoder.kind=vlad", "encoder.parts=[\"means\"]"], "encoder.assignment=hard", "ECRLTXNGH"),
    ];
    for (others, change, expected) in pairs {
        let before = open(folder.path(), Some(40), others);
        let after = open(folder.path(), Some(40), &[others, &[change]].concat());
        assert_eq!(moved(&before, &after), expected, "{change}");
    }
}
