//! Waiting for what should appear.

use std::time::Duration;

use guac_canvas::{Image, Rect};
use tokio::time::{Instant, timeout};

use crate::{Client, ClientError};

impl Client {
    /// Waits for a frame after number `after` (0: for the first) and gives its number.
    ///
    /// # Errors
    /// [`ClientError::Timeout`], [`ClientError::Ended`].
    ///
    /// # Cancel safety
    /// Cancel safe, as all waiting is.
    pub async fn wait_frame(&self, after: u64, limit: Duration) -> Result<u64, ClientError> {
        self.shared.until("a frame", limit, |view| (view.frame > after).then_some(view.frame)).await
    }

    /// Waits until nothing was drawn for `quiet`, counted from now at the earliest, and gives the picture.
    ///
    /// # Errors
    /// [`ClientError::Timeout`], [`ClientError::Ended`].
    pub async fn wait_until_still(&self, quiet: Duration, limit: Duration) -> Result<Image, ClientError> {
        let (what, begin) = ("rest on the screen", Instant::now());
        let still = async {
            let mut changes = self.shared.view.subscribe();
            loop {
                let (frame, drawn_at) = {
                    let view = changes.borrow_and_update();
                    if let Some(end) = &view.end {
                        return Err(end.error());
                    }
                    (view.frame, view.drawn_at.max(begin))
                };
                if frame > 0 && drawn_at.elapsed() >= quiet {
                    let image = self.picture(what, limit, frame).await?;
                    if self.shared.view.borrow().drawn_at <= drawn_at {
                        return Ok(image);
                    }
                    continue;
                }
                // Before the first frame there is nothing that could be still.
                let rest = if frame > 0 { quiet.saturating_sub(drawn_at.elapsed()) } else { limit };
                let _ = timeout(rest, changes.changed()).await;
            }
        };
        timeout(limit, still).await.map_err(|_| ClientError::Timeout { what, limit })?
    }

    /// Waits until a picture shows on the display, and says where. `region` bounds the search (the whole display if
    /// `None`), `tolerance` is what each colour may differ by; transparent pixels of the template fit anything.
    ///
    /// # Errors
    /// [`ClientError::Timeout`], [`ClientError::Ended`].
    pub async fn wait_for_image(
        &self,
        template: &Image,
        region: Option<Rect>,
        tolerance: u8,
        limit: Duration,
    ) -> Result<Rect, ClientError> {
        let what = "the picture looked for";
        let search = async {
            let mut changes = self.shared.view.subscribe();
            let mut seen = None;
            loop {
                let drawn_frame = changes.borrow_and_update().drawn_frame;
                if seen != Some(drawn_frame) || drawn_frame == 0 {
                    let screen = self.picture(what, limit, 0).await?;
                    let template = template.clone();
                    // Some milliseconds of work on a large display, and nothing is locked.
                    let search = tokio::task::spawn_blocking(move || screen.find(&template, region, tolerance));
                    if let Ok(Some(found)) = search.await {
                        return Ok(found);
                    }
                    seen = Some(drawn_frame);
                }
                if let Some(error) = self.shared.end() {
                    return Err(error);
                }
                let _ = changes.changed().await;
            }
        };
        timeout(limit, search).await.map_err(|_| ClientError::Timeout { what, limit })?
    }

    /// Waits for a title that `wanted` accepts, and gives it.
    ///
    /// # Errors
    /// [`ClientError::Timeout`], [`ClientError::Ended`].
    pub async fn wait_for_title(
        &self,
        mut wanted: impl FnMut(&str) -> bool,
        limit: Duration,
    ) -> Result<String, ClientError> {
        let look = |view: &crate::view::View| view.title.as_deref().filter(|title| wanted(title)).map(str::to_owned);
        self.shared.until("the title", limit, look).await
    }

    /// Waits for a clipboard that `wanted` accepts, and gives it.
    ///
    /// # Errors
    /// [`ClientError::Timeout`], [`ClientError::Ended`].
    pub async fn wait_for_clipboard(
        &self,
        mut wanted: impl FnMut(&str) -> bool,
        limit: Duration,
    ) -> Result<String, ClientError> {
        let look = |view: &crate::view::View| view.clipboard.as_deref().filter(|text| wanted(text)).map(str::to_owned);
        self.shared.until("the clipboard", limit, look).await
    }

    /// Waits until the display has this size, in pixels.
    ///
    /// # Errors
    /// [`ClientError::Timeout`], [`ClientError::Ended`].
    pub async fn wait_for_size(&self, width_px: u32, height_px: u32, limit: Duration) -> Result<(), ClientError> {
        self.shared.until("the size", limit, |view| (view.size == (width_px, height_px)).then_some(())).await
    }

    /// Waits for the session's end and gives its reason, which is [`ClientError::Ended`].
    ///
    /// # Errors
    /// [`ClientError::Timeout`].
    pub async fn wait_for_end(&self, limit: Duration) -> Result<ClientError, ClientError> {
        self.shared.until("the end", limit, |view| view.end.as_ref().map(|end| end.error())).await
    }
}
