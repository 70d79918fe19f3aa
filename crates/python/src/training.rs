//! Learning a model from labelled photographs, and the embedded photographs.

use std::mem;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use fisherlens_dataset::{Missing, Opening, SplitOptions};
use fisherlens_experiment::experiment::Experiment;
use fisherlens_experiment::interrupt::Interrupt;
use fisherlens_experiment::learning::{self, Learned};
use fisherlens_experiment::own::OwnPhotographs;
use fisherlens_experiment::program::Program;
use fisherlens_experiment::progress::{Bar, Observer, Progress};
use fisherlens_experiment::quality::opened;
use fisherlens_experiment::session::Session;
use pyo3::prelude::*;
use serde::Deserialize;

use crate::background;
use crate::errors::{from_json, raise, raise_any};
use crate::model::NativeModel;

pub(crate) fn add(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(train, module)?)?;
    module.add_function(wrap_pyfunction!(draw_mini, module)?)
}

/// What the user asked for; the Python half writes it as JSON.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Request {
    data: PathBuf,
    images: Option<PathBuf>,
    preset: String,
    set: Vec<String>,
    test_share: Option<f64>,
    group: Option<String>,
    keep_near: bool,
    strict: bool,
    follow_links: bool,
    limit: Option<usize>,
    cache: Option<PathBuf>,
}

/// What the observer has heard and Python has not been told yet.
#[derive(Default)]
struct News {
    lines: Vec<String>,
    bar: Option<Step>,
    is_bar_new: bool,
}

/// Name, position and total of the work that is shown.
type Step = (String, u64, u64);

/// Receives the reports of the run on its threads; Python's thread fetches them.
#[derive(Clone, Default)]
struct Listener(Arc<Mutex<News>>);

impl Listener {
    fn lock(&self) -> MutexGuard<'_, News> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn show(&self, change: impl FnOnce(&mut Option<Step>)) {
        let mut news = self.lock();
        change(&mut news.bar);
        news.is_bar_new = true;
    }

    /// The lines since the last call, and the work if it has moved since then.
    fn news(&self) -> (Vec<String>, Option<Step>) {
        let mut news = self.lock();
        let is_bar_new = mem::take(&mut news.is_bar_new);
        (mem::take(&mut news.lines), news.bar.clone().filter(|_| is_bar_new))
    }
}

impl Observer for Listener {
    fn line(&self, text: &str) {
        self.lock().lines.push(text.to_owned());
    }

    fn begin(&self, label: &str, total: u64) -> Box<dyn Bar> {
        self.show(|bar| *bar = Some((label.to_owned(), 0, total)));
        Box::new(self.clone())
    }
}

impl Bar for Listener {
    fn advance(&self, n_steps: u64) {
        self.show(|bar| bar.iter_mut().for_each(|(_, position, _)| *position += n_steps));
    }

    fn set_position(&self, position: u64) {
        self.show(|bar| bar.iter_mut().for_each(|(_, at, _)| *at = position));
    }

    fn set_message(&self, _: &str) {}
}

/// A model, and its quality as JSON. `told` is a Python function of (lines, label, position, total), or `None`.
#[pyfunction]
fn train(
    py: Python<'_>,
    request: &str,
    n_threads: usize,
    told: Option<Bound<'_, PyAny>>,
) -> PyResult<(NativeModel, String)> {
    let request: Request = from_json(request)?;
    let listener = Listener::default();
    let heard = listener.clone();
    let tell = told.map(|told| {
        move || {
            let (lines, bar) = listener.news();
            if lines.is_empty() && bar.is_none() { Ok(()) } else { told.call1((lines, bar)).map(drop) }
        }
    });
    let report = tell.as_ref().map(|tell| tell as &dyn Fn() -> PyResult<()>);
    let (model, quality) = background::run_watched(py, n_threads, report, move |watch| {
        let interrupt = Interrupt::of_flag(watch.flag());
        let experiment = Experiment::open(&session(request), Progress::to(heard), interrupt).map_err(raise_any)?;
        experiment.core.progress.stage_line("train", &opened(&experiment.core.dataset));
        let Learned { model, quality, .. } = learning::learn(&experiment, &[]).map_err(raise_any)?;
        Ok((model, serde_json::to_string(&quality).map_err(raise)?))
    })?;
    Ok((NativeModel::of(model)?, quality))
}

/// The session that the request describes.
pub(crate) fn session(request: Request) -> Session {
    let folder = match request.cache {
        Some(folder) => folder,
        // The same folder as that of the command.
        None => etcetera::choose_base_strategy()
            .map_or_else(
                |_| PathBuf::from("fisherlens-cache"),
                |folders| etcetera::BaseStrategy::cache_dir(&folders).join("fisherlens"),
            )
            .join("artifacts"),
    };
    let missing = if request.strict { Missing::Refuse } else { Missing::Skip };
    Session {
        set: request.set,
        own: Some(OwnPhotographs {
            path: request.data,
            opening: Opening { missing, follow_links: request.follow_links, images: request.images },
            split: SplitOptions { test_share: request.test_share, group: request.group },
            near_together: request.keep_near,
            all_tested: false,
        }),
        missing,
        limit: request.limit,
        artifacts: folder.clone(),
        program: Program { command_line: "fisherlens.Model.train".to_owned(), ..Program::default() },
        ..Session::new(&request.preset, &folder)
    }
}

/// Draws the embedded photographs in the layout of PASCAL VOC into a folder.
#[pyfunction]
fn draw_mini(py: Python<'_>, folder: PathBuf) -> PyResult<()> {
    let n_threads = std::thread::available_parallelism().map_or(1, usize::from);
    background::run(py, n_threads, None, move |watch| {
        fisherlens_mini_voc::ensure_while(&folder, &|| !watch.is_stopped()).map_err(raise)?;
        Ok(())
    })
}
