//! The graphics pipeline: surfaces and codecs of its own, over a dynamic channel.
//!
//! # Specification
//! MS-RDPEGFX.

use ironrdp_core::impl_as_any;
use ironrdp_dvc::{DvcClientProcessor, DvcMessage, DvcProcessor};
use ironrdp_egfx::CHANNEL_NAME;
use ironrdp_pdu::PduResult;

/// The channel's end. It only keeps what arrives: [`super::Graphics`] has the surface to draw on.
#[derive(Default)]
pub(crate) struct Pipeline {
    arrived: Vec<Vec<u8>>,
}

impl_as_any!(Pipeline);

impl DvcProcessor for Pipeline {
    fn channel_name(&self) -> &str {
        CHANNEL_NAME
    }

    fn start(&mut self, _channel_id: u32) -> PduResult<Vec<DvcMessage>> {
        Ok(Vec::new())
    }

    fn process(&mut self, _channel_id: u32, payload: &[u8]) -> PduResult<Vec<DvcMessage>> {
        self.arrived.push(payload.to_vec());
        Ok(Vec::new())
    }
}

impl DvcClientProcessor for Pipeline {}
