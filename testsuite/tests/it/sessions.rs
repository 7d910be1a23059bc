//! Port 4822: several sessions at once, each with the right picture, and joined while they run.

use std::thread;

use testsuite::{Daemon, GuacClient, Home, PATIENCE, Sshd, Xvnc, wait_until};

/// Turns until the client shows what the X server says it shows.
fn until_same_picture(client: &mut GuacClient, xvnc: &Xvnc, what: &str) {
    let end = std::time::Instant::now() + PATIENCE;
    client.sees_a_picture();
    for column in (3..30).cycle() {
        // A pointer that was never moved by us would be drawn into the picture by the server.
        client.say(&["mouse", &column.to_string(), "3", "0"]);
        (0..10).for_each(|_| client.turn());
        let (width, height, pixels) = xvnc.screenshot();
        let ours = client.canvas.pixels();
        let same = client.canvas.size() == (width, height) && ours == pixels;
        // A blank screen proves nothing.
        if same && pixels.iter().any(|pixel| *pixel != pixels[0]) {
            return;
        }
        let off = (0..pixels.len()).filter(|&at| ours.get(at) != pixels.get(at)).count();
        assert!(std::time::Instant::now() < end, "{what}: {off} of {} pixels differ", pixels.len());
    }
}

/// A terminal, alone among its neighbours, that others can look over the shoulder of.
fn use_terminal(daemon: &Daemon, number: usize, mut shell: GuacClient) {
    shell.reads(&format!("shell {number}"));
    shell.write(&format!("typed into {number}\n"));
    let screen = shell.reads(&format!("typed into {number}\ntyped into {number}"));
    assert_eq!(screen.matches("typed into").count(), 2, "what one types appears nowhere else: {screen}");
    let pixels = shell.canvas.pixels();
    assert!(pixels.iter().any(|pixel| *pixel != pixels[0]), "the terminal is drawn");

    let mut joiner = daemon.join(&shell);
    joiner.sees_a_picture();
    assert_eq!(joiner.canvas.frames, 1, "the first frame is the whole picture");
    // The owner's copying of the screen still changes its colours.
    wait_until("the same picture for both", || {
        shell.turn();
        joiner.turn();
        joiner.canvas.pixels() == shell.canvas.pixels()
    });
    joiner.write("from the joiner\n");
    shell.reads("from the joiner");
}

/// A desktop that shows what its server shows, also to one who comes later.
fn use_desktop(daemon: &Daemon, desk: &Xvnc, mut desktop: GuacClient) {
    until_same_picture(&mut desktop, desk, "owner");
    // Joining shows at once what is there, without a change on the machine's side.
    let mut joiner = daemon.join(&desktop);
    joiner.sees_a_picture();
    assert_eq!(joiner.canvas.frames, 1, "the first frame is the whole picture");
    let (width, height, pixels) = desk.screenshot();
    assert_eq!(joiner.canvas.size(), (width, height));
    let off = pixels.iter().zip(joiner.canvas.pixels()).filter(|(theirs, ours)| *theirs != ours).count();
    assert_eq!(off, 0, "the joiner's first picture equals the server's screen");
    until_same_picture(&mut desktop, desk, "owner after a joiner came");
}

#[test]
fn three_terminals_and_three_desktops_at_once_show_the_right_pictures_and_can_be_joined() {
    let (Some(sshd), Some(mut first), Some(mut second), Some(mut third)) =
        (Sshd::start(), Xvnc::start(), Xvnc::start(), Xvnc::start())
    else {
        return;
    };
    let mut desks = [&mut first, &mut second, &mut third];
    for (seed, desk) in desks.iter_mut().enumerate() {
        desk.draw(seed);
    }
    let home = Home::new();
    let daemon = home.start();
    let before = daemon.idle_usage();
    // All six are open before the first is looked at.
    let desktops: Vec<GuacClient> = desks.iter().map(|desk| daemon.open("vnc", &desk.params(&[]))).collect();
    let commands = ["echo shell 0; cat", "echo shell 1; cat", "echo shell 2; cat"];
    let shells: Vec<GuacClient> = commands.iter().map(|command| daemon.open("ssh", &sshd.command(command))).collect();
    thread::scope(|scope| {
        let daemon = &daemon;
        for (number, shell) in shells.into_iter().enumerate() {
            scope.spawn(move || use_terminal(daemon, number, shell));
        }
        for (desktop, desk) in desktops.into_iter().zip(&desks) {
            scope.spawn(move || use_desktop(daemon, desk, desktop));
        }
    });
    daemon.settles(&before);
    daemon.stops_clean();
}

#[test]
fn a_session_that_does_not_run_cannot_be_joined() {
    let Some(sshd) = Sshd::start() else { return };
    let home = Home::new();
    let daemon = home.start();
    let before = daemon.idle_usage();
    let mut owner = daemon.open("ssh", &sshd.command("echo rea''dy; cat"));
    owner.reads("ready");
    owner.say(&["disconnect"]);
    owner.end();
    let mut late = daemon.join(&owner);
    let (message, status) = late.end();
    assert_eq!(status, 0x0204, "{message}");
    assert!(!message.is_empty());
    drop((owner, late));
    daemon.settles(&before);
    daemon.stops_clean();
}
