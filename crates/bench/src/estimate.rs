//! The expected time of an experiment: the time of each row, multiplied by the number of times that the experiment does this work.

use anyhow::Result;

use crate::context::Bench;
use crate::rows::{classifier, mixture};
use fisherlens_report::{Grid, seconds};

/// How often an experiment does what the rows measure.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Counts {
    /// Photographs from which descriptors are sampled.
    pub(crate) sampled: usize,
    /// Descriptors that are projected to train the mixture.
    pub(crate) projected: usize,
    /// Number of descriptors, multiplied by the number of steps of expectation maximisation.
    pub(crate) em_visits: usize,
    /// Photographs that are described, once for all seeds, to become vectors.
    pub(crate) described: usize,
    /// Vectors of these photographs, one per seed.
    pub(crate) encoded: usize,
    /// Vectors on which classifiers are trained.
    pub(crate) trained: usize,
    /// How often classifiers are trained.
    pub(crate) trainings: usize,
    /// Problems that are solved per class on one Gram matrix, including cross-validation.
    pub(crate) solved_per_class: usize,
    /// Photographs whose scores are explained.
    pub(crate) explained: usize,
    /// Heatmaps of these photographs: classes times rules.
    pub(crate) heatmaps: usize,
    /// Photographs that have traces; those that are explained are mapped only once.
    pub(crate) traced: usize,
    /// Traces of these photographs.
    pub(crate) traces: usize,
    /// Orders of descriptors by relevance that the traces need: classes times rules.
    pub(crate) ranked: usize,
}

impl Counts {
    /// Whether every kind of work was done.
    pub(crate) fn is_whole(&self) -> bool {
        let Self {
            sampled,
            projected,
            em_visits,
            described,
            encoded,
            trained,
            trainings,
            solved_per_class,
            explained,
            heatmaps,
            traced,
            traces,
            ranked,
        } = *self;
        let front = [sampled, projected, em_visits, described, encoded];
        let back = [trained, trainings, solved_per_class, explained, heatmaps, traced, traces, ranked];
        front.iter().chain(&back).all(|&count| count > 0)
    }
}

/// One line of the sum.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub(crate) struct Item {
    /// The work.
    pub(crate) work: String,
    /// The rows that its time comes from.
    pub(crate) rows: &'static str,
    /// Seconds for doing the work once, on one thread.
    pub(crate) seconds: f64,
    /// How often the work is done; a fraction if the row has another size.
    pub(crate) count: f64,
}

impl Item {
    /// Seconds for all of it.
    pub(crate) fn total(&self) -> f64 {
        self.seconds * self.count
    }
}

/// The lines whose sum is the time of an experiment on one thread. Rows that were not measured yet are measured.
///
/// The time of solving is assumed to grow with the square of the number of samples, like the Gram matrix.
///
/// # Errors
/// An error of a stage.
pub(crate) fn items(bench: &mut Bench, counts: &Counts) -> Result<Vec<Item>> {
    let n_descriptors = bench.inputs()?.n_descriptors();
    let extraction = bench.seconds("jpeg-to-gray")? + bench.seconds("dense-sift")?;
    let projection = bench.seconds("pca-projection")?;
    let em = bench.seconds("em")?;
    let vector = bench.seconds("fisher-vector")?;
    let gram = bench.seconds("gram")?;
    let solving = (bench.seconds("svm")? - gram).max(0.0);
    let absolute = bench.seconds("relevance-absolute")?;
    let further = bench.seconds("relevance-further-class")?;
    let trace = bench.seconds("resampling-trace")?;
    let quick = bench.options.quick;
    let squares = (counts.trained as f64 / classifier::n_samples(quick) as f64).powi(2) * counts.trainings as f64;
    let em_visits = (mixture::n_samples(bench) * mixture::STEPS) as f64;
    let item = |work: &str, rows, seconds, count| Item { work: work.to_owned(), rows, seconds, count };
    Ok(vec![
        item("photographs sampled", "jpeg-to-gray + dense-sift", extraction, counts.sampled as f64),
        item("sample projected", "pca-projection", projection, counts.projected as f64 / n_descriptors as f64),
        item("mixture", "em", em, counts.em_visits as f64 / em_visits),
        item("photographs described", "jpeg-to-gray + dense-sift", extraction, counts.described as f64),
        item("their vectors", "pca-projection + fisher-vector", projection + vector, counts.encoded as f64),
        item("Gram matrices", "gram", gram, squares),
        item("classifiers solved", "svm − gram", solving, squares * counts.solved_per_class as f64),
        item("photographs explained", "relevance-absolute", absolute, counts.explained as f64),
        item(
            "further heatmaps of them",
            "relevance-further-class",
            further,
            counts.heatmaps.saturating_sub(counts.explained) as f64,
        ),
        item(
            "further photographs mapped for traces",
            "relevance-absolute",
            absolute,
            counts.traced.saturating_sub(counts.explained) as f64,
        ),
        item(
            "further orders by relevance",
            "relevance-further-class",
            further,
            counts.ranked.saturating_sub(counts.heatmaps.max(counts.traced)) as f64,
        ),
        item("traces", "resampling-trace", trace, counts.traces as f64),
    ])
}

/// The sum of all lines in seconds.
pub(crate) fn sum(items: &[Item]) -> f64 {
    items.iter().map(Item::total).sum()
}

/// The lines as a table, so that the sum can be checked.
pub(crate) fn grid(title: String, items: &[Item]) -> Grid {
    let line = |item: &Item| {
        vec![
            item.work.clone(),
            item.rows.to_owned(),
            seconds(item.seconds),
            format!("{:.2}", item.count),
            seconds(item.total()),
        ]
    };
    let mut rows: Vec<_> = items.iter().map(line).collect();
    let dash = || "–".to_owned();
    rows.push(vec!["sum".to_owned(), dash(), dash(), dash(), seconds(sum(items))]);
    let columns = ["work", "rows", "one", "times", "all, one thread"].map(str::to_owned).to_vec();
    Grid { title, columns, rows }
}

/// The published experiment with other numbers of images: half for training, half for testing. This is a model; none of these experiments
/// runs.
///
/// # Errors
/// See [`items`].
pub(crate) fn by_number_of_images(bench: &mut Bench) -> Result<Grid> {
    const N_IMAGES: [usize; 3] = [1_000, 10_000, 100_000];
    const SAMPLE: usize = 500_000;
    const EM_STEPS: usize = 40;
    let mut columns = vec!["work".to_owned()];
    let mut rows: Vec<Vec<String>> = Vec::new();
    let mut totals = vec!["all, one thread".to_owned()];
    let mut memory = vec!["vectors and Gram matrix of the training half".to_owned()];
    let n_dimensions = fisherlens_fisher::Encoder::n_dimensions(&bench.inputs()?.encoder);
    for n_images in N_IMAGES {
        let half = n_images / 2;
        let counts = Counts {
            sampled: half,
            projected: SAMPLE,
            em_visits: SAMPLE * EM_STEPS,
            described: n_images,
            encoded: n_images,
            trained: half,
            trainings: 1,
            solved_per_class: 13,
            explained: half,
            heatmaps: 3 * half,
            ..Counts::default()
        };
        let items = items(bench, &counts)?;
        columns.push(format!("{n_images} images"));
        for (index, item) in items.iter().filter(|item| item.count > 0.0).enumerate() {
            if rows.len() <= index {
                rows.push(vec![item.work.clone()]);
            }
            rows[index].push(seconds(item.total()));
        }
        totals.push(seconds(sum(&items)));
        memory.push(format!("{:.2} GB", (half * (n_dimensions + half) * size_of::<f32>()) as f64 / 1e9));
    }
    rows.extend([totals, memory]);
    let title = format!(
        "Growth with the number of images. This is a model, not a run: the rows above times their counts, one seed, a fixed sample \
         of {SAMPLE} descriptors, {EM_STEPS} EM steps, 3 values of C with 4 folds, one class per image explained by 3 rules, no traces."
    );
    Ok(Grid { title, columns, rows })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sum_can_be_checked() {
        let item = |seconds, count| Item { work: "w".to_owned(), rows: "r", seconds, count };
        let items = [item(2.0, 3.0), item(0.5, 4.0)];
        assert_eq!(sum(&items), 8.0);
        let grid = grid("title".to_owned(), &items);
        assert_eq!(grid.rows[1], ["w", "r", "500 ms", "4.00", "2.00 s"]);
        assert_eq!(grid.rows[2][4], "8.00 s");
    }
}
