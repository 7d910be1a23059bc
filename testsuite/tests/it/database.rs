//! MariaDB that wants TLS: the daemon serves from it, and says what is wrong where it must not.

use testsuite::{Home, MariaDb, Sshd};

#[test]
fn the_daemon_serves_from_mariadb_over_tls_and_refuses_what_it_cannot_trust() {
    let Some(database) = MariaDb::start() else { return };
    let Some(sshd) = Sshd::start() else { return };
    let (ca, other_ca) = (database.ca().display().to_string(), database.other_ca().display().to_string());
    let home = Home::new();

    // Refusals first: none of them may have written anything.
    let refusals = [
        ("plaintext", database.url("localhost", "?ssl-mode=disabled"), "ssl-mode=disabled"),
        ("another authority", database.url("localhost", &format!("?ssl-ca={other_ca}")), "not trusted"),
        ("no authority", database.url("localhost", ""), "not trusted"),
        ("another host name", database.url("127.0.0.1", &format!("?ssl-ca={ca}")), "host name 127.0.0.1"),
    ];
    for (name, url, reason) in &refusals {
        let (status, log) = home.try_start(&[("GUACD_LITE_DATABASE_URL", url)]).expect_err(name);
        assert_eq!(status.code(), Some(1), "{name}: {log}");
        assert!(log.contains(reason), "{name}: {log}");
        assert!(!log.contains("canary-database-password"), "{name}: {log}");
        let others = refusals.iter().filter(|other| other.2 != *reason);
        assert!(others.into_iter().all(|other| !log.contains(other.2)), "{name} is told apart: {log}");
    }

    // The authority in the URL, and in a setting of its own.
    let in_url = database.url("localhost", &format!("?ssl-ca={ca}"));
    let environment = [("GUACD_LITE_DATABASE_URL", in_url.as_str())];
    let params = sshd.command("echo rea''dy; cat");
    let shell = home.add_connection_with("shell", "ssh", &params, &environment);
    let daemon = home.start_with(&environment);
    let mut browser = daemon.browse(&shell);
    browser.reads("ready");
    drop(browser);
    testsuite::wait_until("the row's end", || {
        let rows = daemon.data("history/connections");
        !rows[0]["endDate"].is_null()
    });
    assert!(!home.path().join("data/guacd-lite.sqlite3").exists(), "everything lies in MariaDB");
    daemon.stops_clean();

    let plain = database.url("localhost", "");
    let environment = [("GUACD_LITE_DATABASE_URL", plain.as_str()), ("GUACD_LITE_DATABASE_SSL_CA_FILE", &ca)];
    let daemon = home.start_with(&environment);
    assert_eq!(daemon.data(&format!("connections/{shell}"))["name"], "shell");
    daemon.stops_clean();

    // A crash with a live session: the next start closes its row.
    let mut daemon = home.start_with(&environment);
    let mut browser = daemon.browse(&shell);
    browser.reads("ready");
    daemon.crash();
    let daemon = home.start_with(&environment);
    assert!(daemon.log().contains("Closed history rows"), "{}", daemon.log());
    let rows = daemon.data("history/connections");
    assert_eq!(rows.as_array().unwrap().len(), 2, "{rows}");
    assert!(rows.as_array().unwrap().iter().all(|row| !row["endDate"].is_null()), "{rows}");
    daemon.stops_clean();
}
