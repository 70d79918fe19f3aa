//! `explain`: heatmaps and overlays of single photographs, with the scores that they explain.

mod answer;
mod pictures;
mod source;

use anyhow::{Context as _, Result, bail};
use fisherlens_experiment::interrupt::Interrupt;
use fisherlens_lanes::on_all_threads;
use fisherlens_lrp::largest_size;

use crate::answer;
use crate::arguments::{Explain, Normalize, distinct};
use crate::caller::Caller;
use crate::console::print_json;
use crate::explain::answer::Answer;
use crate::explain::source::{Explained, Source};
use crate::file_names::{refuse_own_results, stems};

/// Runs the command.
///
/// # Errors
/// A model that is not stored, an unknown class or rule. A photograph that cannot be explained does not stop the others; the command ends
/// with an error after the last one.
pub fn run(arguments: &Explain, caller: &Caller, interrupt: &Interrupt) -> Result<()> {
    arguments.selection.start_threads()?;
    if arguments.experiment.is_none()
        && arguments.selection.voc.is_none()
        && let Some(option) = arguments.selection.first_of_experiment()
    {
        bail!("{option} has an effect only with --experiment or --voc");
    }
    refuse_own_results(&arguments.images, &stems(&arguments.images), &arguments.out)?;
    if !arguments.networks.networks.is_empty() {
        return networks(arguments, interrupt);
    }
    let source = Source::open(arguments, caller, interrupt)?;
    let rules = if arguments.rules.is_empty() { vec![source.display_rule] } else { distinct(arguments.rules.clone()) };
    let classes = arguments.classes.iter().map(|name| source.class(name)).collect::<Result<Vec<usize>>>()?;
    let classes = distinct(classes);
    std::fs::create_dir_all(&arguments.out)
        .with_context(|| format!("cannot create the folder {}", arguments.out.display()))?;
    let mut answer = Answer::new(&source, arguments.images.len());
    if !arguments.json {
        answer!("{}", source.line);
    }
    // For a common scale, all photographs are explained before the first one is drawn. Otherwise each one is drawn at once.
    let mut waiting = Vec::new();
    for (image, stem) in arguments.images.iter().zip(stems(&arguments.images)) {
        interrupt.check()?;
        let explained = on_all_threads(|| source.explain(image, &stem, &classes, &rules, arguments.max_side));
        let done = explained.and_then(|explained| {
            match arguments.normalize {
                Normalize::Image => answer.photographs.push(show(&source, &explained, arguments, None)?),
                Normalize::Common => waiting.push((image, explained)),
            }
            Ok(())
        });
        done.unwrap_or_else(|error| answer.failed.note(image, &error));
    }
    let all = waiting.iter().flat_map(|(_, explained)| &explained.shown);
    let largest = all.fold(0.0_f32, |largest, shown| largest.max(largest_size(shown.explanation.pixels.view())));
    for (image, explained) in &waiting {
        match show(&source, explained, arguments, Some(largest)) {
            Ok(shown) => answer.photographs.push(shown),
            Err(error) => answer.failed.note(image, &error),
        }
    }
    if arguments.json {
        print_json(&answer)?;
    }
    answer.failed.finish()
}

/// Writes the pictures of one photograph and prints its results.
fn show(
    source: &Source,
    explained: &Explained,
    arguments: &Explain,
    largest: Option<f32>,
) -> Result<answer::Photograph> {
    let files = pictures::write(source, explained, arguments, largest)?;
    let photograph = answer::Photograph::new(source, explained, files);
    if !arguments.json {
        photograph.print(explained);
    }
    Ok(photograph)
}

#[cfg(feature = "cnn")]
fn networks(arguments: &Explain, interrupt: &Interrupt) -> Result<()> {
    crate::explain_networks::run(arguments, interrupt)
}

#[cfg(not(feature = "cnn"))]
fn networks(_: &Explain, _: &Interrupt) -> Result<()> {
    bail!(
        "--network: this program was built without networks; install it with `cargo install fisherlens --features cnn`, or call \
         `cargo xtask-cnn explain --network …` in a checkout"
    )
}
