//! Logins: who is in, how a request proves it, and how guessing is slowed down.

mod caller;
mod cookie;
mod session;
mod throttle;

pub(crate) use caller::{COOKIE_HEADER, Caller, Proof};
pub(crate) use cookie::{clear_cookie, session_cookie};
pub(crate) use session::{Seal, Session, Sessions, Token};
pub(crate) use throttle::Throttle;
