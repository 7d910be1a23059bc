use axum::http::StatusCode;
use guac_web::WebConfig;

use crate::support::{world, world_with};

#[tokio::test]
async fn every_answer_has_the_security_headers() {
    let world = world().await;
    for path in ["/", "/api/languages", "/nothing", "/healthz", "/tunnel"] {
        let answer = world.call("GET", path, &[], "").await;
        let policy = answer.header("content-security-policy");
        for part in ["default-src 'none'", "script-src 'self';", "frame-ancestors 'none'", "base-uri 'none'"] {
            assert!(policy.contains(part), "{path}: {policy}");
        }
        assert!(!policy.contains("unsafe"));
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        assert_eq!(answer.header("referrer-policy"), "same-origin");
        assert_eq!(answer.header("x-frame-options"), "DENY");
        assert!(answer.header("access-control-allow-origin").is_empty());
    }
}

#[tokio::test]
async fn browsers_are_told_to_come_back_by_tls_where_there_is_tls_and_only_there() {
    for (secure, expected) in [(false, ""), (true, "max-age=15552000")] {
        let mut config = WebConfig::default();
        config.secure_listener = secure;
        let answer = world_with(config).await.call("GET", "/", &[], "").await;
        assert_eq!(answer.header("strict-transport-security"), expected);
    }
}

#[tokio::test]
async fn the_page_is_revalidated_and_its_files_kept_or_the_page_says_what_is_missing() {
    let world = world().await;
    let page = world.call("GET", "/", &[], "").await;
    if page.status == StatusCode::SERVICE_UNAVAILABLE {
        assert!(page.body.starts_with(b"The web app was not built"));
        return;
    }
    assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
    assert_eq!(page.header("cache-control"), "no-cache");
    let tag = page.header("etag").to_owned();
    let again = world.call("GET", "/index.html", &[("if-none-match", &tag)], "").await;
    assert_eq!((again.status, again.body.len()), (StatusCode::NOT_MODIFIED, 0));
    let html = String::from_utf8(page.body.to_vec()).unwrap();
    let script = html.split("./assets/").nth(1).unwrap().split('"').next().unwrap();
    let path = format!("/assets/{script}");
    let plain = world.call("GET", &path, &[], "").await;
    assert_eq!(plain.header("cache-control"), "public, max-age=31536000, immutable");
    assert!(plain.header("content-encoding").is_empty());
    let small = world.call("GET", &path, &[("accept-encoding", "gzip, br")], "").await;
    assert_eq!((small.header("content-encoding"), small.header("vary")), ("br", "accept-encoding"));
    assert_eq!(small.header("content-type"), "text/javascript; charset=utf-8");
    assert!(small.body.len() < plain.body.len());
}

#[tokio::test]
async fn nothing_outside_the_files_is_served() {
    let world = world().await;
    for path in ["/../Cargo.toml", "/..%2fCargo.toml", "/assets/../../Cargo.toml", "//etc/passwd", "/assets"] {
        assert_eq!(world.call("GET", path, &[], "").await.status, 404, "{path}");
    }
    assert_eq!(world.call("POST", "/", &[], "").await.status, 405);
}

#[tokio::test]
async fn everything_can_live_below_a_path() {
    let mut config = WebConfig::default();
    config.base_path = "/guacamole".into();
    let world = world_with(config).await;
    assert_eq!(world.call("GET", "/guacamole/api/languages", &[], "").await.status, 200);
    assert_eq!(world.call("GET", "/api/languages", &[], "").await.status, 404);
    let folder = world.call("GET", "/guacamole", &[], "").await;
    assert_eq!((folder.status, folder.header("location")), (StatusCode::PERMANENT_REDIRECT, "/guacamole/"));
    let page = world.call("GET", "/guacamole/", &[], "").await;
    assert!(matches!(page.status, StatusCode::OK | StatusCode::SERVICE_UNAVAILABLE), "{}", page.status);
    assert_eq!(world.call("GET", "/healthz", &[], "").await.status, 200);
}
