//! The one place where the drive's files are touched for the server: in order, a batch at a time, on a thread where
//! waiting hurts nobody.
//!
//! Between batches there is neither a thread nor a task. The batch under way owns all open files and gives them back
//! with its answers, so there is no lock either.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use cap_std::fs::File;
use ironrdp_rdpdr::pdu::RdpdrPdu;
use ironrdp_rdpdr::pdu::efs::{NtStatus, ServerDriveIoRequest};
use tokio::task::JoinSet;

use crate::drive::files::{Disk, open_options};
use crate::drive::info::{Stat, Version};
use crate::drive::path::DrivePath;
use crate::drive::reply::{Outcome, answer, refusal, weight};

/// Requests that wait or are under way. Windows has some tens; more are refused.
const MAX_REQUESTS: usize = 256;

/// Bytes of all of them: data to be written, before all.
const MAX_REQUEST_BYTES: usize = 16 << 20;

/// File data after which a batch is answered: the link has room for it, and others get their turn.
const BATCH_BYTES: usize = 1 << 20;

/// What the worker does, in order.
#[derive(Debug)]
pub(super) enum Work {
    Request(ServerDriveIoRequest),
    /// The server began anew: nothing is open any more.
    CloseAll,
    /// Opens a file for the owner.
    Open(DrivePath),
    /// The owner has this file, unless it is another by now.
    Remove(DrivePath, Version),
}

/// A file for the owner.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) path: DrivePath,
    /// None if it is gone, or no file any more.
    pub(super) file: Option<(File, Version)>,
}

/// A batch that was done.
#[derive(Debug)]
pub(super) struct Batch {
    disk: Disk,
    rest: VecDeque<Work>,
    outcome: Outcome,
    opened: Vec<Opened>,
    epoch: u64,
}

/// The drive's files, and what the server and we want of them.
#[derive(Debug)]
pub(super) struct Worker {
    /// None while a batch is under way.
    disk: Option<Disk>,
    queue: VecDeque<Work>,
    /// Requests in the queue and in the batch under way, and their bytes.
    waiting: usize,
    waiting_bytes: usize,
    running: JoinSet<Batch>,
    /// Set when the session ends: the batch under way stops after the request that it is at.
    stop: Arc<AtomicBool>,
    /// How often the server began anew.
    epoch: u64,
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

impl Worker {
    pub(super) fn new(disk: Disk) -> Self {
        Self {
            disk: Some(disk),
            queue: VecDeque::new(),
            waiting: 0,
            waiting_bytes: 0,
            running: JoinSet::new(),
            stop: Arc::new(AtomicBool::new(false)),
            epoch: 0,
        }
    }

    /// Takes a request of the server, or refuses it: too many wait.
    pub(super) fn request(&mut self, request: ServerDriveIoRequest) -> Option<RdpdrPdu> {
        let bytes = weight(&request);
        if self.waiting >= MAX_REQUESTS || self.waiting_bytes.saturating_add(bytes) > MAX_REQUEST_BYTES {
            return refusal(&request, NtStatus::INSUFFICIENT_RESOURCES);
        }
        self.waiting += 1;
        self.waiting_bytes += bytes;
        self.queue.push_back(Work::Request(request));
        None
    }

    /// Takes work of ours, of which there is little.
    pub(super) fn work(&mut self, work: Work) {
        self.queue.push_back(work);
    }

    /// The server began anew: what it asked for before is not answered.
    pub(super) fn restart(&mut self) {
        self.queue.retain(|work| !matches!(work, Work::Request(_)));
        (self.waiting, self.waiting_bytes) = (0, 0);
        self.epoch += 1;
        self.queue.push_front(Work::CloseAll);
    }

    /// Whether there is work that nobody does.
    pub(super) fn is_due(&self) -> bool {
        self.running.is_empty() && !self.queue.is_empty()
    }

    /// Whether there is nothing to do and nothing under way.
    #[cfg(test)]
    pub(super) fn is_idle(&self) -> bool {
        self.disk.is_some() && self.queue.is_empty()
    }

    /// Begins a batch if there is work and none is under way.
    pub(super) fn start(&mut self) {
        if self.queue.is_empty() {
            return;
        }
        let Some(disk) = self.disk.take() else { return };
        let (work, stop, epoch) = (std::mem::take(&mut self.queue), Arc::clone(&self.stop), self.epoch);
        self.running.spawn_blocking(move || run(disk, work, &stop, epoch));
    }

    /// The batch under way, once it is done; for ever where none is.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped.
    pub(super) async fn next(&mut self) -> Batch {
        match self.running.join_next().await {
            Some(Ok(batch)) => batch,
            // Nobody cancels it but the end of the runtime.
            Some(Err(error)) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            Some(Err(_)) | None => std::future::pending().await,
        }
    }

    /// Takes the files back, and gives what came of the batch.
    pub(super) fn finish(&mut self, batch: Batch) -> (Outcome, Vec<Opened>) {
        let Batch { disk, rest, mut outcome, opened, epoch } = batch;
        self.disk = Some(disk);
        if epoch == self.epoch {
            for work in rest.into_iter().rev() {
                self.queue.push_front(work);
            }
        } else {
            outcome.replies.clear();
            self.queue.extend(rest.into_iter().filter(|work| !matches!(work, Work::Request(_))));
        }
        // Counted anew, so that no way through this can lose count.
        let requests = self.queue.iter().filter_map(|work| match work {
            Work::Request(request) => Some(weight(request)),
            _ => None,
        });
        (self.waiting, self.waiting_bytes) =
            requests.fold((0, 0), |(count, bytes), weight| (count + 1, bytes + weight));
        (outcome, opened)
    }
}

fn run(mut disk: Disk, mut work: VecDeque<Work>, stop: &AtomicBool, epoch: u64) -> Batch {
    let (mut outcome, mut opened) = (Outcome::default(), Vec::new());
    while outcome.bytes < BATCH_BYTES && !stop.load(Ordering::Relaxed) {
        match work.pop_front() {
            None => break,
            Some(Work::Request(request)) => answer(&mut disk, &request, &mut outcome),
            Some(Work::CloseAll) => outcome.arrived.extend(disk.close_all()),
            Some(Work::Open(path)) => {
                let file = open(&disk, &path);
                opened.push(Opened { path, file });
            }
            Some(Work::Remove(path, version)) => {
                let found = disk.root().metadata(path.as_path());
                if found.is_ok_and(|metadata| Stat::new(&metadata).version() == version)
                    && let Err(error) = disk.root().remove_file(path.as_path())
                {
                    tracing::debug!(%error, "File that was sent not removed");
                }
            }
        }
    }
    Batch { disk, rest: work, outcome, opened, epoch }
}

fn open(disk: &Disk, path: &DrivePath) -> Option<(File, Version)> {
    let file = disk.root().open_with(path.as_path(), open_options().read(true)).ok()?;
    let stat = Stat::new(&file.metadata().ok()?);
    stat.regular.then(|| (file, stat.version()))
}
