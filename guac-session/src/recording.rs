//! The recording of a session: what was sent to everyone and what its users did, into a file.
//!
//! The session's task only copies pointers into a bounded queue; a task of its own writes them. A disk that fails or
//! cannot keep up ends the recording, with an error in the log, and never the session.
//!
//! # Specification
//! guacd's `src/libguac/recording.c` (P-150 to P-154, CM-002).

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use guac_protocol::{RecordingWriter, ServerInstruction};
use rustix::fs::{FlockOperation, Mode, OFlags};
use tokio::io::AsyncWriteExt as _;
use tokio::sync::Notify;
use tokio::time::{Duration, Instant};

use crate::Params;

/// Bytes that may wait for the disk. Ten seconds of a busy desktop: enough for a disk that wakes up, little enough that
/// a hundred recorded sessions on a dead disk do not take the daemon with them.
const MAX_QUEUED_BYTES: usize = 16 << 20;

/// What is written at once.
const WRITE_BYTES: usize = 256 << 10;

/// How long the rest may take to reach the disk once the session is over.
const CLOSING_GRACE: Duration = Duration::from_secs(10);

/// Last suffix that is tried when a recording of the same name is there (`GUAC_RECORDING_MAX_SUFFIX`).
const MAX_SUFFIX: u16 = 255;

/// Longest name of a recording, in bytes: `NAME_MAX` of Linux without room for a suffix.
const MAX_NAME_BYTES: usize = 250;

/// Where and what to record, by the owner's parameters.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Target {
    directory: PathBuf,
    name: String,
    create_directory: bool,
    write_existing: bool,
}

/// Why there is no recording.
#[derive(Debug, thiserror::Error)]
enum OpenRecordingError {
    #[error("the name is not a plain file name")]
    BadName,
    #[error("recordings of this name are there up to suffix {MAX_SUFFIX}")]
    TooMany,
    #[error("the file is no regular file")]
    NotRegular,
    #[error("another process writes to the file")]
    Locked,
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// What waits for the disk.
#[derive(Debug, Default)]
struct Queue {
    entries: VecDeque<Bytes>,
    bytes: usize,
    /// No more is coming: the session is over.
    closed: bool,
    /// No more is wanted: the disk failed, or could not keep up.
    ended: bool,
}

#[derive(Debug, Default)]
struct Shared {
    queue: Mutex<Queue>,
    changed: Notify,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn end(&self) {
        let mut queue = self.lock();
        *queue = Queue { ended: true, closed: queue.closed, ..Queue::default() };
    }
}

/// The session's end of its recording. Dropping it completes the file.
#[derive(Debug)]
pub(crate) struct Recorder {
    writer: RecordingWriter,
    shared: Arc<Shared>,
}

impl Recorder {
    /// A recorder and the task that writes for it, if the parameters ask for a recording.
    pub(crate) fn start(params: &Params) -> Option<(Self, impl Future<Output = ()> + Send + use<>)> {
        let directory = params.get("recording-path")?.into();
        let target = Target {
            directory,
            name: params.get("recording-name").unwrap_or("recording").to_owned(),
            create_directory: params.bool("create-recording-path", false),
            write_existing: params.bool("recording-write-existing", false),
        };
        let writer = RecordingWriter {
            output: !params.bool("recording-exclude-output", false),
            mouse: !params.bool("recording-exclude-mouse", false),
            touch: !params.bool("recording-exclude-touch", false),
            keys: params.bool("recording-include-keys", false),
            clipboard: params.bool("recording-include-clipboard", false),
        };
        let shared = Arc::<Shared>::default();
        let task = run(target, Arc::clone(&shared));
        Some((Self { writer, shared }, task))
    }

    /// What is sent to everyone.
    pub(crate) fn output(&self, bytes: &Bytes) {
        if self.writer.output {
            self.push(bytes.clone());
        }
    }

    /// A pointer, of whomever.
    pub(crate) fn mouse(&self, at: (i32, i32), buttons: u8, timestamp_ms: i64) {
        self.write(|writer, out| writer.mouse(at, buttons, timestamp_ms, out));
    }

    /// A key, of whomever.
    pub(crate) fn key(&self, keysym: u32, pressed: bool, timestamp_ms: i64) {
        self.write(|writer, out| writer.key(keysym, pressed, timestamp_ms, out));
    }

    /// A finger, of whomever.
    pub(crate) fn touch(&self, touch: &ServerInstruction<'_>, timestamp_ms: i64) {
        self.write(|writer, out| writer.touch(touch, timestamp_ms, out));
    }

    /// A clipboard, of either side.
    pub(crate) fn clipboard(&self, mimetype: &str, data: &[u8]) {
        self.write(|writer, out| writer.clipboard(mimetype, data, out));
    }

    fn write(&self, write: impl FnOnce(&RecordingWriter, &mut Vec<u8>)) {
        let mut out = Vec::new();
        write(&self.writer, &mut out);
        if !out.is_empty() {
            self.push(out.into());
        }
    }

    fn push(&self, bytes: Bytes) {
        let mut queue = self.shared.lock();
        if queue.ended {
            return;
        }
        if queue.bytes + bytes.len() > MAX_QUEUED_BYTES {
            drop(queue);
            tracing::error!(limit_bytes = MAX_QUEUED_BYTES, "Recording ended: the disk does not keep up");
            self.shared.end();
        } else {
            queue.bytes += bytes.len();
            queue.entries.push_back(bytes);
        }
        self.shared.changed.notify_one();
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.shared.lock().closed = true;
        self.shared.changed.notify_one();
    }
}

/// Opens the file and writes until the recorder is gone.
async fn run(target: Target, shared: Arc<Shared>) {
    let opened = tokio::task::spawn_blocking(move || open(&target)).await;
    let result = match opened {
        Ok(Ok((path, file))) => {
            tracing::info!(path = %path.display(), "Recording started");
            write_all(tokio::fs::File::from_std(file), &shared).await.map_err(OpenRecordingError::Io)
        }
        Ok(Err(error)) => Err(error),
        // Opening panicked, or the runtime is going down.
        Err(error) => Err(io::Error::other(error).into()),
    };
    if let Err(error) = result {
        tracing::error!(%error, "Session is not recorded");
    }
    shared.end();
}

async fn write_all(mut file: tokio::fs::File, shared: &Shared) -> io::Result<()> {
    let mut deadline = None;
    loop {
        let mut changed = std::pin::pin!(shared.changed.notified());
        changed.as_mut().enable();
        let (batch, closed) = take_batch(&mut shared.lock());
        if batch.is_empty() {
            if closed {
                return file.flush().await;
            }
            changed.await;
        } else if closed {
            let deadline = *deadline.get_or_insert_with(|| Instant::now() + CLOSING_GRACE);
            tokio::time::timeout_at(deadline, file.write_all(&batch)).await??;
        } else {
            file.write_all(&batch).await?;
        }
    }
}

/// Some of what waits, and whether nothing will come behind what is there now.
fn take_batch(queue: &mut Queue) -> (Bytes, bool) {
    let closed = queue.closed || queue.ended;
    let Some(first) = queue.entries.pop_front() else { return (Bytes::new(), closed) };
    queue.bytes -= first.len();
    if queue.entries.is_empty() || first.len() >= WRITE_BYTES {
        return (first, closed);
    }
    // Input is small and frequent: one write for much of it.
    let mut batch = Vec::from(first);
    while let Some(next) = queue.entries.pop_front_if(|next| batch.len() + next.len() <= WRITE_BYTES) {
        queue.bytes -= next.len();
        batch.extend_from_slice(&next);
    }
    (batch.into(), closed)
}

/// Opens the file to record to, new unless the owner wants it otherwise, and locks it against other writers.
fn open(target: &Target) -> Result<(PathBuf, File), OpenRecordingError> {
    let name = &target.name;
    let plain = !name.contains(['/', '\0']) && !matches!(name.as_str(), "" | "." | "..");
    if !plain || name.len() > MAX_NAME_BYTES {
        return Err(OpenRecordingError::BadName);
    }
    if target.create_directory {
        create_directory(&target.directory)?;
    }
    let first = target.directory.join(name);
    let (path, file) = if target.write_existing { (first.clone(), open_existing(&first)?) } else { open_new(&first)? };
    if !file.metadata()?.is_file() {
        return Err(OpenRecordingError::NotRegular);
    }
    // As guacd and its tools do it: by the record lock of POSIX, not by flock.
    rustix::fs::fcntl_lock(file.as_fd(), FlockOperation::NonBlockingLockExclusive)
        .map_err(|_| OpenRecordingError::Locked)?;
    Ok((path, file))
}

/// Creates the last directory of the path alone; it may be there.
fn create_directory(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    match std::fs::DirBuilder::new().mode(0o750).create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        result => result,
    }
}

/// Readable to the group, by which a web application serves recordings of another user's daemon.
const FILE_MODE: Mode = Mode::from_bits_truncate(0o640);

/// A device or pipe of that name must neither hang nor be fooled with; links are not followed.
const OPEN_FLAGS: OFlags =
    OFlags::WRONLY.union(OFlags::CREATE).union(OFlags::NOFOLLOW).union(OFlags::NONBLOCK).union(OFlags::CLOEXEC);

fn open_existing(path: &Path) -> io::Result<File> {
    Ok(rustix::fs::open(path, OPEN_FLAGS | OFlags::APPEND, FILE_MODE)?.into())
}

/// The first of `name`, `name.1` … `name.255` that is not there.
fn open_new(first: &Path) -> Result<(PathBuf, File), OpenRecordingError> {
    for suffix in 0..=MAX_SUFFIX {
        let mut path = first.as_os_str().to_owned();
        if suffix > 0 {
            path.push(format!(".{suffix}"));
        }
        match rustix::fs::open(Path::new(&path), OPEN_FLAGS | OFlags::EXCL, FILE_MODE) {
            Ok(file) => return Ok((path.into(), file.into())),
            Err(rustix::io::Errno::EXIST) => {}
            Err(error) => return Err(io::Error::from(error).into()),
        }
    }
    Err(OpenRecordingError::TooMany)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};

    use super::*;

    fn target(directory: &Path) -> Target {
        Target { directory: directory.into(), name: "rec".into(), create_directory: false, write_existing: false }
    }

    fn params(directory: &Path, more: &[(&str, &str)]) -> Params {
        let path = ("recording-path", directory.to_str().unwrap());
        std::iter::once(&path).chain(more).map(|&(name, value)| (name, value)).collect()
    }

    /// What is in the file after the recorder did this.
    async fn record(more: &[(&str, &str)], act: impl FnOnce(&Recorder)) -> String {
        let directory = tempfile::tempdir().unwrap();
        let (recorder, task) = Recorder::start(&params(directory.path(), more)).unwrap();
        let task = async move {
            tokio::join!(task, async move {
                act(&recorder);
            })
        };
        task.await;
        std::fs::read_to_string(directory.path().join("recording")).unwrap()
    }

    fn do_everything(recorder: &Recorder) {
        recorder.output(&Bytes::from_static(b"4.sync,1.5,1.1;"));
        recorder.mouse((1, 2), 1, 6);
        recorder.key(0x61, true, 7);
        recorder.clipboard("text/plain", b"hi");
    }

    #[tokio::test]
    async fn nothing_is_recorded_without_a_path() {
        assert!(Recorder::start(&Params::default()).is_none());
        assert!(Recorder::start(&[("recording-path", ""), ("recording-name", "x")].into_iter().collect()).is_none());
    }

    #[tokio::test]
    async fn output_and_pointers_are_recorded_and_secrets_only_when_asked_for() {
        let (sync, mouse, key) = ("4.sync,1.5,1.1;", "5.mouse,1.1,1.2,1.1,1.6;", "3.key,2.97,1.1,1.7;");
        let clipboard = "9.clipboard,4.1025,10.text/plain;4.blob,4.1025,4.aGk=;3.end,4.1025;";
        let (on, off) = ("true", "false");
        for (more, expected) in [
            (&[][..], [sync, mouse].concat()),
            (&[("recording-include-keys", on)], [sync, mouse, key].concat()),
            (
                &[("recording-include-clipboard", on), ("recording-include-keys", off)],
                [sync, mouse, clipboard].concat(),
            ),
            (&[("recording-exclude-mouse", on)], sync.to_owned()),
            (&[("recording-exclude-output", on)], mouse.to_owned()),
        ] {
            assert_eq!(record(more, do_everything).await, expected, "{more:?}");
        }
    }

    #[test]
    fn a_recording_is_a_new_file_that_its_group_may_read() {
        let directory = tempfile::tempdir().unwrap();
        let (path, file) = open(&target(directory.path())).unwrap();
        assert_eq!((path, file.metadata().unwrap().permissions().mode() & 0o137), (directory.path().join("rec"), 0));
    }

    #[test]
    fn a_name_that_is_taken_gets_a_suffix_up_to_255() {
        let directory = tempfile::tempdir().unwrap();
        for expected in ["rec", "rec.1", "rec.2"] {
            assert_eq!(open(&target(directory.path())).unwrap().0, directory.path().join(expected));
        }
        for suffix in 3..255 {
            std::fs::write(directory.path().join(format!("rec.{suffix}")), "").unwrap();
        }
        assert_eq!(open(&target(directory.path())).unwrap().0, directory.path().join("rec.255"));
        assert!(matches!(open(&target(directory.path())), Err(OpenRecordingError::TooMany)));
    }

    #[test]
    fn an_existing_recording_is_continued_where_that_is_wanted() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("rec"), "3.nop;").unwrap();
        let (path, mut file) = open(&Target { write_existing: true, ..target(directory.path()) }).unwrap();
        io::Write::write_all(&mut file, b"4.sync,1.1;").unwrap();
        assert_eq!(std::fs::read_to_string(path).unwrap(), "3.nop;4.sync,1.1;");
    }

    #[test]
    fn a_name_is_one_component_and_no_way_out() {
        let directory = tempfile::tempdir().unwrap();
        for name in ["", ".", "..", "../x", "/etc/x", "a/b", "a\0b"] {
            let refused = open(&Target { name: name.into(), ..target(directory.path()) });
            assert!(matches!(refused, Err(OpenRecordingError::BadName)), "{name}");
        }
        for (bytes, opens) in [(250, true), (251, false)] {
            assert_eq!(open(&Target { name: "n".repeat(bytes), ..target(directory.path()) }).is_ok(), opens);
        }
    }

    #[test]
    fn links_and_pipes_are_no_recordings() {
        let directory = tempfile::tempdir().unwrap();
        let outside = directory.path().join("outside");
        std::fs::write(&outside, "").unwrap();
        symlink(&outside, directory.path().join("rec")).unwrap();
        assert!(open(&Target { write_existing: true, ..target(directory.path()) }).is_err());
        assert_eq!(open(&target(directory.path())).unwrap().0, directory.path().join("rec.1"));
        assert_eq!(std::fs::metadata(&outside).unwrap().size(), 0);
        let directory = tempfile::tempdir().unwrap();
        rustix::fs::mkfifoat(rustix::fs::CWD, directory.path().join("rec"), Mode::from_bits_truncate(0o600)).unwrap();
        assert!(open(&Target { write_existing: true, ..target(directory.path()) }).is_err());
    }

    #[test]
    fn the_last_directory_is_created_when_that_is_wanted_and_no_other() {
        let directory = tempfile::tempdir().unwrap();
        let below = directory.path().join("below");
        assert!(open(&target(&below)).is_err());
        let wanted = Target { create_directory: true, ..target(&below) };
        assert!(open(&wanted).is_ok() && open(&wanted).is_ok());
        assert_eq!(std::fs::metadata(&below).unwrap().permissions().mode() & 0o027, 0);
        assert!(open(&Target { create_directory: true, ..target(&directory.path().join("a/b")) }).is_err());
    }

    /// Record locks are a process's: another one is asked.
    #[test]
    fn the_file_is_locked_while_it_is_written() {
        let directory = tempfile::tempdir().unwrap();
        let (path, file) = open(&target(directory.path())).unwrap();
        let locked = || {
            let script = "import fcntl,sys\n\
                f=open(sys.argv[1],'r+')\n\
                try: fcntl.lockf(f, fcntl.LOCK_EX|fcntl.LOCK_NB)\n\
                except OSError: sys.exit(7)";
            let status = std::process::Command::new("python3").args(["-c", script]).arg(&path).status();
            status.expect("python3 runs").code() == Some(7)
        };
        assert!(locked());
        drop(file);
        assert!(!locked());
    }

    #[tokio::test]
    async fn a_disk_that_does_not_keep_up_ends_the_recording_and_holds_no_memory() {
        let directory = tempfile::tempdir().unwrap();
        let (recorder, task) = Recorder::start(&params(directory.path(), &[])).unwrap();
        let mebibyte = Bytes::from(vec![b'x'; 1 << 20]);
        for _ in 0..16 {
            recorder.output(&mebibyte);
        }
        assert_eq!(recorder.shared.lock().bytes, MAX_QUEUED_BYTES);
        recorder.output(&Bytes::from_static(b"x"));
        assert!(recorder.shared.lock().ended && recorder.shared.lock().entries.is_empty());
        recorder.output(&mebibyte);
        assert_eq!(recorder.shared.lock().bytes, 0);
        // The task ends although the recorder is still there.
        task.await;
    }

    #[tokio::test]
    async fn what_waits_at_the_bound_is_written_whole() {
        let directory = tempfile::tempdir().unwrap();
        let (recorder, task) = Recorder::start(&params(directory.path(), &[])).unwrap();
        for _ in 0..16 {
            recorder.output(&Bytes::from(vec![b'x'; 1 << 20]));
        }
        drop(recorder);
        task.await;
        assert_eq!(std::fs::metadata(directory.path().join("recording")).unwrap().size(), 16 << 20);
    }

    #[tokio::test]
    async fn a_path_that_cannot_be_written_ends_the_recording_only() {
        let (recorder, task) = Recorder::start(&params(Path::new("/nonexistent/below"), &[])).unwrap();
        task.await;
        recorder.output(&Bytes::from_static(b"3.nop;"));
        assert_eq!(recorder.shared.lock().bytes, 0);
    }
}
