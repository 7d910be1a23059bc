//! The web application's files, in the binary.

use axum::http::header::{ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, ETAG, IF_NONE_MATCH, VARY};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use rust_embed::{Embed, EmbeddedFile};

/// What `npm run build` makes in `web/`. Built without it, the program works and says what is missing.
#[derive(Embed)]
#[folder = "../web/dist/"]
#[allow_missing = true]
struct Dist;

const INDEX: &str = "index.html";

/// Files below have a digest of their content in their name, so that what a name stands for never changes.
const HASHED: &str = "assets/";

const NOT_BUILT: &str = "The web app was not built: run npm ci && npm run build in web/, then build the program again.";

/// Encodings that files may be there in, the smallest first.
const ENCODINGS: [(&str, &str); 2] = [("br", ".br"), ("gzip", ".gz")];

/// Serves one file; the page itself for the root.
pub(crate) async fn file(method: Method, uri: Uri, headers: HeaderMap) -> Response {
    let path = uri.path().trim_start_matches('/');
    let path = if path.is_empty() { INDEX } else { path };
    if method != Method::GET && method != Method::HEAD {
        return StatusCode::METHOD_NOT_ALLOWED.into_response();
    }
    match Dist::get(path) {
        Some(plain) => serve(path, plain, &headers),
        None if path == INDEX => (StatusCode::SERVICE_UNAVAILABLE, NOT_BUILT).into_response(),
        None => (StatusCode::NOT_FOUND, "Not found.").into_response(),
    }
}

fn serve(path: &str, plain: EmbeddedFile, headers: &HeaderMap) -> Response {
    // One tag for all encodings: it names the content, and is weak for that reason.
    let tag = format!("W/\"{}\"", hex(&plain.metadata.sha256_hash()));
    let caching = if path.starts_with(HASHED) { "public, max-age=31536000, immutable" } else { "no-cache" };
    let common = [
        (CACHE_CONTROL, HeaderValue::from_static(caching)),
        (ETAG, HeaderValue::try_from(&tag).unwrap_or(HeaderValue::from_static("W/\"\""))),
        (VARY, HeaderValue::from_static("accept-encoding")),
    ];
    let known = headers.get(IF_NONE_MATCH).and_then(|value| value.to_str().ok());
    if known.is_some_and(|known| known.split(',').any(|known| known.trim() == tag || known.trim() == "*")) {
        return (StatusCode::NOT_MODIFIED, common).into_response();
    }
    let kind = [(CONTENT_TYPE, HeaderValue::from_static(content_type(path)))];
    for (encoding, suffix) in ENCODINGS {
        if accepts(headers, encoding)
            && let Some(small) = Dist::get(&format!("{path}{suffix}"))
        {
            let encoding = [(CONTENT_ENCODING, HeaderValue::from_static(encoding))];
            return (common, kind, encoding, small.data).into_response();
        }
    }
    (common, kind, plain.data).into_response()
}

/// Whether an encoding is named and not refused by `q=0`.
fn accepts(headers: &HeaderMap, encoding: &str) -> bool {
    let accepted = headers.get_all(ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    accepted.flat_map(|value| value.split(',')).any(|entry| {
        let (name, quality) = entry.split_once(';').unwrap_or((entry, ""));
        let refused = quality.trim().strip_prefix("q=").is_some_and(|q| q.parse::<f32>().is_ok_and(|q| q <= 0.0));
        name.trim().eq_ignore_ascii_case(encoding) && !refused
    })
}

fn content_type(path: &str) -> &'static str {
    match path.rsplit_once('.').map_or("", |(_, extension)| extension) {
        "html" => "text/html; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "json" | "map" => "application/json",
        "webmanifest" => "application/manifest+json",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "ico" => "image/x-icon",
        "webp" => "image/webp",
        "woff2" => "font/woff2",
        "wasm" => "application/wasm",
        "txt" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(accept: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(ACCEPT_ENCODING, HeaderValue::from_static(accept))])
    }

    #[test]
    fn an_encoding_counts_when_named_and_not_refused() {
        assert!(accepts(&headers("gzip, deflate, br"), "br"));
        assert!(accepts(&headers("gzip;q=0.5"), "gzip"));
        assert!(!accepts(&headers("gzip, br;q=0"), "br"));
        assert!(!accepts(&headers("identity"), "br"));
    }
}
