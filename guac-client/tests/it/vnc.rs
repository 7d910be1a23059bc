//! A desktop that says itself what it shows.

use std::fs;

use guac_client::{Button, Client, Image, Rect};
use testsuite::{Home, PATIENCE, Xvnc, wait_until};

use crate::open;

/// What the server says it shows.
fn shown(xvnc: &Xvnc) -> Image {
    let (width, height, pixels) = xvnc.screenshot();
    let rgba = pixels.iter().flat_map(|pixel| [(pixel >> 16) as u8, (pixel >> 8) as u8, *pixel as u8, 255]).collect();
    Image::new(width as u32, height as u32, rgba).unwrap()
}

/// Looks until the client shows what the server shows.
async fn until_same_picture(client: &Client, xvnc: &Xvnc) -> Image {
    let end = std::time::Instant::now() + PATIENCE;
    for column in (3..30).cycle() {
        // A pointer that was never moved by us would be drawn into the picture by the server.
        client.mouse_move(column, 3).await.unwrap();
        let (ours, theirs) = (client.screenshot().await.unwrap(), shown(xvnc));
        let off = ours.differing_pixels(&theirs, 0);
        // A blank screen proves nothing.
        let pixels = ours.pixels();
        if off == Some(0) && pixels.iter().any(|pixel| *pixel != pixels[0]) {
            return ours;
        }
        assert!(std::time::Instant::now() < end, "{off:?} pixels differ");
        let _ = client.wait_frame(client.frame(), crate::QUIET).await;
    }
    unreachable!("the columns never end")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_desktop_looks_as_its_server_says_also_in_another_size() {
    let Some(mut xvnc) = Xvnc::start() else { return };
    xvnc.draw(0);
    let home = Home::new();
    let daemon = home.start();
    let client = open(&daemon, "vnc", xvnc.params(&[])).await;
    let screen = until_same_picture(&client, &xvnc).await;
    assert_eq!((screen.size(), client.size()), ((640, 480), (640, 480)));
    let again = client.screenshot().await.unwrap();
    assert_eq!(again.rgba(), screen.rgba());

    let template = shown(&xvnc).crop(Rect::new(120, 100, 60, 30));
    let found = client.wait_for_image(&template, None, 0, PATIENCE).await.unwrap();
    assert_eq!(screen.crop(found), template);
    assert!(screen.find(&template, Some(Rect::new(0, 0, 100, 80)), 0).is_none());

    client.resize(802, 598).await.unwrap();
    client.wait_for_size(802, 598, PATIENCE).await.unwrap();
    until_same_picture(&client, &xvnc).await;
    client.close().await.unwrap();
    daemon.stops_clean();
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_clicks_drags_and_clipboards_reach_a_desktop_and_come_back() {
    let Some(mut xvnc) = Xvnc::start() else { return };
    let typed = xvnc.home().join("typed");
    let script = format!(
        "printf 'first words here\\n'; while read line; do printf '%s\\n' \"$line\" >> {}; done",
        typed.display()
    );
    xvnc.show("xterm", &["-geometry", "40x10+50+50", "-e", "sh", "-c", &script]);
    let home = Home::new();
    let daemon = home.start();
    let client = open(&daemon, "vnc", xvnc.params(&[])).await;
    until_same_picture(&client, &xvnc).await;

    client.mouse_move(120, 110).await.unwrap();
    wait_until("the pointer", || xvnc.run("xdotool", &["getmouselocation"]).starts_with("x:120 y:110"));
    client.type_text("hello\n").await.unwrap();
    wait_until("the keys", || fs::read_to_string(&typed).unwrap_or_default() == "hello\n");

    client.drag((54, 60), (150, 60), Button::Left).await.unwrap();
    let copied = client.wait_for_clipboard(|text| text.contains("irst wor"), PATIENCE).await.unwrap();
    assert_eq!(client.clipboard(), Some(copied));

    client.set_clipboard("pasted by us\n").await.unwrap();
    client.click(120, 110, Button::Middle, 1).await.unwrap();
    wait_until("the paste", || fs::read_to_string(&typed).unwrap_or_default() == "hello\npasted by us\n");
    client.scroll(120, 110, 2).await.unwrap();
    client.close().await.unwrap();
    daemon.stops_clean();
}
