//! One live remote desktop connection: an owner, any number of joined users, one picture.
//!
//! A [`Backend`] speaks a remote desktop protocol. Its [`run`](Backend::run) future **is** the session's one task: it
//! owns the upstream's socket and, through [`Stage`], the picture, the frames and everything users say. There is no
//! lock around pixels and no second owner of anything.
//!
//! ```text
//! User ── InputEvent ─► mailbox (256, waits) ─► Stage::next ─► Backend ─► upstream
//! User ◄─ Bytes ◄─ broadcast ring ◄─ one frame ◄─ EncodePool ◄─ Display::plan ◄─ Picture ◄─ Backend ◄─ upstream
//! ```
//!
//! Every frame is encoded once and shared. A user who falls behind the ring loses his place and gets a snapshot; he is
//! never skipped within a stream of instructions and never buffered without bound.
//!
//! Which machines a session may reach is the hub's to say: see [`Targets`], which every backend connects through.
//!
//! Files go through bounded queues beside all that: [`Event::Download`] and [`Event::Upload`] give a backend the end of
//! one, which it serves in a task of its own, while the session sends a blob per acknowledgement behind frames and
//! input.
//!
//! ```
//! use futures_util::future::BoxFuture;
//! use guac_display::{Rect, Size, Surface};
//! use guac_session::{Backend, Event, Hub, Params, SessionEnd, Start};
//!
//! struct Grey;
//! impl Backend for Grey {
//!     fn protocol(&self) -> &'static str { "grey" }
//!     fn parameters(&self) -> &'static [&'static str] { &["shade"] }
//!     fn run(&self, start: Start) -> BoxFuture<'static, Result<(), SessionEnd>> {
//!         Box::pin(async move {
//!             let size = Size::new(64, 64).map_err(|_| SessionEnd::internal())?;
//!             let (_params, mut stage) = start.stage(Surface::new(size));
//!             stage.picture().fill(Rect::new(0, 0, 64, 64), 0x0080_8080);
//!             stage.frame_end();
//!             while !matches!(stage.next().await, Event::Ended) {}
//!             Ok(())
//!         })
//!     }
//! }
//!
//! # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
//! # runtime.block_on(async {
//! let hub = Hub::new(vec![Box::new(Grey)], 1);
//! let (id, mut user) = hub.open("grey", Params::default(), Default::default())?;
//! assert!(user.recv().await.is_some_and(|frame| frame.starts_with(b"4.size,1.0,2.64,2.64;")));
//! # let _ = id;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]

mod audio;
mod backend;
mod broadcast;
mod core;
mod encode_pool;
mod error;
mod files;
mod input;
mod pace;
mod params;
mod recording;
mod requests;
mod session;
mod shared;
mod slots;
mod stage;
mod stream;
mod sync;
mod targets;
mod transfer;
mod user;
mod wake;

pub use audio::AudioInput;
pub use backend::{Backend, Start};
pub use error::{OpenError, SessionEnd, UserGone};
pub use input::{Event, UserKey};
pub use params::Params;
pub use session::{Hub, SessionInfo};
pub use stage::{NotAskable, NotOffered, Stage};
pub use targets::{InvalidTargetRule, Resolver, TargetError, TargetRule, Targets};
pub use transfer::{Download, DownloadRequest, TransferGone, Upload, UploadRequest, UploadTarget};
pub use user::{User, UserReceiver, UserSender};
pub use wake::WakeOnLan;
