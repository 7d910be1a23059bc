//! Device redirection (MS-RDPEFS): a directory of the daemon's host as a drive of the server's, which the owner sees as
//! a file system.
//!
//! ```text
//! server ── IRP ─► Requests ─► Worker (a batch at a time, off the session's task) ─► answers ─► server
//! owner  ── get, put, file ─► filesystem (a task per transfer) ─► the same directory
//! server writes to Download ─► Worker ─► Arrivals ─► a transfer ─► owner, then removed
//! server prints ─► Printer ─► a job with a process of its own ─► owner
//! ```
//!
//! Nobody is trusted with paths: they are taken apart and put together again by [`path`], and opened below the
//! directory by cap-std, which no symbolic link leads out of.
//!
//! The server opens the channel only if `rdpsnd` is there too (MS-RDPEFS, appendix A, note 1).

mod directory;
mod download;
mod files;
mod filesystem;
mod info;
mod path;
mod pattern;
mod printer;
mod reply;
mod requests;
#[cfg(test)]
mod tests;
mod worker;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use futures_util::future::BoxFuture;
use guac_display::{Picture, Surface};
use guac_protocol::ObjectIndex;
use guac_session::{Event, NotOffered, Stage, UploadTarget};
use ironrdp_dvc::DrdynvcClient;
use ironrdp_rdpdr::Rdpdr;
use ironrdp_rdpdr::pdu::RdpdrPdu;
use ironrdp_rdpdr::pdu::efs::ServerDriveIoRequest;
use ironrdp_svc::{StaticChannelSet, SvcMessage};
use tokio::task::JoinSet;

use crate::RdpError;
use crate::channels::Channel;
use crate::drive::download::Arrivals;
use crate::drive::files::Disk;
use crate::drive::filesystem::Rules;
use crate::drive::info::Version;
use crate::drive::path::DrivePath;
use crate::drive::printer::{Printer, Programs};
use crate::drive::requests::{DRIVE_ID, Requests};
use crate::drive::worker::{Batch, Opened, Work, Worker};
use crate::link::Link;

/// What the owner's file system is called (RDP-044).
const FILESYSTEM_NAME: &str = "Shared Drive";

/// Bytes on their way to the server above which no answers are added: it does not take them.
const MAX_UNSENT_BYTES: usize = 4 << 20;

/// When to see again whether it does.
const UNSENT_PAUSE: Duration = Duration::from_millis(10);

/// A directory of the host to redirect (RDP-010, RDP-011, RDP-045).
#[derive(Debug, Clone)]
pub(crate) struct SharedFolder {
    /// `drive-name`: what the server calls it.
    pub(crate) name: String,
    /// `drive-path`, on the daemon's host.
    pub(crate) path: String,
    /// `create-drive-path`: makes the last component of the path if it is missing.
    pub(crate) create: bool,
    /// Not `disable-download`: the owner may read files, and has a `Download` folder.
    pub(crate) download: bool,
    /// Not `disable-upload`: the owner may write files.
    pub(crate) upload: bool,
    /// Files that are just dropped come here, and not to SFTP.
    pub(crate) takes_dropped: bool,
}

/// Which devices to redirect.
#[derive(Debug, Clone, Default)]
pub(crate) struct DriveOptions {
    /// What the server calls the machine that they belong to: the client's name.
    pub(crate) computer_name: String,
    /// The drive; none without `enable-drive`.
    pub(crate) folder: Option<SharedFolder>,
    /// `printer-name`; none without `enable-printing` (RDP-009).
    pub(crate) printer: Option<String>,
}

/// The channel of redirected devices.
pub(crate) struct Drive {
    computer_name: String,
    share: Option<Share>,
    printer: Option<Printer>,
}

impl Drive {
    /// Opens the host's directory. None, with a line in the log, if nothing can be redirected: sessions go on without,
    /// as guacd's do.
    ///
    /// # Cancel safety
    /// If the future is dropped the directory may have been made.
    pub(crate) async fn open(options: DriveOptions) -> Option<Self> {
        let DriveOptions { computer_name, folder, printer } = options;
        let share = match folder {
            Some(folder) => Share::open(folder).await,
            None => None,
        };
        let printer = match printer {
            Some(name) => find_printer(name).await,
            None => None,
        };
        (share.is_some() || printer.is_some()).then_some(Self { computer_name, share, printer })
    }
}

/// The channel as fuzz targets see it: with a drive, whose requests nobody does.
#[cfg(feature = "_fuzz")]
pub(crate) fn fuzzing() -> Rdpdr {
    Rdpdr::new(Box::new(Requests::default()), "here".to_owned()).with_drives(Some(vec![(DRIVE_ID, "drive".to_owned())]))
}

impl Channel for Drive {
    fn attach(&mut self, fixed: &mut StaticChannelSet, _dynamic: &mut DrdynvcClient) {
        let mut rdpdr = Rdpdr::new(Box::new(Requests::default()), self.computer_name.clone());
        if let Some(share) = &mut self.share {
            share.worker.restart();
            rdpdr = rdpdr.with_drives(Some(vec![(DRIVE_ID, share.name.clone())]));
        }
        if let Some(printer) = &mut self.printer {
            printer.restart();
            rdpdr = rdpdr.with_redirected_printer(printer.device());
        }
        fixed.insert(rdpdr);
    }

    fn handle(
        &mut self,
        event: Event,
        _link: &mut Link,
        _stage: &mut Stage<Surface>,
    ) -> Result<Option<Event>, RdpError> {
        Ok(match &mut self.share {
            Some(share) => share.handle(event),
            None => Some(event),
        })
    }

    fn poll(&mut self, link: &mut Link, stage: &mut Stage<Surface>) -> Result<(), RdpError> {
        let room = link.unsent().len() < MAX_UNSENT_BYTES;
        let Some(backend) = link.static_channel::<Rdpdr>().and_then(Rdpdr::downcast_backend_mut::<Requests>) else {
            return Ok(());
        };
        let Requests { drive, printer: prints, restarted } = std::mem::take(backend);
        let mut replies = Vec::new();
        if let Some(printer) = &mut self.printer {
            if restarted {
                printer.restart();
            }
            replies.extend(printer.turn(prints, stage));
        }
        if let Some(share) = &mut self.share {
            replies.extend(share.turn(drive, restarted, room));
            share.show(stage);
            share.offer(stage);
        }
        link.send_static::<Rdpdr>(replies.into_iter().map(SvcMessage::from).collect())
    }

    fn wake(&mut self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            let Self { share, printer, .. } = self;
            match (share, printer) {
                (Some(share), Some(printer)) => tokio::select! {
                    () = share.wake() => {}
                    () = printer.wake() => {}
                },
                (Some(share), None) => share.wake().await,
                (None, Some(printer)) => printer.wake().await,
                (None, None) => std::future::pending().await,
            }
        })
    }
}

async fn find_printer(name: String) -> Option<Printer> {
    let programs = tokio::task::spawn_blocking(Programs::find).await.ok()?;
    if programs.is_none() {
        tracing::warn!("No printer: Ghostscript (gs) or prlimit is not installed");
    }
    Some(Printer::new(name, programs?))
}

/// What became of a file for the owner.
#[derive(Debug)]
struct Sent {
    path: DrivePath,
    version: Version,
    /// He has all of it.
    whole: bool,
}

/// The drive: the server's side of it, the owner's, and what goes from one to the other.
struct Share {
    name: String,
    root: Arc<Dir>,
    rules: Rules,
    takes_dropped: bool,
    worker: Worker,
    /// The batch that [`wake`](Self::wake) saw done.
    batch: Option<Batch>,
    arrivals: Arrivals,
    opened: Vec<Opened>,
    transfers: JoinSet<Option<Sent>>,
    /// The transfer that [`wake`](Self::wake) saw done.
    sent: Option<Sent>,
    /// No answers are added: the server does not take them.
    stalled: bool,
    shown: bool,
    object: Option<ObjectIndex>,
}

impl Share {
    async fn open(folder: SharedFolder) -> Option<Self> {
        let label = folder.name.clone();
        let (path, create, download) = (folder.path, folder.create, folder.download);
        let opening = tokio::task::spawn_blocking(move || open_root(&path, create, download));
        let root = match opening.await {
            Ok(Ok(root)) => Arc::new(root),
            Ok(Err(error)) => {
                tracing::warn!(%error, "No drive: its directory cannot be used");
                return None;
            }
            Err(_) => return None,
        };
        let folder_path = DrivePath::default().child(download::FOLDER).filter(|_| download);
        Some(Self {
            name: folder.name,
            rules: Rules { download, upload: folder.upload },
            takes_dropped: folder.takes_dropped,
            worker: Worker::new(Disk::new(Arc::clone(&root), label, folder_path)),
            root,
            batch: None,
            arrivals: Arrivals::default(),
            opened: Vec::new(),
            transfers: JoinSet::new(),
            sent: None,
            stalled: false,
            shown: false,
            object: None,
        })
    }

    /// Takes the server's requests and gives answers to these or to earlier ones. Without room for more of them nothing
    /// is begun.
    fn turn(&mut self, requests: Vec<ServerDriveIoRequest>, restarted: bool, room: bool) -> Vec<RdpdrPdu> {
        let mut replies = Vec::new();
        if restarted {
            self.worker.restart();
        }
        replies.extend(requests.into_iter().filter_map(|request| self.worker.request(request)));
        if let Some(sent) = self.sent.take() {
            self.arrivals.done();
            if sent.whole && !self.arrivals.is_waiting(&sent.path) {
                self.worker.work(Work::Remove(sent.path, sent.version));
            }
        }
        if let Some(batch) = self.batch.take() {
            let (outcome, opened) = self.worker.finish(batch);
            replies.extend(outcome.replies);
            outcome.arrived.into_iter().for_each(|path| self.arrivals.add(path));
            self.opened.extend(opened);
        }
        while let Some(path) = self.arrivals.next() {
            self.worker.work(Work::Open(path));
        }
        self.stalled = !room;
        if room {
            self.worker.start();
        }
        replies
    }

    /// Waits for a batch or a transfer. What was done is kept for [`turn`](Self::turn).
    async fn wake(&mut self) {
        if self.batch.is_some() || self.sent.is_some() {
            return;
        }
        let stalled = self.stalled && self.worker.is_due();
        tokio::select! {
            batch = self.worker.next() => self.batch = Some(batch),
            Some(done) = self.transfers.join_next(), if !self.transfers.is_empty() => match done {
                Ok(sent) => self.sent = sent,
                Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
                Err(_) => {}
            },
            () = tokio::time::sleep(UNSENT_PAUSE), if stalled => {}
        }
    }

    /// Shows the owner the file system, once.
    fn show<P: Picture>(&mut self, stage: &mut Stage<P>) {
        if std::mem::replace(&mut self.shown, true) {
            return;
        }
        match stage.expose_filesystem(FILESYSTEM_NAME) {
            Ok(object) => self.object = Some(object),
            Err(error) => tracing::debug!(%error, "Drive not shown"),
        }
        if self.takes_dropped {
            stage.accept_files(true);
        }
    }

    /// Sends files that were opened for the owner.
    fn offer<P: Picture>(&mut self, stage: &mut Stage<P>) {
        for Opened { path, file } in std::mem::take(&mut self.opened) {
            let offered = file.zip(path.name()).map(|((file, version), name)| {
                stage.send_file(filesystem::FILE_MIMETYPE, name).map(|download| (file, version, download))
            });
            let (file, version, download) = match offered {
                Some(Ok(offered)) => offered,
                Some(Err(error)) => {
                    tracing::debug!(%error, "File not sent");
                    if error == NotOffered::OwnerGone {
                        self.arrivals.clear();
                    }
                    self.arrivals.done();
                    continue;
                }
                None => {
                    tracing::debug!("File not sent: it is gone");
                    self.arrivals.done();
                    continue;
                }
            };
            self.transfers.spawn(async move {
                let sent = filesystem::deliver(file, download).await;
                if let Err(broken) = &sent {
                    tracing::debug!(%broken, "File stays in the folder");
                }
                Some(Sent { path, version, whole: sent.is_ok() })
            });
        }
    }

    /// Serves the owner. What is not for the drive comes back.
    fn handle(&mut self, event: Event) -> Option<Event> {
        let (root, rules) = (Arc::clone(&self.root), self.rules);
        match event {
            Event::Download(request) if Some(request.object()) == self.object => {
                self.transfers.spawn(async move {
                    filesystem::download(root, rules, request).await;
                    None
                });
                None
            }
            Event::Upload(request) if self.is_for_us(request.target()) => {
                self.transfers.spawn(async move {
                    filesystem::upload(root, rules, request).await;
                    None
                });
                None
            }
            event => Some(event),
        }
    }

    fn is_for_us(&self, target: &UploadTarget) -> bool {
        match target {
            UploadTarget::File { .. } => self.takes_dropped,
            UploadTarget::Object { object, .. } => Some(*object) == self.object,
            _ => false,
        }
    }
}

/// Opens the directory, makes it and its `Download` folder where that is wanted. Waits for the disk.
fn open_root(path: &str, create: bool, download: bool) -> io::Result<Dir> {
    use std::os::unix::fs::DirBuilderExt as _;
    let ignore_existing = |made: io::Result<()>| match made {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        made => made,
    };
    if create {
        ignore_existing(std::fs::DirBuilder::new().mode(files::DIRECTORY_MODE).create(path))?;
    }
    let root = Dir::open_ambient_dir(path, ambient_authority())?;
    if download {
        let mut builder = cap_std::fs::DirBuilder::new();
        cap_std::fs::DirBuilderExt::mode(&mut builder, files::DIRECTORY_MODE);
        if let Err(error) = ignore_existing(root.create_dir_with(download::FOLDER, &builder)) {
            tracing::warn!(%error, "The drive has no Download folder");
        }
    }
    Ok(root)
}
