//! `fetch`: downloads a data set, or the weights of a network.

use std::cell::RefCell;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use clap::Args;
use clap::builder::PossibleValuesParser;
use fisherlens_experiment::interrupt::{Interrupt, Interrupted};
use fisherlens_experiment::progress::{self, Progress};
use fisherlens_fetch::{Bar, Content, FetchError, Fetched, NAMES, Observer, Options, Package, Request, Work, package};

use crate::answer;
use crate::console::say;
use crate::terminal;

/// Bytes of a megabyte. Bars count megabytes.
const MB: u64 = 1_000_000;

/// `fetch`
#[derive(Debug, Clone, Args)]
pub struct Fetch {
    /// The data set of the paper (voc2007), or a network of the paper: its weights, and its mean image if it has one
    #[arg(value_name = "NAME", value_parser = PossibleValuesParser::new(NAMES))]
    pub name: String,
    /// The folder that everything is put into; it is made if it does not exist
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub to: PathBuf,
    /// A file that you have already, so that it is not downloaded (may be repeated); it is recognised by its content and stays where it is
    #[arg(long = "archive", value_name = "FILE")]
    pub archives: Vec<PathBuf>,
    /// Ask the server with this address first, for URL/NAME-OF-FILE (may be repeated)
    #[arg(long = "mirror", value_name = "URL")]
    pub mirrors: Vec<String>,
    /// Keep the downloaded archives after they were unpacked
    #[arg(long)]
    pub keep: bool,
}

/// Runs the command.
///
/// # Errors
/// Those of [`fisherlens_fetch::fetch`]; [`Interrupted`] after a signal.
pub fn run(arguments: &Fetch, interrupt: &Interrupt) -> Result<()> {
    let package = package(&arguments.name).with_context(|| format!("expected one of {}", NAMES.join(", ")))?;
    let request = Request {
        package: &package,
        folder: &arguments.to,
        given: &arguments.archives,
        mirrors: &arguments.mirrors,
        keep_archives: arguments.keep,
        options: Options::default(),
    };
    let terminal = Terminal { progress: terminal::progress(), interrupt, announced: RefCell::default() };
    let fetched = fisherlens_fetch::fetch(&request, &terminal);
    match fetched {
        Ok(fetched) => print(&package, &arguments.to, &fetched),
        Err(FetchError::Stopped) => {
            if has_part(&package, &arguments.to) {
                say("the download is kept; the same command continues it");
            }
            return Err(Interrupted.into());
        }
        Err(error @ FetchError::Download { .. }) => {
            bail!(
                "{error}\nname another server with --mirror URL, or a file that you have already with --archive FILE"
            );
        }
        Err(error) => return Err(error.into()),
    }
    Ok(())
}

/// Whether a part of one of the files was downloaded, and is there.
fn has_part(package: &Package, folder: &Path) -> bool {
    let part = |name: &str| folder.join(format!("{name}.part")).symlink_metadata();
    package.files.iter().any(|file| part(&file.name).is_ok_and(|metadata| metadata.is_file() && metadata.len() > 0))
}

/// Says where everything is, what its licence allows, and what can be done next.
fn print(package: &Package, folder: &Path, fetched: &Fetched) {
    let Package { title, licence, .. } = package;
    let places = places(package, folder).iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ");
    answer!(
        "{title}: {places}{}",
        if fetched.was_there { " (it was there already; nothing was downloaded)" } else { "" }
    );
    for archive in &fetched.archives {
        answer!("kept: {}", archive.display());
    }
    for (name, digest, seen) in &fetched.unpublished {
        let compared = match seen {
            None => String::new(),
            Some(seen) if seen == digest => "; the copy that this program was tested with has the same".to_owned(),
            Some(seen) => format!("; the copy that this program was tested with has {seen}"),
        };
        answer!("nobody has published a digest of {name}; sha256 of the file that came: {digest}{compared}");
    }
    answer!("licence: {licence}");
    for line in next(package, folder) {
        answer!("next: {line}");
    }
}

/// The files and folders that were asked for.
fn places(package: &Package, folder: &Path) -> Vec<PathBuf> {
    let mut places = Vec::new();
    for file in &package.files {
        match &file.content {
            Content::File(_) => places.push(folder.join(&file.name)),
            Content::Tree { root, .. } => places.push(folder.join(root)),
            Content::Members { members, .. } => places.extend(members.iter().map(|member| folder.join(&member.name))),
        }
    }
    places.dedup();
    places
}

/// Commands that use what was fetched.
fn next(package: &Package, folder: &Path) -> Vec<String> {
    let places = places(package, folder);
    if package.name == "voc2007" {
        return vec![
            format!("fisherlens train {} --preset paper", quoted(&places[0])),
            format!("in a checkout, cargo xtask reproduce voc2007 --voc {}", quoted(&folder.join("VOCdevkit"))),
        ];
    }
    let option = |path: &PathBuf| {
        let is_mean = path.extension().is_some_and(|extension| extension == "binaryproto");
        format!(" --{} {}", if is_mean { "mean" } else { "weights" }, quoted(path))
    };
    let options: String = places.iter().map(option).collect();
    let before = if cfg!(feature = "cnn") {
        ""
    } else {
        "with a program that has networks (cargo install --path crates/cli --features cnn), "
    };
    let mut lines = vec![format!("{before}fisherlens explain PHOTOGRAPH --network {}{options}", package.name)];
    if package.name == "googlenet" {
        lines.push(format!("in a checkout, cargo xtask-cnn reproduce voc2007-cnn --voc DIR{options}"));
    }
    lines
}

/// A path as a shell reads it.
fn quoted(path: &Path) -> String {
    let mut text = path.display().to_string();
    // A program would take it for an option.
    if text.starts_with('-') {
        text.insert_str(0, "./");
    }
    let is_plain = |c: char| c.is_alphanumeric() || "/._-+,:@".contains(c);
    if text.chars().all(is_plain) { text } else { format!("'{}'", text.replace('\'', "'\\''")) }
}

/// Shows the work on this program's terminal, and stops it after a signal.
struct Terminal<'a> {
    progress: Progress,
    interrupt: &'a Interrupt,
    /// The lines about beginnings that were printed. A download that is continued begins again.
    announced: RefCell<Vec<String>>,
}

/// Whether this line is not among those that were printed before. It is added to them.
fn is_new(announced: &RefCell<Vec<String>>, line: String) -> bool {
    let mut announced = announced.borrow_mut();
    let is_new = !announced.contains(&line);
    if is_new {
        announced.push(line);
    }
    is_new
}

/// A bar that counts megabytes.
struct Megabytes(Box<dyn progress::Bar>);

impl Observer for Terminal<'_> {
    fn line(&self, text: &str) {
        self.progress.line(text);
    }

    fn begin(&self, work: Work, name: &str, total: u64) -> Box<dyn Bar> {
        if work != Work::Check && is_new(&self.announced, format!("{work} {name}")) {
            self.progress.line(&format!("{work} {name} ({:.1} MB)", total as f64 / MB as f64));
        }
        let bar = self.progress.bar(&format!("{work}, MB"), total.div_ceil(MB));
        bar.set_message(name);
        Box::new(Megabytes(bar))
    }

    fn is_stopped(&self) -> bool {
        self.interrupt.is_raised()
    }
}

impl Bar for Megabytes {
    fn set_position(&self, n_bytes: u64) {
        self.0.set_position(n_bytes / MB);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_commands_name_what_was_fetched() {
        let lines = |name: &str| next(&package(name).unwrap(), Path::new("my data")).join("\n");
        assert!(lines("voc2007").contains("train 'my data/VOCdevkit/VOC2007' --preset paper"));
        assert!(lines("voc2007").contains("--voc 'my data/VOCdevkit'"));
        assert!(lines("caffenet").contains(
            "--network caffenet --mean 'my data/imagenet_mean.binaryproto' --weights 'my data/bvlc_reference_caffenet.caffemodel'"
        ));
        assert!(lines("googlenet").contains("--voc DIR --weights 'my data/bvlc_googlenet.caffemodel'"));
    }

    #[test]
    fn paths_are_quoted_for_a_shell() {
        assert_eq!(quoted(Path::new("a/b-1.tar")), "a/b-1.tar");
        assert_eq!(quoted(Path::new("it's here")), "'it'\\''s here'");
        assert_eq!(quoted(Path::new("-x/a")), "./-x/a");
        assert_eq!(quoted(Path::new("-x y")), "'./-x y'");
    }

    #[test]
    fn a_download_that_is_continued_is_announced_once() {
        let announced = RefCell::default();
        let lines = ["download a", "download b", "download a", "unpack a", "download a"];
        assert_eq!(lines.map(|line| is_new(&announced, line.to_owned())), [true, true, false, true, false]);
    }

    #[test]
    fn only_a_part_with_bytes_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let package = package("caffenet").unwrap();
        assert!(!has_part(&package, folder.path()));
        let part = folder.path().join("bvlc_reference_caffenet.caffemodel.part");
        std::fs::write(&part, "").unwrap();
        assert!(!has_part(&package, folder.path()));
        std::fs::write(&part, "a").unwrap();
        assert!(has_part(&package, folder.path()));
    }
}
