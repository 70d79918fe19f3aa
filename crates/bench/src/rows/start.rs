//! The whole command `explain`, from the start of the process to its files.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use fisherlens_artifact::Header;
use fisherlens_model::{Model, Precision};

use crate::context::Bench;
use crate::inputs::Inputs;
use crate::row::Row;

/// Names of the classes of the made-up model.
const CLASSES: [&str; 2] = ["one", "other"];

/// One photograph explained by a process of its own, with one thread and with two. The model is the one of the other rows.
pub(crate) fn explain(bench: &mut Bench) -> Result<Vec<Row>> {
    let shared = bench.inputs()?;
    let inputs: &Inputs = &shared;
    let pixels = bench.seconds("relevance-epsilon")?;
    let folder = tempfile::tempdir().context("no temporary folder can be made")?;
    let (photograph, file) = (folder.path().join("photograph.jpg"), folder.path().join("model.flm"));
    std::fs::write(&photograph, &inputs.jpeg).context("the photograph cannot be written")?;
    let model = model(inputs);
    model.write(&file, &Header::new(&model.encoder, 0.0)?, Precision::Half)?;
    let program = std::env::current_exe().context("the path of this program is not known")?;
    let run = |n_threads: &str| -> Result<()> {
        let out = folder.path().join("out");
        let mut command = Command::new(&program);
        command.arg("explain").arg(&photograph).arg("--model").arg(&file).args([
            "--class",
            CLASSES[0],
            "--threads",
            n_threads,
        ]);
        command.arg("--out").arg(&out).stdout(Stdio::null());
        let status = command.status().with_context(|| format!("{} cannot be started", program.display()))?;
        ensure!(status.success(), "{command:?} failed: {status}");
        ensure!(has_picture(&out), "{command:?} wrote no picture");
        Ok(())
    };
    let (one, two) = (bench.time(|| run("1"))?, bench.time(|| run("2"))?);
    let note = "a process: model, photograph → heatmap and overlay as PNG, epsilon rule, one class";
    let of = "relevance-epsilon, one thread";
    Ok(vec![
        Row::new("explain-one-thread", one, note).at_most(1.25, pixels, of),
        Row { threads: 2, ..Row::new("explain-two-threads", two, note) }.at_most(0.8, pixels, of),
    ])
}

fn model(inputs: &Inputs) -> Model {
    Model {
        pca: inputs.pca.clone(),
        mixture: inputs.encoder.mixture().clone(),
        classifier: inputs.model.clone(),
        classes: CLASSES.map(str::to_owned).to_vec(),
        thresholds: None,
        calibration: None,
        // Descriptors and encoder of the published experiment.
        ..Model::shipped()
    }
}

fn has_picture(folder: &Path) -> bool {
    let names = std::fs::read_dir(folder).into_iter().flatten().flatten();
    names.map(|entry| entry.path()).any(|path| path.extension().is_some_and(|extension| extension == "png"))
}
