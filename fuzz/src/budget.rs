//! The promise that no input makes a parser take much more memory than the input
//! has itself, measured at the allocator. What C libraries allocate is not seen.

use peak_alloc::PeakAlloc;

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

/// Bytes that may be held at once for each byte of input.
const FACTOR: usize = 16;

/// Bytes that may be held whatever the input: keys, error texts, buffers.
const BASE: usize = 64 * 1024;

/// Runs `work`, which was given `input` bytes.
///
/// # Panics
/// When it held more than 16 bytes for each byte of input, and 64 KiB, at once.
pub fn keep<T>(input: usize, work: impl FnOnce() -> T) -> T {
    ALLOCATOR.reset_peak_usage();
    let before = ALLOCATOR.current_usage();
    let result = work();
    let held = ALLOCATOR.peak_usage().saturating_sub(before);
    let allowed = FACTOR * input + BASE;
    assert!(
        held <= allowed,
        "{held} bytes were held for {input} bytes of input; {allowed} are allowed"
    );
    result
}
