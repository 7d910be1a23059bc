//! The doors of an intercepted link: downloads out of it, uploads into it.

use std::fmt;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _};
use guac_protocol::{Status, StreamIndex};
use tokio::time::timeout;

use crate::intercept::{Shared, upgrade};
use crate::mux::InterceptId;

/// The session must begin a download by then. It does so at once when it has such a stream open and ignores us when
/// it has not, so this is how a stream that is not there is noticed.
const FIRST_DATA: Duration = Duration::from_secs(20);

/// The session must answer a blob by then: a file server behind it may be slow, but not dead.
const ANSWER: Duration = Duration::from_secs(60);

/// A body must go on by then: one that has stopped must not keep its place for good.
const BODY: Duration = Duration::from_secs(60);

/// What went wrong with an intercepted stream, sorted by blame.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StreamError {
    /// *Caller.* No such stream is open.
    #[error("no such stream")]
    NoSuchStream,
    /// *Caller.* Another request has the stream already.
    #[error("the stream is in use")]
    InUse,
    /// *Caller.* As many streams are attached as a tunnel may have.
    #[error("more than {limit} streams of a tunnel at once")]
    TooMany {
        /// How many may be.
        limit: usize,
    },
    /// *Caller.* The body of an upload broke off or stopped.
    #[error("the body could not be read")]
    Body(#[source] Option<Box<dyn std::error::Error + Send + Sync>>),
    /// *Upstream.* The session, or the browser in its name, ended the stream with an error.
    #[error("the stream ended with {status}")]
    Refused {
        /// Why.
        status: Status,
        /// For people.
        message: Box<str>,
    },
    /// *Upstream.* The session sent more than it was asked for and than is kept.
    #[error("more than {limit_bytes} bytes wait for their reader")]
    Overrun {
        /// How much is kept.
        limit_bytes: usize,
    },
    /// *Upstream.* The session sent something that is no base64.
    #[error("the session sent malformed data")]
    Malformed,
    /// *Upstream.* The session did not answer.
    #[error("the session did not answer for {limit:?}")]
    Silent {
        /// How long was waited.
        limit: Duration,
    },
    /// *Environment.* The tunnel or the stream was closed meanwhile.
    #[error("the stream was closed")]
    Closed,
}

impl StreamError {
    pub(crate) fn refused(status: Status, message: &str) -> Self {
        Self::Refused { status, message: message.into() }
    }

    /// What to tell the caller.
    #[must_use]
    pub fn status(&self) -> Status {
        match self {
            Self::NoSuchStream => Status::ResourceNotFound,
            Self::InUse => Status::ResourceConflict,
            Self::TooMany { .. } => Status::ClientTooMany,
            Self::Body(_) => Status::ClientBadRequest,
            Self::Refused { status, .. } => *status,
            Self::Overrun { .. } | Self::Malformed => Status::UpstreamError,
            Self::Silent { .. } => Status::UpstreamTimeout,
            Self::Closed => Status::ResourceClosed,
        }
    }

    /// A sentence that is safe to show to the user.
    #[must_use]
    pub fn message(&self) -> &str {
        match self {
            Self::NoSuchStream => "No such stream.",
            Self::InUse => "The stream is in use by another request.",
            Self::TooMany { .. } => "Too many transfers at once.",
            Self::Body(_) => "The request body could not be read.",
            Self::Refused { message, .. } if !message.is_empty() => message,
            Self::Refused { .. } => "The remote side refused.",
            Self::Overrun { .. } | Self::Malformed => "The remote side sent something that is not understood.",
            Self::Silent { .. } => "The remote side does not answer.",
            Self::Closed => "The stream was closed.",
        }
    }
}

/// The streams of a live tunnel, for requests that are no part of it; clones are the same.
///
/// It does not keep the tunnel: once that is over, nothing can be attached any more.
#[derive(Clone)]
pub struct StreamsHandle {
    pub(crate) shared: Weak<Shared>,
}

impl fmt::Debug for StreamsHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamsHandle").field("live", &(self.shared.strong_count() > 0)).finish_non_exhaustive()
    }
}

impl StreamsHandle {
    /// Leads the session's stream of this index to the caller, asks the session to begin, and returns with the first
    /// data (T-059). The session goes on as fast as the returned stream is read and the browser keeps up (T-064).
    ///
    /// # Errors
    /// [`StreamError::NoSuchStream`] also when the session does not begin; [`StreamError::InUse`],
    /// [`StreamError::TooMany`], [`StreamError::Closed`].
    ///
    /// # Cancel safety
    /// Dropping the future, or the download, tells the session that nobody reads the stream any more.
    pub async fn download(&self, stream: StreamIndex) -> Result<Download, StreamError> {
        let shared = upgrade(&self.shared).ok_or(StreamError::Closed)?;
        let id = shared.with_bulk(|bulk, _| bulk.mux.attach_download(stream)).ok_or(StreamError::Closed)??;
        let download = Download { place: Place { shared, id }, over: false };
        timeout(FIRST_DATA, poll_fn(|cx| download.poll_first(cx))).await.map_err(|_| StreamError::NoSuchStream)??;
        Ok(download)
    }

    /// Feeds the browser's stream of this index with a body, blob by blob as the session takes them (T-060), and
    /// returns once the session has answered the last. The stream stays open: more may follow (T-061).
    ///
    /// # Errors
    /// [`StreamError::NoSuchStream`] if the browser has no such stream open, [`StreamError::Refused`] with the
    /// session's status (T-062), [`StreamError::Body`] when the body breaks off, and as for a download.
    ///
    /// # Cancel safety
    /// Not cancel safe: a body that is not read to its end ends the stream.
    pub async fn upload<S, E>(&self, stream: StreamIndex, body: S) -> Result<(), StreamError>
    where
        S: Stream<Item = Result<Bytes, E>>,
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let shared = upgrade(&self.shared).ok_or(StreamError::Closed)?;
        let attached = shared.with_bulk(|bulk, open| {
            if open.contains(stream) { bulk.mux.attach_upload(stream) } else { Err(StreamError::NoSuchStream) }
        });
        let id = attached.ok_or(StreamError::Closed)??;
        let place = Place { shared, id };
        let mut body = pin!(body);
        let silent = |_| StreamError::Silent { limit: ANSWER };
        while let Some(piece) = timeout(BODY, body.next()).await.map_err(|_| StreamError::Body(None))? {
            let mut piece = piece.map_err(|error| StreamError::Body(Some(error.into())))?;
            while !piece.is_empty() {
                timeout(ANSWER, poll_fn(|cx| place.poll_push(&mut piece, cx))).await.map_err(silent)??;
            }
        }
        timeout(ANSWER, poll_fn(|cx| place.poll_finish(cx))).await.map_err(silent)?
    }
}

/// An interception; dropping it ends it.
struct Place {
    shared: Arc<Shared>,
    id: InterceptId,
}

impl Place {
    fn poll_push(&self, piece: &mut Bytes, cx: &mut Context<'_>) -> Poll<Result<(), StreamError>> {
        let pushed = self.shared.with_bulk(|bulk, _| {
            bulk.register(self.id, cx.waker());
            bulk.mux.push_upload(self.id, piece)
        });
        match pushed {
            Some(Ok(true)) => Poll::Ready(Ok(())),
            Some(Ok(false)) => Poll::Pending,
            Some(Err(error)) => Poll::Ready(Err(error)),
            None => Poll::Ready(Err(StreamError::Closed)),
        }
    }

    fn poll_finish(&self, cx: &mut Context<'_>) -> Poll<Result<(), StreamError>> {
        let finished = self.shared.with_bulk(|bulk, _| {
            bulk.register(self.id, cx.waker());
            bulk.mux.finish_upload(self.id)
        });
        match finished {
            Some(Ok(true)) => Poll::Ready(Ok(())),
            Some(Ok(false)) => Poll::Pending,
            Some(Err(error)) => Poll::Ready(Err(error)),
            None => Poll::Ready(Err(StreamError::Closed)),
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let id = self.id;
        self.shared.with_bulk(|bulk, _| {
            bulk.mux.detach(id);
            bulk.forget(id);
        });
    }
}

/// The data of a server's stream. An error is its last item; without one the session has said that it is whole.
pub struct Download {
    place: Place,
    over: bool,
}

impl fmt::Debug for Download {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Download").field("over", &self.over).finish_non_exhaustive()
    }
}

impl Download {
    /// Waits until there is something to read, or an error instead.
    fn poll_first(&self, cx: &mut Context<'_>) -> Poll<Result<(), StreamError>> {
        let id = self.place.id;
        let begun = self.place.shared.with_bulk(|bulk, _| {
            bulk.register(id, cx.waker());
            bulk.mux.begin_download(id)
        });
        begun.unwrap_or(Poll::Ready(Err(StreamError::Closed)))
    }
}

impl Stream for Download {
    type Item = Result<Bytes, StreamError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.over {
            return Poll::Ready(None);
        }
        let id = self.place.id;
        let taken = self.place.shared.with_bulk(|bulk, _| {
            bulk.register(id, cx.waker());
            bulk.mux.take_download(id)
        });
        let item = std::task::ready!(taken.unwrap_or(Poll::Ready(Some(Err(StreamError::Closed)))));
        self.over = !matches!(item, Some(Ok(_)));
        Poll::Ready(item)
    }
}
