//! Logs into a machine, over SSH or VNC, by way of a guacd, and checks what it sees.
//!
//! ```text
//! login HOST:PORT ssh hostname=10.0.0.5 username=alice password=secret
//! login HOST:PORT vnc hostname=10.0.0.6 port=5901 password=secret
//! ```

use std::time::Duration;

use guac_client::{Button, Client, ClientError, Guacd, Image, Options};

/// How long a screen has to rest before it is looked at, and how long that may take.
const QUIET: Duration = Duration::from_millis(300);
const PATIENCE: Duration = Duration::from_secs(60);

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let usage = "usage: login HOST:PORT ssh|vnc NAME=VALUE...";
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [address, protocol, params @ ..] = arguments.as_slice() else { return Err(usage.into()) };
    let (host, port) = address.rsplit_once(':').ok_or(usage)?;
    let mut target = Guacd::open(host, port.parse()?, protocol.as_str());
    for param in params {
        let (name, value) = param.split_once('=').ok_or(usage)?;
        target = target.param(name, value);
    }
    let screen = if protocol == "ssh" { calculate(target).await? } else { look_around(target).await? };
    std::fs::write("screen.png", screen.to_png())?;
    Ok(())
}

/// Lets a shell calculate, and reads the answer from its screen with the mouse, as a person would copy it.
pub(crate) async fn calculate(target: Guacd) -> Result<Image, ClientError> {
    let client = Client::connect(target, Options::with_size(1024, 768)).await?;
    client.wait_frame(0, PATIENCE).await?;
    client.wait_until_still(QUIET, PATIENCE).await?;
    client.type_text("echo $((6*7))\n").await?;
    let screen = client.wait_until_still(QUIET, PATIENCE).await?;

    client.drag((0, 0), (1000, 760), Button::Left).await?;
    let text = client.wait_for_clipboard(|text| text.contains("\n42"), PATIENCE).await?;
    assert!(text.contains("echo $((6*7))"), "{text}");
    client.close().await?;
    Ok(screen)
}

/// Looks at a desktop, remembers a piece of it, and finds that again.
pub(crate) async fn look_around(target: Guacd) -> Result<Image, ClientError> {
    let client = Client::connect(target, Options::default()).await?;
    client.wait_frame(0, PATIENCE).await?;
    // Some desktops draw a pointer into the picture until it is moved.
    client.mouse_move(1, 1).await?;
    let screen = client.wait_until_still(QUIET, PATIENCE).await?;
    let (width, height) = screen.size();

    let piece = screen.crop(guac_client::Rect::new(width / 4, height / 4, 64, 32));
    let place = client.wait_for_image(&piece, None, 0, PATIENCE).await?;
    assert_eq!(screen.crop(place), piece);
    client.close().await?;
    Ok(screen)
}
