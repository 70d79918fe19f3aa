//! Pieces of work of a run, for processes that do it together.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use fisherlens_dataset::Missing;
use fisherlens_experiment::agreement;
use fisherlens_experiment::experiment::Experiment;
use fisherlens_experiment::interrupt::Interrupt;
use fisherlens_experiment::keys::Keys;
use fisherlens_experiment::learning::{self, Learned};
use fisherlens_experiment::photographs::Listed;
use fisherlens_experiment::program::Program;
use fisherlens_experiment::progress::Progress;
use fisherlens_experiment::quality::opened;
use fisherlens_experiment::run::Run;
use fisherlens_experiment::session::Session;
use fisherlens_experiment::share::Chosen;
use fisherlens_experiment::stage::Stage;
use fisherlens_experiment::stages::scores;
use fisherlens_experiment::summary;
use fisherlens_experiment::work::{self, Found, Phase, Piece};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};

use crate::background;
use crate::errors::{from_json, raise, raise_any};
use crate::memory;
use crate::model::NativeModel;
use crate::training;

pub(crate) fn add(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(stages, module)?)?;
    module.add_function(wrap_pyfunction!(list_photographs, module)?)?;
    module.add_function(wrap_pyfunction!(look, module)?)?;
    module.add_function(wrap_pyfunction!(plan, module)?)?;
    module.add_function(wrap_pyfunction!(work_on, module)?)?;
    module.add_function(wrap_pyfunction!(finish, module)?)?;
    module.add_function(wrap_pyfunction!(finish_training, module)?)?;
    module.add_function(wrap_pyfunction!(release, module)?)
}

/// A run; the Python half writes it as JSON.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Job {
    /// Name of the run, another one for each call: what a process has opened for one run is not used by the next one, because photographs
    /// may come and go.
    #[serde(rename = "run")]
    _run: IgnoredAny,
    request: Request,
}

/// What the user asked for.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
enum Request {
    /// An experiment on PASCAL VOC or on the embedded photographs.
    Reproduce(Reproduce),
    /// A model from photographs of one's own.
    Train(training::Request),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Reproduce {
    experiment: String,
    set: Vec<String>,
    voc: Option<PathBuf>,
    allow_missing: bool,
    limit: Option<usize>,
    artifacts: PathBuf,
}

fn request_of(job: &str) -> PyResult<Request> {
    Ok(from_json::<Job>(job)?.request)
}

impl Request {
    fn session(self) -> Session {
        match self {
            Self::Train(request) => training::session(request),
            Self::Reproduce(request) => Session {
                set: request.set,
                voc: request.voc,
                missing: if request.allow_missing { Missing::Skip } else { Missing::Refuse },
                limit: request.limit,
                // The embedded photographs lie where the other processes find them.
                data: request.artifacts.join("embedded-photographs"),
                artifacts: request.artifacts.clone(),
                program: Program { command_line: "fisherlens.distributed.reproduce".to_owned(), ..Program::default() },
                ..Session::new(&request.experiment, &request.artifacts)
            },
        }
    }
}

/// The last stage that a run of this kind can have.
fn last_stage(request: &Request, until: Option<&str>) -> PyResult<Stage> {
    let stages: Vec<Stage> = match request {
        Request::Reproduce(_) => Stage::ALL.into(),
        Request::Train(_) => learning::LEARN_AND_JUDGE.into(),
    };
    let Some(name) = until else { return Ok(stages[stages.len() - 1]) };
    stages.iter().copied().find(|stage| stage.name() == name).ok_or_else(|| {
        let names: Vec<&str> = stages.iter().map(|stage| stage.name()).collect();
        PyValueError::new_err(format!("until is \"{name}\", expected one of {}", names.join(", ")))
    })
}

/// What this process has opened last, with the job for which it was opened. Opening reads all annotations, and most pieces of work take
/// seconds.
struct Opened<T>(Mutex<Option<(String, Arc<T>)>>);

static EXPERIMENT: Opened<Experiment> = Opened(Mutex::new(None));
static LISTED: Opened<Listed> = Opened(Mutex::new(None));

impl<T> Opened<T> {
    fn get(&self, job: &str, open: impl FnOnce(&Session) -> anyhow::Result<T>) -> PyResult<Arc<T>> {
        let mut opened = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((of, value)) = opened.as_ref()
            && of == job
        {
            return Ok(Arc::clone(value));
        }
        let value = Arc::new(open(&request_of(job)?.session()).map_err(raise_any)?);
        *opened = Some((job.to_owned(), Arc::clone(&value)));
        Ok(value)
    }

    fn release(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}

fn open(job: &str) -> PyResult<Arc<Experiment>> {
    EXPERIMENT.get(job, |session| {
        // The list of photographs is not needed any more.
        LISTED.release();
        let experiment = Experiment::open(session, Progress::silent(), Interrupt::default())?;
        agreement::check(&experiment)?;
        Ok(experiment)
    })
}

/// Forgets what was opened, so that the store can be cleaned.
#[pyfunction]
fn release(py: Python<'_>) {
    py.detach(|| {
        LISTED.release();
        EXPERIMENT.release();
    });
}

/// The names of the stages of an experiment, in order.
#[pyfunction]
fn stages() -> Vec<&'static str> {
    Stage::ALL.iter().map(|stage| stage.name()).collect()
}

/// Lists the photographs. Returns the number of chunks.
#[pyfunction]
fn list_photographs(py: Python<'_>, job: &str, n_threads: usize) -> PyResult<usize> {
    let job = job.to_owned();
    background::run(py, n_threads, None, move |watch| Ok(listed(&job, &Interrupt::of_flag(watch.flag()))?.n_chunks()))
}

fn listed(job: &str, interrupt: &Interrupt) -> PyResult<Arc<Listed>> {
    LISTED.get(job, |session| Listed::new(session, &Progress::silent(), interrupt))
}

/// Looks into the photographs of one chunk. Returns whether it was not stored before.
#[pyfunction]
fn look(py: Python<'_>, job: &str, chunk: usize, n_threads: usize) -> PyResult<bool> {
    let job = job.to_owned();
    background::run(py, n_threads, None, move |watch| {
        let interrupt = Interrupt::of_flag(watch.flag());
        let session = request_of(&job)?.session();
        let listed = listed(&job, &interrupt)?;
        let looked = listed.look(&session, &Progress::silent(), &interrupt, Chosen::One(chunk)).map_err(raise_any)?;
        Ok(looked.n_new > 0)
    })
}

/// The pieces of work of one seed.
#[derive(Serialize)]
struct OfSeed {
    seed: u64,
    phases: Vec<OfPhase>,
}

#[derive(Serialize)]
struct OfPhase {
    name: String,
    stage: &'static str,
    needs: Vec<String>,
    pieces: Vec<String>,
    /// Pieces whose results are stored already.
    done: Vec<String>,
}

/// The pieces of work as JSON, and one line about the photographs.
#[pyfunction]
#[pyo3(signature = (job, until, n_threads))]
fn plan(py: Python<'_>, job: &str, until: Option<&str>, n_threads: usize) -> PyResult<(String, String)> {
    let until = last_stage(&request_of(job)?, until)?;
    let job = job.to_owned();
    background::run(py, n_threads, None, move |_| {
        let experiment = open(&job)?;
        let first = experiment.settings.seed;
        let mut seeds = Vec::new();
        for seed in first..first + experiment.settings.evaluation.n_seeds as u64 {
            let keys = Keys::new(&experiment, seed).map_err(raise_any)?;
            let until = if seed == first { until } else { until.min(Stage::Scores) };
            let found = Found::new(&experiment, &keys).map_err(raise_any)?;
            let of_phase = |Phase { name, stage, pieces, needs }: Phase| {
                let done = pieces.iter().filter(|piece| found.has(**piece)).map(Piece::to_string).collect();
                let pieces = pieces.iter().map(Piece::to_string).collect();
                OfPhase { name, stage: stage.name(), needs, pieces, done }
            };
            let phases = work::phases(&experiment, until).into_iter().map(of_phase).collect();
            seeds.push(OfSeed { seed, phases });
        }
        Ok((serde_json::to_string(&seeds).map_err(raise)?, opened(&experiment.core.dataset)))
    })
}

/// Does one piece of work. Returns whether it had to be done.
#[pyfunction]
fn work_on(py: Python<'_>, job: &str, seed: u64, piece: &str, n_threads: usize) -> PyResult<bool> {
    let piece: Piece = piece.parse().map_err(raise_any)?;
    memory::keep();
    let job = job.to_owned();
    background::run(py, n_threads, None, move |_| {
        let experiment = open(&job)?;
        let keys = Keys::new(&experiment, seed).map_err(raise_any)?;
        work::run(&experiment, &keys, piece).map_err(raise_any)
    })
}

/// Computes what is left of an experiment, and writes its page where a folder is given. Returns the path of the page, and the mean average
/// precision if there are scores.
#[pyfunction]
#[pyo3(signature = (job, until, report, n_threads))]
fn finish(
    py: Python<'_>,
    job: &str,
    until: Option<&str>,
    report: Option<PathBuf>,
    n_threads: usize,
) -> PyResult<(Option<String>, Option<f64>)> {
    let until = last_stage(&request_of(job)?, until)?;
    let job = job.to_owned();
    background::run(py, n_threads, None, move |_| {
        let experiment = open(&job)?;
        let run = Run::execute(&experiment, Some(until)).map_err(raise_any)?;
        let mut page = None;
        if let Some(folder) = report {
            let data = summary::collect(&experiment, &run).map_err(raise_any)?;
            page = Some(fisherlens_report::write(&data, &folder).map_err(raise)?.display().to_string());
        }
        let mut mean = None;
        if until >= Stage::Scores {
            let settings = &experiment.settings;
            let scores = scores::get(&experiment, &run.keys).map_err(raise_any)?;
            mean = Some(scores.mean_average_precision(settings.data.difficult, settings.evaluation.interpolation))
                .filter(|mean| !mean.is_nan());
        }
        Ok((page, mean))
    })
}

/// Assembles the model of a training. Returns it with its quality as JSON.
#[pyfunction]
fn finish_training(py: Python<'_>, job: &str, n_threads: usize) -> PyResult<(NativeModel, String)> {
    let job = job.to_owned();
    let (model, quality) = background::run(py, n_threads, None, move |_| {
        let experiment = open(&job)?;
        let Learned { model, quality, .. } = learning::learn(&experiment, &[]).map_err(raise_any)?;
        Ok((model, serde_json::to_string(&quality).map_err(raise)?))
    })?;
    Ok((NativeModel::of(model)?, quality))
}
