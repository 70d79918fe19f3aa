//! Makes a report from made-up numbers: the page `report.html`, figures as SVG, and tables as CSV and LaTeX.
//!
//! `cargo run --package fisherlens-report --example small_report -- FOLDER`
//! writes it into FOLDER; without an argument it goes into a temporary folder, which is removed at the end.
#![expect(clippy::print_stdout, reason = "an example prints its results")]

use std::path::Path;

use fisherlens_report::{
    AveragePrecisionRow, AveragePrecisionSummary, PerturbationOrder, PerturbationSummary, ReportData, ReportError,
    write,
};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    match std::env::args_os().nth(1) {
        Some(folder) => make(Path::new(&folder))?,
        None => make(tempfile::tempdir()?.path())?,
    }
    Ok(())
}

fn make(folder: &Path) -> Result<(), ReportError> {
    let page = write(&made_up(), folder)?;
    println!("wrote {}", page.display());
    println!("figures and tables are in {} and {}", folder.join("figures").display(), folder.join("tables").display());
    Ok(())
}

fn made_up() -> ReportData {
    let classes = [("horse", 0.80), ("boat", 0.71), ("chair", 0.52)];
    let row = |(class, ap): (&str, f64)| AveragePrecisionRow {
        class: class.to_owned(),
        eleven_point: Some(ap),
        area: Some(ap + 0.01),
        n_positives: 200,
        paper: None,
    };
    let order = |name: &str, height: f64| {
        let curve: Vec<f64> = (1..=50).map(|point| height * (1.0 - (-0.08 * f64::from(point)).exp())).collect();
        let a = curve.iter().sum::<f64>() / curve.len() as f64;
        let is_random = name == "random";
        PerturbationOrder { name: name.to_owned(), is_random, a, curve, n_traces: 600, ..PerturbationOrder::default() }
    };
    let average_precision = AveragePrecisionSummary {
        rows: classes.map(row).to_vec(),
        mean_eleven_point: classes.iter().map(|(_, ap)| ap).sum::<f64>() / 3.0,
        ..AveragePrecisionSummary::default()
    };
    let orders = vec![order("epsilon=100", 1.2), order("naive", 0.9), order("random", 0.4)];
    ReportData {
        title: "A small report".to_owned(),
        experiment: "made-up".to_owned(),
        notes: vec!["All numbers on this page are made up.".to_owned()],
        average_precision: Some(average_precision),
        perturbation: Some(PerturbationSummary { batch: 100, orders, ..PerturbationSummary::default() }),
        ..ReportData::default()
    }
}
