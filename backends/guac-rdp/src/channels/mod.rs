//! Virtual channels: each is one file here, with a processor for the server's side and a [`Channel`] for ours.

mod audio;
mod bounds;
mod clipboard;
mod microphone;
mod pipes;
#[cfg(test)]
mod testing;
mod touch;

use futures_util::future::BoxFuture;
use guac_display::Surface;
use guac_session::{Event, Params, Stage};
use ironrdp_dvc::DrdynvcClient;
use ironrdp_svc::StaticChannelSet;

use self::audio::Audio;
pub(crate) use self::bounds::{Bounds, Verdict};
#[cfg(feature = "_fuzz")]
pub(crate) use self::clipboard::ClipboardProcessor;
use self::clipboard::{Clipboard, ClipboardRules};
use self::microphone::Microphone;
use self::pipes::Pipes;
use self::touch::Touch;
use crate::{RdpError, drive::Drive, link::Link, params::RdpParams};

/// Our end of a virtual channel, or of several that serve one purpose.
pub(crate) trait Channel: Send {
    /// Adds the processors before the connection begins; called again with new ones for each further attempt to
    /// connect. Only what parameters allow is offered to the server.
    fn attach(&mut self, fixed: &mut StaticChannelSet, dynamic: &mut DrdynvcClient);

    /// What a user said; the event comes back where it is none of this channel's.
    fn handle(&mut self, event: Event, link: &mut Link, stage: &mut Stage<Surface>) -> Result<Option<Event>, RdpError> {
        let _ = (link, stage);
        Ok(Some(event))
    }

    /// Called after each PDU of the server's and after [`wake`](Self::wake): takes what the processors have for users
    /// and sends what they have for the server.
    fn poll(&mut self, link: &mut Link, stage: &mut Stage<Surface>) -> Result<(), RdpError>;

    /// Done when there is something to [`poll`](Self::poll) that no PDU brought. For ever where that cannot be.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped: it is made anew for every turn of the session's loop.
    fn wake(&mut self) -> BoxFuture<'_, ()> {
        Box::pin(std::future::pending())
    }
}

/// All channels that the parameters want.
///
/// # Cancel safety
/// If the future is dropped the directory of the drive may have been made.
pub(crate) async fn channels(rdp: &RdpParams, params: &Params) -> Vec<Box<dyn Channel>> {
    let mut channels: Vec<Box<dyn Channel>> = vec![Box::new(Clipboard::new(ClipboardRules::from_params(params)))];
    let drive = Drive::open(rdp.drive.clone()).await;
    // Windows shares no drive with a client that has no sound card.
    if rdp.audio || drive.is_some() {
        channels.push(Box::new(Audio::new(rdp.audio)));
    }
    if rdp.audio_input {
        channels.push(Box::<Microphone>::default());
    }
    if rdp.touch {
        channels.push(Box::new(Touch::new()));
    }
    if let Some(pipes) = Pipes::from_names(&rdp.static_channels) {
        channels.push(Box::new(pipes));
    }
    if let Some(drive) = drive {
        channels.push(Box::new(drive));
    }
    channels
}
