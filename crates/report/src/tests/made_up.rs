//! A report with every section, with made-up but plausible numbers.

use crate::data::calibration::{CalibrationRow, CalibrationSummary, ReliabilityPoint};
use crate::data::examples::{ClassExamples, Example, Mistake, RgbImage, RuleHeatmap};
use crate::data::strategies::{StrategyCluster, StrategyExample, StrategySummary};
use crate::data::table::{ExtraSection, Table};
use crate::data::{
    AveragePrecisionRow, AveragePrecisionSummary, BootstrapInterval, ClassCounts, ClassifierSummary, ConservationRow,
    ContextRow, CrossValidationRow, DataSummary, EqualErrorRow, Limits, PerturbationOrder, PerturbationSummary,
    PrecisionRecallCurve, Provenance, ReportData, Share, SkippedImage, StageRow, TrainingRow,
};
use crate::paper;

const CLASSES: [&str; 20] = [
    "aeroplane",
    "bicycle",
    "bird",
    "boat",
    "bottle",
    "bus",
    "car",
    "cat",
    "chair",
    "cow",
    "diningtable",
    "dog",
    "horse",
    "motorbike",
    "person",
    "pottedplant",
    "sheep",
    "sofa",
    "train",
    "tvmonitor",
];

/// A number in [0, 1) that depends only on `n`.
fn noise(n: usize) -> f64 {
    let mixed = (n as u64).wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let mixed = (mixed ^ (mixed >> 29)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    (mixed >> 11) as f64 / (1_u64 << 53) as f64
}

pub(super) fn text(words: &str) -> String {
    words.to_owned()
}

/// A picture whose pixels are a function of their coordinates, which are from 0 to 1.
fn picture(width: usize, height: usize, pixel: impl Fn(f64, f64) -> [u8; 3]) -> RgbImage {
    let place = |index: usize, n: usize| (index as f64 + 0.5) / n as f64;
    let pixels = (0..width * height).flat_map(|at| pixel(place(at % width, width), place(at / width, height)));
    RgbImage { width, height, rgb: pixels.collect() }
}

/// A photograph of a sky, a meadow and a dark blob, and its heatmaps by three rules. Examples with odd numbers are true positives.
fn example(n: usize, class: &str) -> Example {
    let (width, height) = if n % 3 == 2 { (333, 500) } else { (500, 375) };
    let (centre_x, centre_y) = (0.3 + 0.4 * noise(n), 0.6);
    let distance =
        |x: f64, y: f64| ((x - centre_x).powi(2) * width as f64 + (y - centre_y).powi(2) * height as f64).sqrt() / 3.5;
    let photograph = picture(width, height, |x, y| {
        let grain = 24.0 * (noise(n + (97_700.0 * x + 3.1e6 * y) as usize) - 0.5);
        let base = match (distance(x, y) < 1.0, y > 0.5) {
            (true, _) => [92.0, 62.0, 44.0],
            (false, true) => [96.0, 142.0, 70.0],
            (false, false) => [150.0, 180.0, 220.0 - 60.0 * y],
        };
        base.map(|value: f64| (value + grain).clamp(0.0, 255.0) as u8)
    });
    let heatmap = |(at, rule): (usize, &&str)| {
        let picture = picture(width / 4, height / 4, |x, y| {
            let wave = (21.0 * x + at as f64).sin() * (12.0 * y).cos();
            let relevance = ((-distance(x, y).powi(2)).exp() + 0.15 * (1 + at) as f64 * wave).clamp(-1.0, 1.0);
            let faded = (255.0 * (1.0 - relevance.abs())) as u8;
            if relevance < 0.0 { [faded, faded, 255] } else { [255, faded, faded] }
        });
        RuleHeatmap { rule: text(rule), picture }
    };
    Example {
        id: format!("{:06}", 17 + 113 * n),
        score: 1.2 - 0.3 * n as f64,
        probability: (!n.is_multiple_of(3)).then_some(0.93 - 0.1 * n as f64),
        label: 1,
        is_true_positive: Some(n % 2 == 1),
        cluster: (class == "horse" && n < 2).then(|| format!("cluster {}", n + 1)),
        context_ratio: (n >= 6).then_some(2.5 - 0.2 * n as f64),
        photograph,
        heatmaps: ["naive", "epsilon=100", "absolute"].iter().enumerate().map(heatmap).collect(),
        conservation: format!("score 1.200 = 0.612 on pixels + 0.588 lost in the step to descriptors of {class}"),
    }
}

/// Probabilities that are a little too high.
fn calibration() -> CalibrationSummary {
    let bin = |n: usize| ReliabilityPoint {
        low: n as f64 / 10.0,
        high: (n + 1) as f64 / 10.0,
        n: if n == 6 { 0 } else { 9_000 / (n + 1).pow(2) },
        mean_probability: if n == 6 { f64::NAN } else { (n as f64 + 0.5) / 10.0 },
        share: if n == 6 { f64::NAN } else { ((n as f64 + 0.5) / 10.0).powf(1.1) },
    };
    let row = |(n, class): (usize, &&str)| CalibrationRow {
        class: text(class),
        expected_calibration_error: 0.02 + 0.03 * noise(n),
        brier_score: 0.03 + 0.05 * noise(n + 7),
        slope: 2.0 + noise(n + 2),
        offset: -1.5 - noise(n + 3),
    };
    CalibrationSummary {
        origin: text("learned from 4 held-out folds of the training images"),
        expected_calibration_error: 0.0234,
        brier_score: 0.0612,
        bins: (0..10).map(bin).collect(),
        rows: CLASSES.iter().enumerate().map(row).collect(),
    }
}

fn mistake(n: usize) -> Mistake {
    Mistake {
        class: text("horse"),
        labels: if n == 20 { Vec::new() } else { vec![text("cow"), text("person")] },
        rule: text("epsilon=100"),
        example: Example { label: -1, is_true_positive: None, probability: Some(0.913), ..example(n, "horse") },
    }
}

fn strategy() -> StrategySummary {
    let cluster = |number: usize| {
        let examples = (0..3).map(|n| example(10 * number + n, "horse"));
        StrategyCluster {
            name: format!("cluster {number}"),
            ids: (0..40).map(|n| format!("{:06}", 101 * n + number)).collect(),
            note: text("Most of its relevance is in the lower left corner, where the tag is."),
            mean_heatmap: picture(60, 60, |x, y| {
                let faded = (255.0 * (1.0 - (-6.0 * (x * x + (1.0 - y).powi(2))).exp())) as u8;
                [255, faded, faded]
            }),
            examples: examples
                .map(|example| StrategyExample {
                    id: example.id,
                    caption: format!("score {:.3}", example.score),
                    photograph: example.photograph,
                    heatmap: example.heatmaps[0].picture.clone(),
                })
                .collect(),
        }
    };
    StrategySummary {
        class: text("horse"),
        rule: text("epsilon=100"),
        n_heatmaps: 187,
        findings: vec![text("There are two clusters: in one the animal is relevant, in the other the copyright tag.")],
        tables: vec![Table {
            title: text("Clusters of horse"),
            columns: ["Cluster", "Images", "Relevance on the tag (%)"].map(text).to_vec(),
            rows: vec![["cluster 1", "40", "48.9"].map(text).to_vec(), ["cluster 2", "147", "−1.2"].map(text).to_vec()],
            note: String::new(),
        }],
        clusters: vec![cluster(1), cluster(2)],
    }
}

fn order(name: &str, height: f64, is_random: bool) -> PerturbationOrder {
    let curve: Vec<f64> = (1..=100).map(|i| height * (1.0 - (-0.035 * f64::from(i)).exp())).collect();
    let a = curve.iter().sum::<f64>() / 100.0;
    PerturbationOrder {
        name: text(name),
        is_random,
        a,
        a_interval: (a - 0.011, a + 0.011),
        v: (0.75 * height).min(0.98),
        aopc: a * 100.0 / 101.0,
        n_traces: 28_870,
        n_short: 412,
        curve_interval: curve.iter().map(|mean| (mean - 0.02, mean + 0.02)).collect(),
        first_sign_changes: (0..100)
            .map(|i| (1400.0 * height * (-0.05 * i as f64).exp() * (0.8 + 0.4 * noise(i))) as usize)
            .collect(),
        a_least_first: (!is_random).then_some(-0.4 * a),
        abpc: (!is_random).then_some(1.4 * a),
        abpc_interval: (!is_random).then_some((1.4 * a - 0.02, 1.4 * a + 0.02)),
        curve_least_first: curve.iter().filter(|_| !is_random).map(|value| -0.4 * value).collect(),
        interval_least_first: curve
            .iter()
            .filter(|_| !is_random)
            .map(|value| (-0.4 * value - 0.02, -0.4 * value + 0.02))
            .collect(),
        is_baseline: is_random || name == "contrast",
        curve,
        a_by_class: (0..20).map(|class| (class != 4).then(|| a * (0.7 + 0.6 * noise(class)))).collect(),
    }
}

/// A report that has every section, with twenty classes.
#[expect(clippy::too_many_lines, reason = "one literal in the order of the page")]
pub(super) fn full() -> ReportData {
    let ap = |class: usize| paper::average_precision(CLASSES[class]).unwrap() + 0.08 * (noise(class) - 0.5);
    let each = || CLASSES.iter().enumerate();
    let share = |mean, max| Share { mean, max };
    ReportData {
        strategies: vec![strategy()],
        extra_sections: vec![ExtraSection {
            id: text("other pooling"),
            heading: text("Other ways to pool"),
            sentences: vec![text("Pooling by the maximum does worse than by the mean.")],
            tables: vec![Table {
                title: text("Pooling"),
                columns: ["Pooling", "mAP (%)"].map(text).to_vec(),
                rows: vec![["mean", "59.9"].map(text).to_vec(), ["maximum", "51.3"].map(text).to_vec()],
                note: String::new(),
            }],
        }],
        title: text("Fisher vectors on PASCAL VOC 2007, explained"),
        experiment: text("voc2007"),
        generated_at: Some(text("24 November 2026")),
        is_voc: true,
        notes: vec![text("These numbers are made up: they show the page, not a result.")],
        limits: Limits::default(),
        provenance: Some(Provenance {
            version: text("0.1.0"),
            commit: Some(text("b0ba6e5c0ffee0123456789")),
            crates: vec![(text("fisherlens-fisher"), text("0.1.0")), (text("ndarray"), text("0.16.1"))],
            processor: text("AMD EPYC 9B45, 2 cores"),
            code_path: text("avx512"),
            n_threads: 2,
            seeds: vec![(text("sample of descriptors"), 7), (text("mixture"), 20_160_626)],
            data_digest: "9f86d081884c7d659a2feaa0c55ad015".repeat(2),
            settings_digest: "a3bf4f1b2b0b822cd15d6c15b0f00a08".repeat(2),
            operating_system: text("Linux 6.12, x86_64"),
            command_line: text("cargo xtask reproduce --experiment voc2007 --devkit VOCdevkit --threads 2"),
            peak_memory: Some(6_930_000_000),
        }),
        data: Some(DataSummary {
            train_name: text("trainval"),
            test_name: text("test"),
            n_train: 5008,
            n_test: 4952,
            skipped: vec![
                SkippedImage { id: text("005042"), reason: text("the image file is missing") },
                SkippedImage { id: text("007284"), reason: text("the image file is missing") },
            ],
            classes: each()
                .map(|(n, class)| ClassCounts {
                    class: text(class),
                    n_positive_train: 180 + (400.0 * noise(n)) as usize,
                    n_difficult_train: (60.0 * noise(n + 50)) as usize,
                    n_positive_test: 170 + (400.0 * noise(n + 90)) as usize,
                    n_difficult_test: (50.0 * noise(n + 70)) as usize,
                })
                .collect(),
        }),
        settings: [
            ("descriptors.bin_sizes", "4, 6, 8, 10"),
            ("descriptors.step", "3"),
            ("descriptors.contrast_threshold", "0.005"),
            ("pca.n_components", "80"),
            ("mixture.n_components", "256"),
            ("fisher.normalization", "improved"),
            ("relevance.rules", "naive, epsilon=100, absolute"),
        ]
        .map(|(name, value)| (text(name), text(value)))
        .to_vec(),
        average_precision: Some(AveragePrecisionSummary {
            rows: each()
                .map(|(n, class)| AveragePrecisionRow {
                    class: text(class),
                    eleven_point: Some(ap(n)),
                    area: Some(ap(n) + 0.012),
                    n_positives: 170 + (400.0 * noise(n + 90)) as usize,
                    paper: paper::average_precision(class),
                })
                .collect(),
            mean_eleven_point: (0..20).map(ap).sum::<f64>() / 20.0,
            mean_area: (0..20).map(ap).sum::<f64>() / 20.0 + 0.012,
            bootstrap: Some(BootstrapInterval { low: 0.5891, high: 0.6144, n_resamples: 1000 }),
            paper_mean: Some(paper::MEAN_AVERAGE_PRECISION),
            is_papers_test: true,
            seeds: vec![(1, 0.5987), (2, 0.6012), (3, 0.6004)],
        }),
        accuracy: Some((3100, 4952)),
        classifier: Some(ClassifierSummary {
            chosen_c: 10.0,
            choice: text("5-fold cross-validation by mean average precision"),
            cross_validation: [(0.1, 0.52), (1.0, 0.561), (10.0, 0.573), (100.0, 0.571)]
                .map(|(c, mean)| CrossValidationRow {
                    c,
                    mean,
                    folds: (0..5).map(|fold| mean + 0.01 * (noise(fold) - 0.5)).collect(),
                    n_unsolved: 0,
                })
                .to_vec(),
            classes: each()
                .map(|(n, class)| TrainingRow {
                    class: text(class),
                    objective: 120.0 + 400.0 * noise(n),
                    relative_duality_gap: 1e-4 * noise(n + 5),
                    n_epochs: 40 + n,
                    converged: n != 14,
                    n_support_vectors: 900 + (2000.0 * noise(n + 3)) as usize,
                })
                .collect(),
        }),
        precision_recall: each()
            .map(|(n, class)| {
                let recall: Vec<f64> = (1..=300).map(|i| f64::from(i) / 300.0).collect();
                let end = 0.2 + 0.8 * ap(n);
                PrecisionRecallCurve {
                    class: text(class),
                    precision: recall
                        .iter()
                        .enumerate()
                        .map(|(i, r)| {
                            (1.0 - r.powf(3.0 * end) * 0.9)
                                * (1.0 - 0.15 * noise(i / 9 + 31 * n) / (1.0 + i as f64 / 20.0))
                        })
                        .collect(),
                    recall,
                    average_precision: Some(ap(n)),
                }
            })
            .collect(),
        equal_error: each()
            .map(|(n, class)| {
                let n_positives = 170 + (400.0 * noise(n + 90)) as usize;
                let rate = 0.08 + 0.2 * noise(n + 4);
                let n_true_positives = (n_positives as f64 * (1.0 - rate)) as usize;
                EqualErrorRow {
                    class: text(class),
                    rate,
                    threshold: -0.7 + 0.3 * noise(n),
                    n_positives,
                    n_true_positives,
                }
            })
            .collect(),
        calibration: Some(calibration()),
        perturbation: Some(PerturbationSummary {
            n_replacements: 10_000,
            batch: 100,
            n_repeats: 5,
            orders: vec![
                order("naive", 0.91, false),
                order("epsilon=100", 1.24, false),
                order("epsilon=0.01", 0.93, false),
                order("epsilon=0.1", 0.95, false),
                order("epsilon=1", 1.0, false),
                order("epsilon=10", 1.13, false),
                order("epsilon=1000", 1.22, false),
                order("epsilon=10000", 1.05, false),
                order("absolute", 1.02, false),
                order("contrast", 0.51, false),
                order("random", 0.38, true),
            ],
            classes: CLASSES.map(text).to_vec(),
        }),
        conservation: ["naive", "epsilon=100", "absolute"]
            .map(|rule| ConservationRow {
                rule: text(rule),
                n_heatmaps: 5774,
                dimensions: share(1.1e-8, 3.2e-7),
                descriptors: if rule == "epsilon=100" { share(-0.412, 0.873) } else { share(-2e-7, 4e-6) },
                pixels: share(0.0, 1.2e-6),
                predicted: Some(share(-0.412, 0.873)),
                bias: Some(share(-0.31, 2.4)),
                unreached: None,
            })
            .to_vec(),
        context: each()
            .map(|(n, class)| ContextRow {
                class: text(class),
                n_images: 150 + n,
                n_excluded: n % 4,
                mean: 0.2 + 0.9 * noise(n + 8),
                median: 0.15 + 0.8 * noise(n + 8),
                ratio_of_sums: 0.18 + 0.85 * noise(n + 8),
                size_weighted: 0.17 + 0.8 * noise(n + 8),
                signed_difference: 0.02 * (noise(n) - 0.7),
                inside: (0.3 + 0.5 * noise(n), 0.25 + 0.3 * noise(n)),
                distance_correlation: 0.4 * (noise(n) - 0.8),
                pointing_hits: Some((100 + n, 150 + n)),
            })
            .collect(),
        extra_tables: vec![Table {
            title: text("Positive relevance on the drawn masks"),
            columns: ["Class", "On the object (%)", "On the tag (%)"].map(text).to_vec(),
            rows: vec![["disc", "71.2", "3.4"].map(text).to_vec(), ["horse", "33.0", "48.9"].map(text).to_vec()],
            note: text("Share of the positive relevance, mean over the test images of the class."),
        }],
        examples: ["aeroplane", "horse"]
            .map(|class| ClassExamples {
                class: text(class),
                rule: text("epsilon=100"),
                best: (0..3).map(|n| example(n, class)).collect(),
                worst: (3..6).map(|n| example(n, class)).collect(),
                context: (6..9).map(|n| example(n, class)).collect(),
            })
            .to_vec(),
        mistakes: (20..23).map(mistake).collect(),
        n_mistakes: 31,
        has_own_thresholds: false,
        stages: ["descriptors", "pca", "mixture", "encode", "train", "explain"]
            .iter()
            .enumerate()
            .map(|(n, name)| StageRow {
                name: text(name),
                key: "5c2f9b61ad03e7f8".repeat(4),
                n_artifacts: 1 + 900 * n,
                bytes: 1_234_567 * (n as u64 + 1).pow(3),
                seconds: 4.2 * (n as f64 + 1.0).powi(3),
                cached: n < 2,
            })
            .collect(),
    }
}
