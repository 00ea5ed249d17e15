//! The only bridge between tokio and rayon. The queue is bounded: when it is full the answer is [`NotDone::Busy`], never a longer queue.

use std::sync::Arc;
use tokio::sync::{Semaphore, oneshot};

/// Work that takes longer than a request thread should be held: tile builds, batches, outlines.
#[derive(Clone)]
pub struct Compute {
    pool: Arc<rayon::ThreadPool>,
    slots: Arc<Semaphore>,
}

/// Why work was not done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotDone {
    /// The queue is full: try again in a moment.
    #[error("the compute queue is full")]
    Busy,
    /// The work panicked, and would again; the log says where.
    #[error("the work broke off")]
    Panicked,
}

impl Compute {
    /// A pool of one thread a core and a queue of `waiting` jobs beyond those running.
    pub fn new(waiting: usize) -> Self {
        let pool = rayon::ThreadPoolBuilder::new()
            .thread_name(|n| format!("compute-{n}"))
            .build()
            .expect("threads can be started at start-up");
        let slots = pool.current_num_threads() + waiting;
        Self { pool: Arc::new(pool), slots: Arc::new(Semaphore::new(slots)) }
    }

    /// Runs `work` on the pool. It runs to its end even when the caller stops waiting.
    pub async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, NotDone> {
        let slot = Arc::clone(&self.slots).try_acquire_owned().map_err(|_| NotDone::Busy)?;
        let (done, result) = oneshot::channel();
        self.pool.spawn(move || {
            let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
            drop(slot);
            match outcome {
                // A caller that went away is no fault of the work.
                Ok(value) => drop(done.send(value)),
                // Dropping the sender tells the caller; the message of the panic has been printed by the hook.
                Err(_) => drop(done),
            }
        });
        result.await.map_err(|_| NotDone::Panicked)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_answers_its_caller_and_frees_the_slot() {
        let compute = Compute::new(0);
        for _ in 0..10 {
            assert_eq!(compute.run(|| -> u8 { panic!("on purpose") }).await, Err(NotDone::Panicked));
        }
        assert_eq!(compute.run(|| 7).await, Ok(7));
    }

    #[tokio::test]
    async fn a_full_queue_says_so_at_once() {
        let compute = Compute::new(0);
        let threads = compute.pool.current_num_threads();
        let gate = Arc::new(std::sync::Barrier::new(threads + 1));
        let held: Vec<_> = (0..threads)
            .map(|_| {
                let (compute, gate) = (compute.clone(), Arc::clone(&gate));
                tokio::spawn(async move {
                    compute
                        .run(move || {
                            gate.wait();
                        })
                        .await
                })
            })
            .collect();
        while compute.slots.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(compute.run(|| ()).await, Err(NotDone::Busy));
        tokio::task::spawn_blocking(move || gate.wait()).await.expect("the gate opens");
        for job in held {
            assert_eq!(job.await.expect("no panic"), Ok(()));
        }
    }
}
