//! Whether the work on one image is divided among threads.

use std::cell::Cell;

thread_local! {
    static IS_DIVIDED: Cell<bool> = const { Cell::new(false) };
}

/// Runs `work`, which may use all threads of the present pool of rayon for a single image.
///
/// Without this, everything that is computed for one image runs on the calling thread, because most callers process several images in
/// parallel. Results are the same bits, with and without it.
///
/// ```
/// use fisherlens_lanes::{is_divided, on_all_threads};
///
/// assert!(!is_divided());
/// assert!(on_all_threads(is_divided));
/// assert!(!is_divided());
/// ```
pub fn on_all_threads<T>(work: impl FnOnce() -> T) -> T {
    /// Sets the old state again, also after a panic.
    struct Before(bool);
    impl Drop for Before {
        fn drop(&mut self) {
            IS_DIVIDED.set(self.0);
        }
    }
    let _before = Before(IS_DIVIDED.replace(true));
    work()
}

/// [`on_all_threads`] if there are fewer images than threads, otherwise `work` alone: for the work on one of `n_images` images that are
/// processed in parallel.
pub fn on_free_threads<T>(n_images: usize, work: impl FnOnce() -> T) -> T {
    if n_images < rayon::current_num_threads() { on_all_threads(work) } else { work() }
}

/// Whether the calling thread is inside of [`on_all_threads`], so that work on one image may be divided among the threads of rayon's pool.
pub fn is_divided() -> bool {
    IS_DIVIDED.get()
}
