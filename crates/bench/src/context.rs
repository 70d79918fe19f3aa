//! What the stages share while they are measured: limits, inputs, peers, thread pools, and the rows that exist already.

use std::cell::OnceCell;
use std::path::PathBuf;
use std::rc::Rc;

use anyhow::{Context as _, Result};
use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::inputs::Inputs;
use crate::machine::{Limits, Machine, Rate};
use crate::peers::Availability;
use crate::peers::python::Python;
use crate::peers::vlfeat::VlFeat;
use crate::row::{Peer, Row};
use crate::timing::{Repeats, Timing};
use fisherlens_cli::console::say;

/// Seconds for the repeated runs of one of our rows.
const OUR_SECONDS: f64 = 4.0;
/// Seconds for the repeated runs of one row of a peer.
const PEER_SECONDS: f64 = 3.0;

/// The options of the command line.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Smaller work, run once, to try the command.
    pub quick: bool,
    /// Number of timed runs of every row; otherwise as many as fit into a few seconds.
    pub repeats: Option<usize>,
    /// A photograph instead of the built-in one.
    pub image: Option<PathBuf>,
    /// VLFeat's library instead of the system's.
    pub vlfeat: Option<PathBuf>,
    /// A Python program instead of `python3`.
    pub python: Option<PathBuf>,
    /// Do not measure peers.
    pub no_peers: bool,
    /// The data of the whole experiment, if it should run.
    pub voc: Option<Voc>,
}

/// Folders of the data and of the results of the whole experiment.
#[derive(Debug, Clone)]
pub struct Voc {
    /// The devkit.
    pub folder: PathBuf,
    /// Whether missing images are skipped.
    pub allow_missing: bool,
    /// Folder of the artifacts, which must be empty; without it a temporary folder is used.
    pub artifacts: Option<PathBuf>,
}

/// Work that is measured together.
pub(crate) struct Stage {
    /// Names of its rows, in their order.
    pub(crate) rows: &'static [&'static str],
    /// Measures them.
    pub(crate) measure: fn(&mut Bench) -> Result<Vec<Row>>,
}

/// One run of the command.
pub(crate) struct Bench {
    /// The options of the command line.
    pub(crate) options: Options,
    /// The machine.
    pub(crate) machine: Machine,
    /// The limits of the machine.
    pub(crate) limits: Limits,
    /// The rows that were measured so far.
    pub(crate) rows: Vec<Row>,
    stages: &'static [Stage],
    inputs: OnceCell<Rc<Inputs>>,
    vlfeat: Availability<Rc<VlFeat>>,
    python: Availability<Rc<Python>>,
    missing: Vec<String>,
    one: ThreadPool,
    two: ThreadPool,
}

impl Bench {
    /// Looks for the peers and measures the machine.
    ///
    /// # Errors
    /// When threads or a temporary folder cannot be made.
    pub(crate) fn new(options: Options, stages: &'static [Stage]) -> Result<Self> {
        let machine = Machine::detect();
        say(format_args!(
            "{:>26}  {}, {} cores, {}",
            "machine",
            machine.processor,
            machine.cores,
            machine.features.join(" ")
        ));
        let pool = |threads| ThreadPoolBuilder::new().num_threads(threads).build().context("threads cannot be started");
        let (one, two) = (pool(1)?, pool(2)?);
        let (vlfeat, python) = if options.no_peers {
            (Availability::Missing(String::new()), Availability::Missing(String::new()))
        } else {
            let python = Python::find(options.python.as_deref(), options.fixed_repeats(), PEER_SECONDS)?;
            (VlFeat::load(options.vlfeat.as_deref()).shared(), python.shared())
        };
        let missing = [vlfeat.reason(), python.reason()].into_iter().flatten().filter(|reason| !reason.is_empty());
        let missing = missing.map(str::to_owned).collect();
        if let Some(vlfeat) = vlfeat.available() {
            say(format_args!("{:>26}  {}", "VLFeat", vlfeat.built_with()));
        }
        let shrink = if options.quick { 8 } else { 1 };
        let limits = one.install(|| Limits::measure(shrink, options.repeats(2.0)))?;
        let rates = |rates: &[Rate], unit: &str| {
            let rates: Vec<String> = rates.iter().map(|rate| format!("{} {:.1} {unit}", rate.by, rate.giga)).collect();
            rates.join(", ")
        };
        say(format_args!("{:>26}  {}", "product, one thread", rates(&limits.products, "GFLOP/s")));
        say(format_args!("{:>26}  {}", "memory, one thread", rates(&limits.streams, "GB/s")));
        let inputs = OnceCell::new();
        Ok(Self { options, machine, limits, rows: Vec::new(), stages, inputs, vlfeat, python, missing, one, two })
    }

    /// Which peers are not measured, and what to install for them.
    pub(crate) fn missing(&self) -> Vec<String> {
        self.missing.clone()
    }

    /// The photograph and its models; they are made at the first call.
    ///
    /// # Errors
    /// See [`Inputs::new`].
    pub(crate) fn inputs(&self) -> Result<Rc<Inputs>> {
        if let Some(inputs) = self.inputs.get() {
            return Ok(Rc::clone(inputs));
        }
        let made = Rc::new(Inputs::new(self.options.image.as_deref())?);
        Ok(Rc::clone(self.inputs.get_or_init(|| made)))
    }

    /// VLFeat, if it is available.
    pub(crate) fn vlfeat(&self) -> Option<Rc<VlFeat>> {
        self.vlfeat.available().map(Rc::clone)
    }

    /// Python, if it is available.
    pub(crate) fn python(&self) -> Option<Rc<Python>> {
        self.python.available().map(Rc::clone)
    }

    /// Times our own work in a pool of one thread.
    ///
    /// # Errors
    /// An error of the work.
    pub(crate) fn time<T>(&self, work: impl FnMut() -> Result<T> + Send) -> Result<Timing> {
        let repeats = self.options.repeats(OUR_SECONDS);
        self.one.install(|| repeats.time(work))
    }

    /// Times our own work in a pool of two threads.
    ///
    /// # Errors
    /// An error of the work.
    pub(crate) fn time_on_two<T>(&self, work: impl FnMut() -> Result<T> + Send) -> Result<Timing> {
        let repeats = self.options.repeats(OUR_SECONDS);
        self.two.install(|| repeats.time(work))
    }

    /// Times a peer's work on this thread.
    ///
    /// # Errors
    /// An error of the work.
    pub(crate) fn time_vlfeat<T>(&self, vlfeat: &VlFeat, work: impl FnMut() -> Result<T>) -> Result<Peer> {
        let repeats = Repeats { min: 1, ..self.options.repeats(PEER_SECONDS) };
        let timing = repeats.time(work)?;
        Ok(Peer {
            name: "VLFeat".to_owned(),
            seconds: timing.best,
            built_with: vlfeat.built_with().to_owned(),
            note: String::new(),
        })
    }

    /// Times one of the script's measurements. Its arrays must have been written before.
    ///
    /// # Errors
    /// When the script fails.
    pub(crate) fn time_python(&mut self, name: &str, label: &str) -> Result<Option<Peer>> {
        let Some(python) = self.python() else { return Ok(None) };
        match python.time(name, label)? {
            Availability::Available(peer) => Ok(Some(peer)),
            Availability::Missing(reason) => {
                say(&reason);
                self.missing.push(reason);
                Ok(None)
            }
        }
    }

    /// Times other packages of Python that do the work called `work` in the script.
    ///
    /// # Errors
    /// When the script fails.
    pub(crate) fn time_others(&mut self, work: &str, packages: &[&str]) -> Result<Vec<Peer>> {
        let mut others = Vec::new();
        for package in packages {
            others.extend(self.time_python(&format!("{work}:{package}"), package)?);
        }
        Ok(others)
    }

    /// Measures the stage of this row if it was not measured yet.
    ///
    /// # Errors
    /// An error of the stage.
    pub(crate) fn ensure(&mut self, name: &str) -> Result<()> {
        if self.rows.iter().any(|row| row.name == name) {
            return Ok(());
        }
        let stage = self.stages.iter().find(|stage| stage.rows.contains(&name));
        let stage = stage.with_context(|| format!("no stage measures a row {name}"))?;
        let rows = (stage.measure)(self).with_context(|| format!("row {name} could not be measured"))?;
        for row in rows {
            let peer =
                row.peer.as_ref().map_or_else(String::new, |peer| format!(", {} {:.4} s", peer.name, peer.seconds));
            say(format_args!("{:>26}  {:.4} s{peer}", row.name, row.seconds()));
            self.rows.push(row);
        }
        Ok(())
    }

    /// Our time in this row, which is measured if it was not measured yet.
    ///
    /// # Errors
    /// An error of its stage.
    pub(crate) fn seconds(&mut self, name: &str) -> Result<f64> {
        self.ensure(name)?;
        let row = self.rows.iter().find(|row| row.name == name);
        Ok(row.with_context(|| format!("the stage of row {name} does not measure it"))?.seconds())
    }
}

impl Options {
    fn fixed_repeats(&self) -> Option<usize> {
        self.repeats.or(if self.quick { Some(1) } else { None })
    }

    fn repeats(&self, seconds: f64) -> Repeats {
        Repeats { fixed: self.fixed_repeats(), min: 2, seconds }
    }
}
