//! What the benches share: medians, and a count of the bytes allocated.

#[cfg(feature = "server")]
use mimalloc::MiMalloc as Below;
#[cfg(not(feature = "server"))]
use std::alloc::System as Below;
use std::alloc::{GlobalAlloc, Layout};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

/// Rounds of which the median is taken.
pub(crate) const ROUNDS: usize = 7;

/// The median of some figures.
pub(crate) fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

/// Seconds that `work` takes, and what it returns.
pub(crate) fn seconds<T>(work: impl FnOnce() -> T) -> (f64, T) {
    let start = Instant::now();
    let made = work();
    (start.elapsed().as_secs_f64(), made)
}

/// The program's allocator (without the feature `server` the system's) with two counters.
pub(crate) struct Counted;

static HELD: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

#[expect(unsafe_code, reason = "an allocator cannot be written without; it only counts and passes on")]
// SAFETY: every call is passed on unchanged to another allocator.
unsafe impl GlobalAlloc for Counted {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let held = HELD.fetch_add(layout.size(), Ordering::Relaxed) + layout.size();
        PEAK.fetch_max(held, Ordering::Relaxed);
        unsafe { Below.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        HELD.fetch_sub(layout.size(), Ordering::Relaxed);
        unsafe { Below.dealloc(at, layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let held =
            HELD.fetch_add(size.wrapping_sub(layout.size()), Ordering::Relaxed).wrapping_add(size.wrapping_sub(layout.size()));
        PEAK.fetch_max(held, Ordering::Relaxed);
        unsafe { Below.realloc(at, layout, size) }
    }
}

/// What `work` returns, the bytes it left allocated and the most it held at once, beyond what was held before.
pub(crate) fn bytes<T>(work: impl FnOnce() -> T) -> (T, usize, usize) {
    let before = HELD.load(Ordering::Relaxed);
    PEAK.store(before, Ordering::Relaxed);
    let made = work();
    (made, HELD.load(Ordering::Relaxed).saturating_sub(before), PEAK.load(Ordering::Relaxed).saturating_sub(before))
}

/// Mixes a number into a checksum.
pub(crate) fn mix(sum: u64, value: u64) -> u64 {
    (sum ^ value).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(23)
}
