//! Work on threads of its own, while the calling thread waits for its result and for Ctrl-C.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread::{self, ThreadId};
use std::time::Duration;

use pyo3::exceptions::{PyKeyboardInterrupt, PyRuntimeError};
use pyo3::prelude::*;
use rayon::ThreadPoolBuilder;

/// How often the calling thread looks for signals and reports progress.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// How long stopped work gets to end by itself, so that it frees its memory and locks. After that it is left alone.
const PATIENCE: Duration = Duration::from_millis(600);

/// The thread that ends the interpreter, once it has begun to.
static CLOSING: OnceLock<ThreadId> = OnceLock::new();
/// Number of threads of Python that wait for work.
static N_WAITING: AtomicUsize = AtomicUsize::new(0);

/// Called when the interpreter ends. A thread that still waits for work then never returns to Python: taking Python's lock would end it by
/// unwinding through our frames, which crashes where the two do not share one unwinder.
pub(crate) fn close(py: Python<'_>) {
    CLOSING.get_or_init(|| thread::current().id());
    if N_WAITING.load(Ordering::SeqCst) > 0 {
        // Threads that already wait for the lock get it, and find out.
        py.detach(|| thread::sleep(2 * LOOK_EVERY));
    }
}

/// Stops this thread for good if another one ends the interpreter.
fn stay_away_from_an_ending_interpreter() {
    while CLOSING.get().is_some_and(|id| *id != thread::current().id()) {
        thread::park();
    }
}

/// What the work and the calling thread share.
#[derive(Clone, Default)]
pub(crate) struct Watch {
    stop: Arc<AtomicBool>,
    done: Arc<AtomicU64>,
}

impl Watch {
    /// One more step is done. An error means that nobody waits for the work any more.
    pub(crate) fn step(&self) -> PyResult<()> {
        self.done.fetch_add(1, Ordering::Relaxed);
        self.check()
    }

    /// An error if nobody waits for the work any more.
    pub(crate) fn check(&self) -> PyResult<()> {
        if self.is_stopped() { Err(PyKeyboardInterrupt::new_err(())) } else { Ok(()) }
    }

    /// Whether nobody waits for the work any more.
    pub(crate) fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// The flag itself.
    pub(crate) fn flag(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.stop)
    }
}

/// Runs `work` on `n_threads` new threads. `progress` is a Python function of the number of steps done, or `None`.
///
/// The threads are new for each call: a pool that outlived it would be lost in a forked process, and two calls from two threads of Python
/// would wait for each other. A call costs some 0.1 ms for that.
///
/// # Errors
/// The error of the work; `KeyboardInterrupt` after Ctrl-C; the error of `progress`; `RuntimeError` for a panic, which is a mistake of ours.
pub(crate) fn run<T: Send + 'static>(
    py: Python<'_>,
    n_threads: usize,
    progress: Option<&Bound<'_, PyAny>>,
    work: impl FnOnce(&Watch) -> PyResult<T> + Send + 'static,
) -> PyResult<T> {
    let watch = Watch::default();
    let Some(progress) = progress else { return run_on(py, n_threads, &watch, None, work) };
    let reported = Cell::new(0);
    let report = || {
        let done = watch.done.load(Ordering::Relaxed);
        if done == reported.replace(done) { Ok(()) } else { progress.call1((done,)).map(drop) }
    };
    run_on(py, n_threads, &watch, Some(&report), work)
}

/// [`run`] with a function that is called on Python's thread again and again, and once more at the end.
///
/// # Errors
/// See [`run`].
pub(crate) fn run_watched<T: Send + 'static>(
    py: Python<'_>,
    n_threads: usize,
    report: Option<&dyn Fn() -> PyResult<()>>,
    work: impl FnOnce(&Watch) -> PyResult<T> + Send + 'static,
) -> PyResult<T> {
    run_on(py, n_threads, &Watch::default(), report, work)
}

fn run_on<T: Send + 'static>(
    py: Python<'_>,
    n_threads: usize,
    watch: &Watch,
    report: Option<&dyn Fn() -> PyResult<()>>,
    work: impl FnOnce(&Watch) -> PyResult<T> + Send + 'static,
) -> PyResult<T> {
    let report = || report.map_or(Ok(()), |report| report());
    let (sender, receiver) = mpsc::channel();
    // Only this thread receives; the lock makes that plain to the compiler.
    let receiver = Mutex::new(receiver);
    let wait = |limit| receiver.lock().unwrap_or_else(PoisonError::into_inner).recv_timeout(limit);
    let pool = ThreadPoolBuilder::new().num_threads(n_threads.max(1)).build();
    let pool = pool.map_err(|error| PyRuntimeError::new_err(format!("no threads could be started: {error}")))?;
    let shared = watch.clone();
    pool.spawn(move || {
        let result = catch_unwind(AssertUnwindSafe(|| work(&shared)));
        // Nobody receives it after Ctrl-C.
        let _ = sender.send(result);
    });
    loop {
        match waiting(py, || wait(LOOK_EVERY)) {
            Ok(result) => {
                report()?;
                return result.unwrap_or_else(|_| Err(internal_error()));
            }
            Err(RecvTimeoutError::Disconnected) => return Err(internal_error()),
            Err(RecvTimeoutError::Timeout) => {
                if let Err(error) = py.check_signals().and_then(|()| report()) {
                    watch.stop.store(true, Ordering::Relaxed);
                    let _ = waiting(py, || wait(PATIENCE));
                    return Err(error);
                }
            }
        }
    }
}

/// Waits without Python's lock.
fn waiting<T: Send>(py: Python<'_>, wait: impl FnOnce() -> T + Send) -> T {
    N_WAITING.fetch_add(1, Ordering::SeqCst);
    let received = py.detach(|| {
        let received = wait();
        stay_away_from_an_ending_interpreter();
        received
    });
    N_WAITING.fetch_sub(1, Ordering::SeqCst);
    received
}

fn internal_error() -> PyErr {
    PyRuntimeError::new_err(
        "fisherlens made a mistake of its own, see the message above; please report it with the call that led to it",
    )
}
