//! Threads that compress images, fair between sessions.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;

use guac_display::EncodeJob;
use tokio::sync::oneshot;

/// The images of one frame, on their way through the pool. Each session has at most one frame and one snapshot here.
struct Batch {
    jobs: std::iter::Enumerate<std::vec::IntoIter<EncodeJob>>,
    results: Arc<Results>,
}

struct Results {
    slots: Mutex<Slots>,
}

struct Slots {
    encoded: Vec<Vec<u8>>,
    missing: usize,
    done: Option<oneshot::Sender<Vec<Vec<u8>>>>,
}

#[derive(Default)]
struct Queue {
    batches: VecDeque<Batch>,
    closed: bool,
}

struct Shared {
    queue: Mutex<Queue>,
    added: Condvar,
}

/// A bounded number of threads with one queue. A batch goes to the back after each of its jobs, so a large frame does
/// not hold up other sessions.
pub(crate) struct EncodePool {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

impl EncodePool {
    /// Starts `threads` threads, at least one.
    pub(crate) fn new(threads: usize) -> Self {
        let shared = Arc::new(Shared { queue: Mutex::default(), added: Condvar::new() });
        let threads = (0..threads.max(1)).filter_map(|index| {
            let shared = Arc::clone(&shared);
            let builder = std::thread::Builder::new().name(format!("encode-{index}")).stack_size(1 << 20);
            builder
                .spawn(move || work(&shared))
                .inspect_err(|error| tracing::error!(%error, "No thread to encode on"))
                .ok()
        });
        Self { threads: threads.collect(), shared }
    }

    /// Queues the images of a frame. The receiver gets their bytes in order; it fails if the pool is gone.
    pub(crate) fn submit(&self, jobs: Vec<EncodeJob>) -> oneshot::Receiver<Vec<Vec<u8>>> {
        let (done, receiver) = oneshot::channel();
        let missing = jobs.len();
        if missing == 0 {
            // The receiver is ours and alive.
            let _ = done.send(Vec::new());
            return receiver;
        }
        let slots = Slots { encoded: vec![Vec::new(); missing], missing, done: Some(done) };
        let results = Arc::new(Results { slots: Mutex::new(slots) });
        let batch = Batch { jobs: jobs.into_iter().enumerate(), results };
        self.shared.queue.lock().unwrap_or_else(PoisonError::into_inner).batches.push_back(batch);
        self.shared.added.notify_all();
        receiver
    }
}

impl Drop for EncodePool {
    fn drop(&mut self) {
        self.shared.queue.lock().unwrap_or_else(PoisonError::into_inner).closed = true;
        self.shared.added.notify_all();
        for thread in self.threads.drain(..) {
            // A worker catches panics of jobs, so joining cannot fail for a reason we could act on.
            let _ = thread.join();
        }
    }
}

fn work(shared: &Shared) {
    while let Some((index, job, results)) = next_job(shared) {
        // A codec that panics costs its image, not the pool: the tile stays as it was and the log says so.
        let encoded = catch_unwind(AssertUnwindSafe(|| job.encode())).unwrap_or_else(|_| {
            tracing::error!(codec = ?job.codec(), area = job.area(), "Encoder panicked");
            Vec::new()
        });
        results.fill(index, encoded);
    }
}

/// The next job of the session whose turn it is, or `None` when the pool closes.
fn next_job(shared: &Shared) -> Option<(usize, EncodeJob, Arc<Results>)> {
    let mut queue = shared.queue.lock().unwrap_or_else(PoisonError::into_inner);
    loop {
        if queue.closed {
            return None;
        }
        if let Some(mut batch) = queue.batches.pop_front() {
            let Some((index, job)) = batch.jobs.next() else { continue };
            let results = Arc::clone(&batch.results);
            if batch.jobs.len() > 0 {
                queue.batches.push_back(batch);
            }
            return Some((index, job, results));
        }
        queue = shared.added.wait(queue).unwrap_or_else(PoisonError::into_inner);
    }
}

impl Results {
    fn fill(&self, index: usize, encoded: Vec<u8>) {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(slot) = slots.encoded.get_mut(index) {
            *slot = encoded;
        }
        slots.missing -= 1;
        if slots.missing == 0 {
            let encoded = std::mem::take(&mut slots.encoded);
            if let Some(done) = slots.done.take() {
                // The session may have ended meanwhile.
                let _ = done.send(encoded);
            }
        }
    }
}
