//! What users want to read and write, until it is their turn.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound;
use std::sync::Arc;
use std::task::{Context, Poll};

use guac_protocol::{MAX_STREAMS, ObjectIndex, Status, StreamIndex};

use crate::core::{Core, Member};
use crate::files::refusal;
use crate::input::{Event, StreamAnswer, StreamKind, StreamOpen, UserKey};
use crate::shared::Shared;
use crate::slots::Slots;
use crate::stage::NotOffered;
use crate::transfer::{Download, DownloadRequest, UploadRequest, UploadTarget};

/// Transfers of a session at once, in each direction; further ones wait for their turn. Each has up to 100 KiB of data
/// in its queue and what its backend reads ahead, and more of them are no faster.
const MAX_TRANSFERS: usize = 8;

/// Requests of a session that may wait: a page that uploads a folder opens all of its files at once. Each costs some
/// names and two small queues.
const MAX_WAITING: usize = 256;

/// A request whose turn has not come.
#[derive(Debug)]
enum Waiting {
    Download { user: UserKey, object: ObjectIndex, name: String },
    Upload(UploadRequest),
}

/// The requests of all users, first come first served.
#[derive(Debug)]
pub(crate) struct Requests {
    waiting: VecDeque<Waiting>,
    downloads: Slots,
    uploads: Slots,
    files: bool,
    /// The user whose transfers had their turn last.
    turn: Option<UserKey>,
}

impl Requests {
    pub(crate) fn new(shared: &Arc<Shared>) -> Self {
        let slots = || Slots::new(MAX_TRANSFERS, Arc::clone(shared));
        Self { waiting: VecDeque::new(), downloads: slots(), uploads: slots(), files: false, turn: None }
    }

    pub(crate) fn accept_files(&mut self, accept: bool) {
        self.files = accept;
    }
}

impl Core {
    /// A user asks for a stream of an object. Objects are the owner's: nobody else knows any.
    pub(crate) fn request_download(&mut self, user: UserKey, object: ObjectIndex, name: String) {
        let Some(member) = self.members.get(&user) else { return };
        let status = if !member.files.knows(object) {
            Status::ResourceNotFound
        } else if self.requests.waiting.len() >= MAX_WAITING {
            Status::ClientTooMany
        } else {
            self.requests.waiting.push_back(Waiting::Download { user, object, name });
            return;
        };
        self.send_private(user, crate::user::Private::Bytes(refusal(&name, status).into()));
    }

    /// A user opens a stream to upload. It is answered when the backend has it.
    pub(crate) fn request_upload(&mut self, user: UserKey, open: StreamOpen) {
        let is_owner = user == self.owner;
        let Some(member) = self.members.get_mut(&user) else { return };
        let StreamOpen { stream, kind, mimetype, name } = open;
        member.streams.forget(stream);
        let refused = if stream.0 >= MAX_STREAMS || self.requests.waiting.len() >= MAX_WAITING {
            ("too many streams", Status::ClientTooMany)
        } else if member.read_only {
            ("read only", Status::ClientForbidden)
        } else {
            let target = match kind {
                StreamKind::Put(object) if member.files.knows(object) => Ok(UploadTarget::Object { object, name }),
                StreamKind::Put(_) => Err(("no such object", Status::ResourceNotFound)),
                _ if self.requests.files => Ok(UploadTarget::File { filename: name }),
                _ => Err(("file transfer is off", Status::Unsupported)),
            };
            match target {
                Ok(target) => {
                    let (request, end) = UploadRequest::new(user, is_owner, target, mimetype);
                    member.files.open_upload(stream, end);
                    self.requests.waiting.push_back(Waiting::Upload(request));
                    return;
                }
                Err(refused) => refused,
            }
        };
        let (message, status) = refused;
        self.answer(user, StreamAnswer { stream, message, status });
    }

    /// The next request for which there is room.
    pub(crate) fn next_request(&mut self) -> Option<Event> {
        let mut at = 0;
        while at < self.requests.waiting.len() {
            let slots = match self.requests.waiting.get(at)? {
                Waiting::Download { .. } => &self.requests.downloads,
                Waiting::Upload(_) => &self.requests.uploads,
            };
            let Some(slot) = slots.take() else {
                at += 1;
                continue;
            };
            match self.requests.waiting.remove(at)? {
                Waiting::Download { user, object, name } => {
                    // Who left or saw the object go gets nothing.
                    let Some(member) = self.members.get_mut(&user) else { continue };
                    if member.files.knows(object) {
                        let (request, answer) = DownloadRequest::new(user, object, name.clone(), slot);
                        member.files.get(object, name, answer);
                        return Some(Event::Download(request));
                    }
                }
                Waiting::Upload(request) if request.is_gone() => {}
                Waiting::Upload(request) => return Some(Event::Upload(request.with_slot(slot))),
            }
        }
        None
    }

    /// Opens a stream to the owner that he did not ask for.
    pub(crate) fn push_stream(&mut self, opening: impl FnOnce(StreamIndex) -> Vec<u8>) -> Result<Download, NotOffered> {
        let owner = self.owner;
        let member = self.members.get_mut(&owner).ok_or(NotOffered::OwnerGone)?;
        let slot = self.requests.downloads.take_unasked().ok_or(NotOffered::TooMany)?;
        let (download, source) = Download::new(slot);
        let stream = member.files.push(source).ok_or(NotOffered::TooMany)?;
        self.send_private(owner, crate::user::Private::Bytes(opening(stream).into()));
        Ok(download)
    }
}

/// Instructions of one transfer that may go out, and to whom. Users take turns; those who are behind with reading are
/// passed over, so that files never fill the queue that all else needs.
pub(crate) fn poll_files(
    members: &mut BTreeMap<UserKey, Member>,
    requests: &mut Requests,
    cx: &mut Context<'_>,
) -> Poll<(UserKey, Vec<u8>)> {
    let (after, upto) = match requests.turn {
        Some(last) => (Bound::Excluded(last), Bound::Included(last)),
        // Nobody is before everybody.
        None => (Bound::Unbounded, Bound::Excluded(UserKey(0))),
    };
    for range in [(after, Bound::Unbounded), (Bound::Unbounded, upto)] {
        for (user, member) in members.range_mut(range) {
            if member.private.capacity() <= member.private.max_capacity() / 2 {
                continue;
            }
            if let Poll::Ready(out) = member.files.poll_output(cx) {
                requests.turn = Some(*user);
                return Poll::Ready((*user, out));
            }
        }
    }
    Poll::Pending
}
