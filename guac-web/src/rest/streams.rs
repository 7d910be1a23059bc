//! Files to and from a live session, beside its tunnel (T-059 to T-066).

use axum::body::Body;
use axum::extract::{Path, RawQuery, State};
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};
use guac_protocol::{StreamIndex, TunnelUuid};
use guac_tunnel::StreamsHandle;
use url::form_urlencoded;

use crate::auth::{Caller, Proof};
use crate::client::Client;
use crate::error::ApiError;
use crate::state::App;

/// What a download is unless the request says otherwise.
const OCTETS: &str = "application/octet-stream";

/// Where a stream is: tunnel, index, and a name that only the browser looks at (T-059, T-066).
type Place = Path<(String, String, String)>;

/// Tells that a browser asks for one of our pages, and which page asks. Scripts cannot set it.
const FETCH_SITE: &str = "sec-fetch-site";

/// Finds the streams of the caller's own tunnel.
///
/// A download is a link that the browser follows, which cannot have our page's header: there the browser's word that
/// our own page has asked counts with the cookie.
async fn find(
    app: &App,
    client: &Client,
    headers: &HeaderMap,
    query: &str,
    place: &Place,
) -> Result<(StreamsHandle, StreamIndex), ApiError> {
    let own_page = client.same_origin || headers.get(FETCH_SITE).is_some_and(|site| site == "same-origin");
    let proof = Proof::of(headers, Some(query), client.secure, own_page);
    let session = Caller::login(app, proof.token.as_ref()).await?;
    let Path((uuid, index, _)) = place;
    let no_tunnel = || ApiError::not_found("No such tunnel.");
    let uuid: TunnelUuid = uuid.parse().map_err(|_| no_tunnel())?;
    let streams = app.registry.streams(&uuid, session.key).ok_or_else(no_tunnel)?;
    let index = index.parse().map_err(|_| ApiError::not_found("No such stream."))?;
    Ok((streams, StreamIndex(index)))
}

/// `GET`: what the session sends on one of its streams, as a file.
pub(crate) async fn download(
    State(app): State<App>,
    client: Client,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
    place: Place,
) -> Result<Response, ApiError> {
    let query = query.unwrap_or_default();
    let (streams, index) = find(&app, &client, &headers, &query, &place).await?;
    let asked = form_urlencoded::parse(query.as_bytes()).find(|(name, value)| name == "type" && !value.is_empty());
    let media_type = asked.and_then(|(_, value)| HeaderValue::try_from(&*value).ok());
    let media_type = media_type.unwrap_or(HeaderValue::from_static(OCTETS));
    let attachment = !is_harmless(&media_type);
    let mut response = Body::from_stream(streams.download(index).await?).into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, media_type);
    if attachment {
        headers.insert(CONTENT_DISPOSITION, HeaderValue::from_static("attachment"));
    }
    Ok(response)
}

/// Whether a browser may show this by itself. Stock attaches [`OCTETS`] only; here whatever could carry code of the
/// machine's into our origin is saved rather than shown, too.
fn is_harmless(media_type: &HeaderValue) -> bool {
    let text = media_type.to_str().unwrap_or_default().to_ascii_lowercase();
    let kind = text.split(';').next().unwrap_or_default().trim();
    match kind.split_once('/') {
        Some(("image", format)) => format != "svg+xml",
        Some(("audio" | "video", _)) => true,
        _ => matches!(kind, "text/plain" | "application/pdf"),
    }
}

/// `POST`: the body goes into one of the browser's streams, which stays open (T-061).
pub(crate) async fn upload(
    State(app): State<App>,
    client: Client,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
    place: Place,
    body: Body,
) -> Result<StatusCode, ApiError> {
    let query = query.unwrap_or_default();
    let (streams, index) = find(&app, &client, &headers, &query, &place).await?;
    streams.upload(index, body.into_data_stream()).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_run_in_our_origin_is_saved_and_not_shown() {
        for (kind, shown) in [
            (OCTETS, false),
            ("text/html", false),
            ("Image/SVG+xml; charset=x", false),
            ("application/xhtml+xml", false),
            ("nonsense", false),
            ("image/png", true),
            ("text/plain; charset=utf-8", true),
            ("application/pdf", true),
        ] {
            assert_eq!(is_harmless(&HeaderValue::from_static(kind)), shown, "{kind}");
        }
    }
}
