//! From changed pixels to Guacamole drawing instructions, without I/O.
//!
//! A [`Picture`] is whatever the default layer shows: a framebuffer ([`Surface`]) or something that makes pixels on
//! demand, such as a terminal. It reports its [`Changes`]; at the end of a frame [`Display::plan`] turns them into a
//! [`FramePlan`]: instructions that need no pixels, and [`EncodeJob`]s that may run on any thread. Put together in
//! order they are one frame, encoded once whatever the number of users.
//!
//! ```
//! use guac_display::{Display, ImageSupport, Rect, Size, Surface};
//!
//! let mut surface = Surface::new(Size::new(640, 480)?);
//! surface.fill(Rect::new(0, 0, 64, 64), 0x00FF_0000);
//! let mut display = Display::new();
//! let plan = display.plan(&mut surface, ImageSupport::default(), false);
//! let frame: Vec<u8> = plan.encode_here();
//! assert!(frame.starts_with(b"4.size,1.0,3.640,3.480;"));
//! # Ok::<(), guac_display::SizeError>(())
//! ```
#![forbid(unsafe_code)]

mod changes;
mod cursor;
mod display;
mod encode;
mod picture;
mod plan;
mod rect;
mod surface;

pub use changes::{Changes, CopyOp};
pub use cursor::{Cursor, CursorError, MAX_CURSOR_SIDE_PX};
pub use display::{Display, FramePlan};
pub use encode::{Codec, EncodeJob, ImageSupport};
pub use picture::Picture;
pub use rect::{Rect, Size, SizeError};
pub use surface::Surface;
