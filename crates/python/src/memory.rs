//! Memory of a process that works on photographs for hours.
#![cfg_attr(
    all(target_os = "linux", target_env = "gnu"),
    expect(unsafe_code, reason = "a function of the C library; the call says why it is sound")
)]

/// Blocks up to this size stay in the heap of the process when they are freed; the largest that glibc allows.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const LARGEST_KEPT: i32 = 32 << 20;
/// So many bytes at the end of the heap are kept.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const KEPT: i32 = 256 << 20;

/// Lets the process keep memory between two photographs. Dask starts its workers with an environment (`MALLOC_TRIM_THRESHOLD_`) in which the C
/// library gives every large block back to the system. The next photograph then waits for new pages, which made encoding take a third longer.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
pub(crate) fn keep() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        // SAFETY: `mallopt` takes the lock of the allocator, and any thread may call it at any time. The values are valid for both parameters.
        unsafe {
            libc::mallopt(libc::M_MMAP_THRESHOLD, LARGEST_KEPT);
            libc::mallopt(libc::M_TRIM_THRESHOLD, KEPT);
        }
    });
}

/// Other C libraries decide by themselves.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub(crate) fn keep() {}
