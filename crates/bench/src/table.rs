//! The rows as a table for a terminal, as Markdown and as JSON.

use std::fmt::Write as _;
use std::time::SystemTime;

use serde_json::{Value, json};
use time::OffsetDateTime;

use crate::context::Bench;
use crate::growth::Measured;
use crate::row::{Goal, Peer, Row};
use crate::whole::Whole;
use fisherlens_report::{Grid, seconds};

/// If the load is higher, other programs use a part of the machine.
const BUSY: f64 = 0.7;

/// Columns of the table.
const COLUMNS: [&str; 9] = ["row", "ours", "median", "goal", "met", "peer", "peer's time", "ratio", "limit"];

/// The results of one run.
pub(crate) struct Report<'a> {
    bench: &'a Bench,
    rows: Vec<&'a Row>,
    extra: &'a Extra,
}

/// Further tables.
#[derive(Debug, Default)]
pub(crate) struct Extra {
    /// Growth with image and mixture.
    pub(crate) growth: Vec<Measured>,
    /// Other tables, in their order.
    pub(crate) grids: Vec<Grid>,
    /// The whole experiment.
    pub(crate) whole: Option<Whole>,
}

impl<'a> Report<'a> {
    /// The rows with these names, in this order, and the further tables.
    pub(crate) fn new(bench: &'a Bench, names: &[&str], extra: &'a Extra) -> Self {
        let mut rows: Vec<&Row> =
            names.iter().filter_map(|name| bench.rows.iter().find(|row| row.name == *name)).collect();
        rows.extend(extra.whole.as_ref().map(|whole| &whole.row));
        Self { bench, rows, extra }
    }

    /// For a terminal.
    pub(crate) fn text(&self) -> String {
        self.body(Grid::text, str::to_owned)
    }

    /// As Markdown, with the machine and the date.
    pub(crate) fn markdown(&self, now: SystemTime) -> String {
        let machine = &self.bench.machine;
        let head = format!(
            "Measured on {} by `cargo xtask bench`: {}, {} cores ({}), {}; version {}.\n\n",
            OffsetDateTime::from(now).date(),
            machine.processor,
            machine.cores,
            machine.features.join(", "),
            machine.os,
            env!("CARGO_PKG_VERSION"),
        );
        head + &self.body(Grid::markdown, |name| format!("- `{name}`"))
    }

    /// The tables, a line about each row, and remarks; `table` and `name` format them.
    fn body(&self, table: impl Fn(&Grid) -> String, name: impl Fn(&str) -> String) -> String {
        let mut text = String::new();
        if !self.rows.is_empty() {
            text += &table(&self.grid());
            text += "\n";
        }
        for row in &self.rows {
            let _ = writeln!(text, "{}: {}{}", name(row.name), row.note, goals(row));
        }
        let others = self.others();
        for grid in others.iter().chain(&self.extra.grids) {
            let _ = write!(text, "\n{}\n\n{}", grid.title, table(grid));
        }
        for line in self.remarks() {
            let _ = writeln!(text, "\n{line}");
        }
        text
    }

    fn grid(&self) -> Grid {
        let rows = self.rows.iter().map(|row| cells(row)).collect();
        Grid { title: String::new(), columns: COLUMNS.map(str::to_owned).to_vec(), rows }
    }

    /// Other programs beside ours; `None` if none was measured.
    fn others(&self) -> Option<Grid> {
        let rows: Vec<Vec<String>> =
            self.rows.iter().flat_map(|row| row.others.iter().map(|peer| other(row, peer))).collect();
        let columns = ["row", "ours", "other program", "its time", "ratio", "in what its work differs"];
        let title = "Other programs on one thread. A ratio below 1 means that the other program is faster.".to_owned();
        (!rows.is_empty()).then(|| Grid { title, columns: columns.map(str::to_owned).to_vec(), rows })
    }

    /// For programs: rates in GFLOP/s and GB/s of one thread, times in seconds.
    pub(crate) fn json(&self) -> Value {
        json!({
            "machine": self.bench.machine,
            "version": env!("CARGO_PKG_VERSION"),
            "quick": self.bench.options.quick,
            "gflops": self.bench.limits.gflops(),
            "bandwidth": self.bench.limits.bandwidth(),
            "rows": self.rows,
            "growth": self.extra.growth,
            "whole": self.extra.whole,
            "missing": self.bench.missing(),
        })
    }

    fn rates(&self) -> String {
        let limits = &self.bench.limits;
        let (product, stream) = (limits.products[0], limits.streams[0]);
        format!(
            "One thread multiplies matrices at G = {:.1} GFLOP/s ({}, f32) and moves {:.1} GB/s ({}).",
            product.giga, product.by, stream.giga, stream.by
        )
    }

    fn remarks(&self) -> Vec<String> {
        let mut lines = vec![self.rates()];
        if let Some(load) = self.bench.machine.load.filter(|&load| load > BUSY) {
            lines
                .push(format!("Other programs were running at the start (load {load:.1}), so the times are too long."));
        }
        if self.bench.options.quick {
            lines.push("This was a quick run: smaller work, run once. Its goals do not count.".to_owned());
        }
        let mut peers: Vec<String> = self
            .rows
            .iter()
            .flat_map(|row| row.peer.iter().chain(&row.others))
            .map(|peer| match peer.built_with.strip_prefix(&peer.name) {
                Some(_) => peer.built_with.clone(),
                None => format!("{}: {}", peer.name, peer.built_with),
            })
            .collect();
        peers.sort();
        peers.dedup();
        lines.extend(peers);
        lines.extend(self.bench.missing());
        lines
    }
}

fn other(row: &Row, peer: &Peer) -> Vec<String> {
    vec![
        row.name.to_owned(),
        seconds(row.seconds()),
        peer.name.clone(),
        seconds(peer.seconds),
        format!("{:.2} ×", peer.seconds / row.seconds()),
        peer.note.clone(),
    ]
}

fn goals(row: &Row) -> String {
    if row.goals.is_empty() {
        return String::new();
    }
    format!(" [{}]", row.goals.iter().map(Goal::words).collect::<Vec<_>>().join("; "))
}

fn cells(row: &Row) -> Vec<String> {
    let or_dash = |text: Option<String>| text.unwrap_or_else(|| "–".to_owned());
    let threads = if row.threads == 1 { String::new() } else { format!(", {} threads", row.threads) };
    vec![
        format!("{}{threads}", row.name),
        seconds(row.seconds()),
        seconds(row.timing.median),
        or_dash(row.goal_seconds().map(seconds)),
        or_dash(row.is_met().map(|met| if met { "yes" } else { "no" }.to_owned())),
        or_dash(row.peer.as_ref().map(|peer| peer.name.clone())),
        or_dash(row.peer.as_ref().map(|peer| seconds(peer.seconds))),
        or_dash(row.ratio().map(|ratio| format!("{ratio:.2} ×"))),
        or_dash(
            row.limit.zip(row.share_of_limit()).map(|(limit, share)| {
                format!("{} {}, {:.0} %", limit.words(), seconds(limit.seconds()), 100.0 * share)
            }),
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::row::tests::example;

    #[test]
    fn seconds_have_three_digits() {
        assert_eq!(seconds(0.000_123), "0.12 ms");
        assert_eq!(seconds(0.012_34), "12.3 ms");
        assert_eq!(seconds(1.234), "1.23 s");
        assert_eq!(seconds(123.4), "123 s");
    }

    #[test]
    fn a_grid_has_aligned_columns_and_is_markdown() {
        let words = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect::<Vec<_>>();
        let grid =
            Grid { title: String::new(), columns: words(&["row", "ours"]), rows: vec![words(&["em", "1.00 s"])] };
        assert_eq!(grid.text(), "row    ours\nem   1.00 s\n");
        assert_eq!(grid.markdown(), "| row | ours |\n|---|---|\n| em | 1.00 s |\n");
    }

    #[test]
    fn a_row_has_a_cell_in_every_column() {
        let cells = cells(&example());
        assert_eq!(cells.len(), COLUMNS.len());
        let expected = ["fisher-vector", "50.0 ms", "60.0 ms", "60.0 ms", "yes", "VLFeat", "600 ms", "12.00 ×"];
        assert_eq!(cells[..8], expected);
        assert_eq!(cells[8], "product 30.0 ms, 60 %");
        assert_eq!(goals(&example()), " [≥ 10 × the peer; product at G ≥ 43 % of our time]");
    }
}
