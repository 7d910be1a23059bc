//! Ends of the daemon: one that nobody announced, and one that somebody asked for.

use guac_protocol::Status;
use testsuite::{ADMIN_PASSWORD, Home, Sshd, Stopped};

#[test]
fn after_kill_9_the_next_start_closes_the_rows_and_keeps_everything_else() {
    let Some(sshd) = Sshd::start() else { return };
    let home = Home::new();
    let params = sshd.command("echo rea''dy; cat");
    let shell = home.add_connection("shell", "ssh", &params);
    let added = home.run(&["user", "add", "ann", "--password-file", &home.admin_password_file()], &[]);
    assert!(added.status.success(), "{added:?}");

    let mut daemon = home.start();
    let mut clients = [daemon.browse(&shell), daemon.browse(&shell), daemon.open("ssh", &params)];
    for client in &mut clients {
        client.reads("ready");
    }
    let open = daemon.data("history/connections");
    assert_eq!(open.as_array().unwrap().len(), 2);
    assert!(open.as_array().unwrap().iter().all(|row| row["endDate"].is_null() && row["active"] == true), "{open}");
    daemon.crash();
    for client in &mut clients {
        client.end();
    }

    let daemon = home.start();
    assert!(!daemon.said.contains("First start"), "{}", daemon.said);
    assert!(daemon.log().contains("Closed history rows"), "{}", daemon.log());
    let closed = daemon.data("history/connections");
    assert_eq!(closed.as_array().unwrap().len(), 2);
    assert!(
        closed.as_array().unwrap().iter().all(|row| !row["endDate"].is_null() && row["active"] == false),
        "{closed}"
    );
    assert_eq!(daemon.login("ann", ADMIN_PASSWORD).status, 200);
    let logins = daemon.data("history/users");
    let open_logins = logins.as_array().unwrap().iter().filter(|row| row["endDate"].is_null()).count();
    assert_eq!(open_logins, 2, "only those of this run: {logins}");
    assert_eq!(daemon.data(&format!("connections/{shell}"))["name"], "shell");
    let mut again = daemon.browse(&shell);
    let screen = again.reads("ready");
    assert!(!screen.contains("remembered"), "the host key is still known: {screen}");
    drop(again);
    assert!(daemon.stop().status.success());
}

#[test]
fn sigterm_tells_who_is_left_closes_their_rows_and_ends_well() {
    let Some(sshd) = Sshd::start() else { return };
    let home = Home::new();
    let params = sshd.command("echo rea''dy; cat");
    let shell = home.add_connection("shell", "ssh", &params);
    let daemon = home.start_with(&[("GUACD_LITE_DRAIN_TIMEOUT_S", "1")]);
    let mut browser = daemon.browse(&shell);
    let mut gateway = daemon.open("ssh", &params);
    for client in [&mut browser, &mut gateway] {
        client.reads("ready");
    }
    daemon.terminate();
    // All are told to come back: another node or the next start takes them.
    let status = Status::UpstreamUnavailable;
    let (message, told) = gateway.end();
    assert_eq!(told, u32::from(status.code()), "{message}");
    assert!(gateway.disconnected && message.contains("shutting down"), "{message}");
    browser.end();
    assert_eq!(browser.closed, Some(format!("{} {}", status.websocket(), status.code())));
    let Stopped { status, log } = daemon.ended();
    assert_eq!(status.code(), Some(0), "{log}");
    assert!(log.contains("Stopped") && !log.contains("panicked"), "{log}");
    assert!(!log.contains("Not everything ended in time"), "{log}");

    let daemon = home.start();
    assert!(!daemon.log().contains("Closed history rows"), "there were none to close: {}", daemon.log());
    let rows = daemon.data("history/connections");
    assert!(rows.as_array().unwrap().iter().all(|row| !row["endDate"].is_null()), "{rows}");
    daemon.stops_clean();
}
