//! Network Level Authentication against FreeRDP's shadow server.

use guac_protocol::Status;
use testsuite::{Shadow, ShadowSetup};

use crate::support::Viewer;

/// The shadow server sends pictures with loss.
const TOLERANCE: u64 = 400;

#[tokio::test]
async fn the_right_password_opens_the_desktop() {
    let Some(mut shadow) = Shadow::start(ShadowSetup::default()) else { return };
    shadow.draw(0);
    for security in ["nla", "any"] {
        let mut viewer = Viewer::open(&shadow.login(&[("ignore-cert", "true"), ("security", security)]));
        viewer.until_same_picture(&shadow, TOLERANCE).await;
    }
}

#[tokio::test]
async fn the_graphics_pipeline_can_be_left_out() {
    let Some(mut shadow) = Shadow::start(ShadowSetup::default()) else { return };
    shadow.draw(1);
    let mut viewer = Viewer::open(&shadow.login(&[("ignore-cert", "true"), ("disable-gfx", "true")]));
    viewer.until_same_picture(&shadow, TOLERANCE).await;
}

#[tokio::test]
async fn a_wrong_password_is_told_as_such() {
    let Some(shadow) = Shadow::start(ShadowSetup::default()) else { return };
    let mut viewer = Viewer::open(&shadow.login(&[("ignore-cert", "true"), ("password", "wrong")]));
    viewer.until_error(Status::ClientUnauthorized).await;
}

#[tokio::test]
async fn missing_credentials_are_asked_for() {
    let Some(mut shadow) = Shadow::start(ShadowSetup::default()) else { return };
    shadow.draw(2);
    let port = shadow.port().to_string();
    let parameters = [("hostname", "127.0.0.1"), ("port", port.as_str()), ("ignore-cert", "true")];
    let mut viewer = Viewer::open(&parameters.map(|(name, value)| (name.to_owned(), value.to_owned())));
    viewer.until("a question", |viewer| viewer.text.contains("8.required")).await;
    assert!(viewer.text.contains("8.username") && viewer.text.contains("8.password"), "{}", viewer.text);
    for (stream, name, value) in [("1", "username", "tester"), ("2", "password", "correct horse"), ("3", "domain", "")]
    {
        viewer.say(&["argv", stream, "text/plain", name]).await;
        if !value.is_empty() {
            viewer.say(&["blob", stream, &base64_simd::STANDARD.encode_to_string(value)]).await;
        }
        viewer.say(&["end", stream]).await;
    }
    viewer.until_same_picture(&shadow, TOLERANCE).await;
}

#[tokio::test]
async fn a_certificate_that_nobody_vouches_for_is_refused() {
    let Some(shadow) = Shadow::start(ShadowSetup::default()) else { return };
    let mut viewer = Viewer::open(&shadow.login(&[]));
    viewer.until("the end", |viewer| viewer.ended).await;
    assert!(viewer.text.contains("5.error"), "{}", viewer.text);
    assert!(!viewer.text.contains("correct horse"));
}
