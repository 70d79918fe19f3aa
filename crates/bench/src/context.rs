//! What the stages share while they are measured: limits, inputs, peers, thread pools, and the rows there are already.

use std::cell::OnceCell;
use std::path::PathBuf;
use std::rc::Rc;

use anyhow::{Context as _, Result};
use rayon::{ThreadPool, ThreadPoolBuilder};

use super::inputs::Inputs;
use super::machine::{Limits, Machine};
use super::peers::{Found, Python, VlFeat};
use super::row::{Peer, Row};
use super::timing::{Repeats, Timing};
use fisherlens_cli::console::say;

/// Seconds of repeated runs of one of our rows.
const OUR_SECONDS: f64 = 4.0;
/// Seconds of repeated runs of one of a peer's rows.
const PEER_SECONDS: f64 = 3.0;

/// What the command line says.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Smaller work and one run of it: for trying the command out.
    pub quick: bool,
    /// Timed runs of every row, if not as many as fit into some seconds.
    pub repeats: Option<usize>,
    /// A photograph in place of the built-in one.
    pub image: Option<PathBuf>,
    /// VLFeat's library in place of the system's.
    pub vlfeat: Option<PathBuf>,
    /// Python in place of `python3`.
    pub python: Option<PathBuf>,
    /// Measure ours alone.
    pub no_peers: bool,
    /// Where the whole experiment is, if it is to be run.
    pub voc: Option<Voc>,
}

/// Where the data of the whole experiment is and where its results go.
#[derive(Debug, Clone)]
pub struct Voc {
    /// The devkit.
    pub folder: PathBuf,
    /// Images that are missing are skipped.
    pub allow_missing: bool,
    /// Folder of the artifacts, which is to be empty; without it a temporary one.
    pub artifacts: Option<PathBuf>,
}

/// Work that is measured together.
pub(crate) struct Stage {
    /// Names of the rows it gives, in their order.
    pub(crate) rows: &'static [&'static str],
    /// Measures them.
    pub(crate) measure: fn(&mut Bench) -> Result<Vec<Row>>,
}

/// One run of the command.
pub(crate) struct Bench {
    /// What the command line says.
    pub(crate) options: Options,
    /// What it runs on.
    pub(crate) machine: Machine,
    /// How fast that is.
    pub(crate) limits: Limits,
    /// The rows measured so far.
    pub(crate) rows: Vec<Row>,
    stages: &'static [Stage],
    inputs: OnceCell<Rc<Inputs>>,
    vlfeat: Found<Rc<VlFeat>>,
    python: Found<Rc<Python>>,
    missing: Vec<String>,
    one: ThreadPool,
    two: ThreadPool,
}

impl Bench {
    /// Looks for the peers and measures the machine.
    ///
    /// # Errors
    /// Threads or a temporary folder that cannot be made.
    pub(crate) fn new(options: Options, stages: &'static [Stage]) -> Result<Self> {
        let machine = Machine::look();
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
            (Found::Missing(String::new()), Found::Missing(String::new()))
        } else {
            let python = Python::find(options.python.as_deref(), options.fixed_repeats(), PEER_SECONDS)?;
            (VlFeat::load(options.vlfeat.as_deref()).shared(), python.shared())
        };
        let missing = [vlfeat.reason(), python.reason()].into_iter().flatten().filter(|reason| !reason.is_empty());
        let missing = missing.map(str::to_owned).collect();
        if let Some(vlfeat) = vlfeat.here() {
            say(format_args!("{:>26}  {}", "VLFeat", vlfeat.built_with()));
        }
        let shrink = if options.quick { 8 } else { 1 };
        let limits = one.install(|| Limits::measure(shrink, options.repeats(2.0)))?;
        let rates = |rates: &[super::machine::Rate], unit: &str| {
            let rates: Vec<String> = rates.iter().map(|rate| format!("{} {:.1} {unit}", rate.by, rate.giga)).collect();
            rates.join(", ")
        };
        say(format_args!("{:>26}  {}", "product, one thread", rates(&limits.products, "GFLOP/s")));
        say(format_args!("{:>26}  {}", "memory, one thread", rates(&limits.streams, "GB/s")));
        let inputs = OnceCell::new();
        Ok(Self { options, machine, limits, rows: Vec::new(), stages, inputs, vlfeat, python, missing, one, two })
    }

    /// What is not measured, and what to install for it.
    pub(crate) fn missing(&self) -> Vec<String> {
        self.missing.clone()
    }

    /// The photograph and its models, made when first asked for.
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

    /// VLFeat, where it is here.
    pub(crate) fn vlfeat(&self) -> Option<Rc<VlFeat>> {
        self.vlfeat.here().map(Rc::clone)
    }

    /// Python, where it is here.
    pub(crate) fn python(&self) -> Option<Rc<Python>> {
        self.python.here().map(Rc::clone)
    }

    /// Times our own work in a pool of one thread.
    ///
    /// # Errors
    /// What the work says.
    pub(crate) fn time<T>(&self, work: impl FnMut() -> Result<T> + Send) -> Result<Timing> {
        let repeats = self.options.repeats(OUR_SECONDS);
        self.one.install(|| repeats.time(work))
    }

    /// Times our own work in a pool of two threads.
    ///
    /// # Errors
    /// What the work says.
    pub(crate) fn time_on_two<T>(&self, work: impl FnMut() -> Result<T> + Send) -> Result<Timing> {
        let repeats = self.options.repeats(OUR_SECONDS);
        self.two.install(|| repeats.time(work))
    }

    /// Times a peer's work on this thread.
    ///
    /// # Errors
    /// What the work says.
    pub(crate) fn time_vlfeat<T>(&self, vlfeat: &VlFeat, work: impl FnMut() -> Result<T>) -> Result<Peer> {
        let repeats = Repeats { least: 1, ..self.options.repeats(PEER_SECONDS) };
        let timing = repeats.time(work)?;
        Ok(Peer { name: "VLFeat".to_owned(), seconds: timing.best, built_with: vlfeat.built_with().to_owned() })
    }

    /// Times one of the script's measurements, whose arrays were handed over before.
    ///
    /// # Errors
    /// A script that fails.
    pub(crate) fn time_python(&mut self, name: &str, label: &str) -> Result<Option<Peer>> {
        let Some(python) = self.python() else { return Ok(None) };
        match python.time(name, label)? {
            Found::Here(peer) => Ok(Some(peer)),
            Found::Missing(reason) => {
                say(&reason);
                self.missing.push(reason);
                Ok(None)
            }
        }
    }

    /// Measures the stage of this row, unless that is done.
    ///
    /// # Errors
    /// What the stage says.
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

    /// Our time in this row, which is measured where it is not yet.
    ///
    /// # Errors
    /// What its stage says.
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
        Repeats { fixed: self.fixed_repeats(), least: 2, seconds }
    }
}
