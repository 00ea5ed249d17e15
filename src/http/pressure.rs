//! Limits of the whole server: requests under way, and memory. Beyond them the answer is 503 with the time after which to try again.

use super::error::{Answer, Problem, ProblemCode, RETRY_AFTER};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::{Semaphore, SemaphorePermit};

/// Requests whose answers have not begun, of all connections.
const MOST_REQUESTS: usize = 2048;
/// How often memory is looked at.
const LOOK: Duration = Duration::from_millis(500);
/// After how many seconds one should try again.
const AGAIN_S: u64 = 5;

/// Shares of memory for bodies that are read whole: 256 MB in all.
const MOST_BODIES: usize = (256 << 20) / BodyRoom::BYTES;

static BODIES: Semaphore = Semaphore::const_new(MOST_BODIES);
static REQUESTS: Semaphore = Semaphore::const_new(MOST_REQUESTS);
static FULL: AtomicBool = AtomicBool::new(false);

/// A share of the memory for bodies, until it is dropped.
pub(super) struct BodyRoom(#[expect(dead_code, reason = "it is held")] SemaphorePermit<'static>);

impl BodyRoom {
    /// How much it is.
    pub(super) const BYTES: usize = 64 << 10;
}

fn busy(detail: &str) -> Problem {
    Problem::new(ProblemCode::Busy, detail).with(RETRY_AFTER, AGAIN_S)
}

/// One more share for a body.
pub(super) fn body_room() -> Answer<BodyRoom> {
    BODIES.try_acquire().map(BodyRoom).map_err(|_| busy("too much is being sent at once; try again in a moment"))
}

/// Room for a request. `vital`: it tells how the server is, and is answered while memory is short.
pub(super) fn room(vital: bool) -> Answer<SemaphorePermit<'static>> {
    if FULL.load(Ordering::Relaxed) && !vital {
        return Err(busy("the server's memory is at its limit; try again in a moment"));
    }
    REQUESTS.try_acquire().map_err(|_| busy("too many requests are under way; try again in a moment"))
}

/// Looks at this process's memory from time to time, without end; where the system does not tell it, nothing is put off.
pub async fn watch_memory(limit_bytes: u64) {
    loop {
        let full = resident_bytes().is_some_and(|bytes| bytes > limit_bytes);
        if FULL.swap(full, Ordering::Relaxed) != full {
            let limit_mb = limit_bytes >> 20;
            match full {
                true => tracing::warn!(limit_mb, "memory is at its limit: requests are put off"),
                false => tracing::info!(limit_mb, "memory is below its limit again"),
            }
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// Memory of this process that is in use, as Linux tells it.
fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? << 10)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn linux_tells_how_much_memory_is_in_use() {
        let bytes = resident_bytes().expect("a number");
        assert!((1 << 20..1 << 40).contains(&bytes), "{bytes}");
    }
}
