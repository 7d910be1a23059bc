//! A terminal, by the guacd port and by the gateway.

use guac_client::{Button, Client, ConnectionRef, Event, Gateway, Guacd, Login, Options, Status};
use testsuite::{ADMIN_PASSWORD, Home, PATIENCE, Sshd};

use crate::{QUIET, example, open};

/// Text of the terminal: marked with the mouse, which copies it. Again and again until it holds `text`.
async fn reads(client: &Client, text: &str) -> String {
    let (width, height) = client.size();
    let corner = (width as i32 - 20, height as i32 - 1);
    let mut events = client.events();
    loop {
        client.drag((0, 0), corner, Button::Left).await.unwrap();
        let copied = async {
            loop {
                if let Event::Clipboard { data, .. } = events.recv().await.unwrap() {
                    return String::from_utf8(data.to_vec()).unwrap();
                }
            }
        };
        let screen = tokio::time::timeout(PATIENCE, copied).await.unwrap();
        if screen.contains(text) {
            return screen;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn typing_into_a_terminal_by_the_guacd_port_shows_the_answer_to_all_who_look() {
    let Some(sshd) = Sshd::start() else { return };
    let home = Home::new();
    let daemon = home.start();
    let client = open(&daemon, "ssh", sshd.command("bash --norc")).await;
    let before = client.wait_until_still(QUIET, PATIENCE).await.unwrap();
    client.type_text("echo $((6*7))\n").await.unwrap();
    let screen = reads(&client, "\n42").await;
    assert!(screen.contains("echo $((6*7))"), "{screen}");
    // The mark goes with a key, so that the picture is of text alone.
    client.press("Return").await.unwrap();
    let after = client.wait_until_still(QUIET, PATIENCE).await.unwrap();
    assert_ne!(before.differing_pixels(&after, 0), Some(0), "something was drawn");

    let id = client.connection_id().unwrap().clone();
    let joiner = Client::connect(Guacd::join("127.0.0.1", daemon.guacd.port(), id), Options::default()).await.unwrap();
    joiner.wait_frame(0, PATIENCE).await.unwrap();
    let theirs = joiner.wait_until_still(QUIET, PATIENCE).await.unwrap();
    let ours = client.wait_until_still(QUIET, PATIENCE).await.unwrap();
    assert_eq!(theirs.differing_pixels(&ours, 0), Some(0), "both see the same");
    let template = ours.crop(guac_client::Rect::new(0, 0, 64, 24));
    let found = joiner.wait_for_image(&template, None, 0, PATIENCE).await.unwrap();
    assert_eq!(theirs.crop(found), template);

    client.type_text("printf '\\033]0;a title\\007'\n").await.unwrap();
    assert_eq!(joiner.wait_for_title(|title| title == "a title", PATIENCE).await.unwrap(), "a title");
    joiner.close().await.unwrap();
    client.close().await.unwrap();
    daemon.stops_clean();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_of_a_gateway_is_found_by_its_name_or_identifier_and_left_without_a_trace() {
    let Some(sshd) = Sshd::start() else { return };
    let home = Home::new();
    let identifier = home.add_connection("a shell", "ssh", &sshd.command("bash --norc"));
    let daemon = home.start();
    let before = daemon.idle_usage();
    for connection in [ConnectionRef::Name("a shell".to_owned()), ConnectionRef::Identifier(identifier)] {
        let login = Login::Password { username: "admin".to_owned(), password: ADMIN_PASSWORD.into() };
        let target = Gateway::new(format!("http://{}", daemon.web), login, connection);
        let client = Client::connect(target, Options::with_size(800, 600)).await.unwrap();
        client.wait_frame(0, PATIENCE).await.unwrap();
        assert!(client.tunnel_uuid().is_some() && client.connection_id().is_none());
        client.set_clipboard("echo pas''ted").await.unwrap();
        client.type_text("echo $((6*7))\n").await.unwrap();
        reads(&client, "\n42").await;
        client.press("Control+d").await.unwrap();
        let ended = client.wait_for_end(PATIENCE).await.unwrap();
        assert_eq!(ended.status(), Status::Success, "{ended}");
        client.close().await.unwrap();
    }
    // A token is somebody else's login, and stays.
    let login = Login::Token(daemon.token().into());
    let target = Gateway::new(format!("http://{}", daemon.web), login, ConnectionRef::Name("a shell".to_owned()));
    let client = Client::connect(target, Options::default()).await.unwrap();
    client.wait_frame(0, PATIENCE).await.unwrap();
    client.close().await.unwrap();
    daemon.settles(&before);
    daemon.stops_clean();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_example_logs_in_and_sees_what_it_should() {
    let (Some(sshd), Some(mut xvnc)) = (Sshd::start(), testsuite::Xvnc::start()) else { return };
    xvnc.draw(1);
    let home = Home::new();
    let daemon = home.start();
    let target = |protocol: &str| Guacd::open("127.0.0.1", daemon.guacd.port(), protocol);
    let screen = example::calculate(target("ssh").params(sshd.command("bash --norc"))).await.unwrap();
    assert!(screen.width() > 900);
    let screen = example::look_around(target("vnc").params(xvnc.params(&[]))).await.unwrap();
    assert!(screen.width() >= 640, "{screen:?}");
    daemon.stops_clean();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_files_of_a_machine_are_listed_written_and_read() {
    let Some(sshd) = Sshd::start() else { return };
    let home = Home::new();
    let shared = home.path().join("shared");
    std::fs::create_dir_all(shared.join("a directory")).unwrap();
    let data: Vec<u8> = (0..200_000_u32).map(|number| (number / 7) as u8).collect();
    std::fs::write(shared.join("on the machine.bin"), &data).unwrap();
    let mut params = sshd.command("cat");
    let root = shared.display().to_string();
    for (name, value) in [("enable-sftp", "true"), ("sftp-root-directory", &root), ("sftp-directory", &root)] {
        params.push((name.to_owned(), value.to_owned()));
    }
    let daemon = home.start();
    let client = open(&daemon, "ssh", params).await;
    let files = client.files();
    let listed = files.list("/").await.unwrap();
    let names: Vec<(&str, bool)> = listed.iter().map(|entry| (entry.name(), entry.is_directory)).collect();
    assert_eq!(names, [("a directory", true), ("on the machine.bin", false)]);

    let mut copy = Vec::new();
    let mut heard = 0;
    let path = &listed[1].path;
    assert_eq!(files.get(path, &mut copy, |bytes| heard = bytes).await.unwrap(), 200_000);
    assert_eq!((copy == data, heard), (true, 200_000));
    assert_eq!(files.put("/a directory/from here.bin", &data[..], |_| {}).await.unwrap(), 200_000);
    assert!(std::fs::read(shared.join("a directory/from here.bin")).unwrap() == data);
    let error = files.get("/nowhere", &mut Vec::new(), |_| {}).await.unwrap_err();
    assert_eq!(error.status(), Status::ResourceNotFound, "{error:?}");
    let error = files.put("/nowhere/x", &b"data"[..], |_| {}).await.unwrap_err();
    assert!(matches!(error, guac_client::ClientError::Transfer(_)), "{error:?}");
    assert!(client.ended().is_none());
    client.close().await.unwrap();
    daemon.stops_clean();
}
