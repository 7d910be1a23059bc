//! The desktop that follows the window: the Display Control channel ([MS-RDPEDISP]).

use std::time::Duration;

use ironrdp_displaycontrol::client::DisplayControlClient;
use ironrdp_dvc::DrdynvcClient;
use tokio::time::{Instant, sleep_until};

use crate::{RdpError, link::Link, params::ResizeMethod};

/// Least time between two resizes, as in guacd: each is a new picture on the server.
const INTERVAL: Duration = Duration::from_millis(500);

/// What size the desktop should have, and when it may be asked for.
#[derive(Debug)]
pub(crate) struct Resizing {
    method: ResizeMethod,
    /// The desktop's size, or the one last asked for.
    asked: (u16, u16),
    /// Pixels of the largest desktop that was asked for.
    largest_px: usize,
    /// A size not yet asked for.
    wanted: Option<(u16, u16)>,
    not_before: Instant,
}

/// What is to be done about the size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Nothing,
    /// Connect anew.
    Reconnect,
}

impl Resizing {
    pub(crate) fn new(method: ResizeMethod, size: (u16, u16)) -> Self {
        Self { method, asked: size, largest_px: area_px(size), wanted: None, not_before: Instant::now() }
    }

    /// This size was asked for elsewhere.
    pub(crate) fn was_asked(&mut self, size: (u16, u16)) {
        self.largest_px = self.largest_px.max(area_px(size));
    }

    /// Pixels of the largest desktop that the user has asked for so far.
    pub(crate) fn largest_px(&self) -> usize {
        self.largest_px
    }

    /// Adds the channel, if it is used.
    pub(crate) fn attach(method: ResizeMethod, dynamic: &mut DrdynvcClient) {
        if method == ResizeMethod::DisplayUpdate {
            // What was wanted before the server is ready is asked for in `poll`.
            dynamic.attach_dynamic_channel(DisplayControlClient::new(|_| Ok(Vec::new())));
        }
    }

    /// The window has another size.
    pub(crate) fn want(&mut self, size: (u16, u16)) {
        if self.method != ResizeMethod::None {
            self.wanted = Some(size).filter(|size| *size != self.asked);
        }
    }

    /// The desktop has this size now, whoever wanted it.
    pub(crate) fn happened(&mut self, size: (u16, u16)) {
        self.asked = size;
        self.wanted = self.wanted.filter(|wanted| *wanted != size);
    }

    /// Asks for what is wanted, if it is time and the server listens.
    pub(crate) fn poll(&mut self, link: &mut Link) -> Result<Step, RdpError> {
        let Some((width, height)) = self.wanted else { return Ok(Step::Nothing) };
        let now = Instant::now();
        if now < self.not_before {
            return Ok(Step::Nothing);
        }
        if self.method == ResizeMethod::Reconnect {
            return Ok(Step::Reconnect);
        }
        let messages = {
            let Some(channel) = link.channels.get_dvc::<DisplayControlClient>() else { return Ok(Step::Nothing) };
            if !channel.processor().ready() {
                return Ok(Step::Nothing);
            }
            let id = channel.channel_id();
            channel.processor().encode_single_primary_monitor(id, width.into(), height.into(), None, None)
        };
        self.not_before = now + INTERVAL;
        self.asked = (width, height);
        self.was_asked((width, height));
        self.wanted = None;
        link.send_static::<DrdynvcClient>(messages.map_err(RdpError::encode)?)?;
        Ok(Step::Nothing)
    }

    /// Done when [`poll`](Self::poll) may have something to do that nothing else brings up.
    pub(crate) async fn due(&self) {
        match self.wanted {
            Some(_) if self.not_before > Instant::now() => sleep_until(self.not_before).await,
            _ => std::future::pending().await,
        }
    }
}

/// Pixels of a desktop.
pub(crate) fn area_px((width, height): (u16, u16)) -> usize {
    usize::from(width) * usize::from(height)
}
