//! Secrets stay out of the log, however much is logged.

use testsuite::{ADMIN_PASSWORD, Home, Sshd, Stopped, Xvnc};

#[test]
fn no_secret_reaches_the_log_even_at_trace() {
    let Some(sshd) = Sshd::start() else { return };
    let Some(mut xvnc) = Xvnc::start_with_password("cnryvnc1") else { return };
    xvnc.draw(0);
    let home = Home::new();
    let key = sshd.key();
    let shell_params = sshd.login(&[
        ("private-key", &key),
        ("passphrase", "canary-passphrase"),
        ("password", "canary-ssh-password"),
        ("command", "echo rea''dy; cat"),
    ]);
    let refused_params = sshd.login(&[("password", "canary-wrong-password")]);
    let desk_params = xvnc.params(&[("password", "cnryvnc1")]);
    let shell = home.add_connection("shell", "ssh", &shell_params);
    let refused = home.add_connection("refused", "ssh", &refused_params);
    let desk = home.add_connection("desk", "vnc", &desk_params);
    let daemon = home.start_with(&[("GUACD_LITE_LOG_FILTER", "trace")]);
    let token = daemon.token();
    assert_eq!(daemon.login("admin", "canary-mistyped").status, 403);
    let changed = daemon.http(
        "PUT",
        "/api/session/data/mysql/self/password",
        &[("Guacamole-Token", &token), ("Content-Type", "application/json")],
        "{\"oldPassword\":\"canary-mistyped-old\",\"newPassword\":\"canary-new\"}",
    );
    assert_eq!(changed.status, 403, "{changed:?}");

    // Our own page: the token comes and goes in a cookie.
    let form = [("Content-Type", "application/x-www-form-urlencoded"), ("Guacamole-Cookie", "1")];
    let answer = daemon.http("POST", "/api/tokens", &form, &format!("username=admin&password={ADMIN_PASSWORD}"));
    let cookie = answer.head.split("set-cookie: ").nth(1).and_then(|rest| rest.split(';').next()).unwrap().to_owned();
    let headers = [("Cookie", cookie.as_str()), ("Guacamole-Cookie", "1")];
    assert_eq!(daemon.http("GET", "/api/session/data/mysql/self", &headers, "").status, 200);

    for mut client in [daemon.browse(&shell), daemon.open("ssh", &shell_params)] {
        client.reads("ready");
        client.write("canary-typed\n");
        client.reads("canary-typed\ncanary-typed");
        client.paste("canary-clipboard");
        client.say(&["disconnect"]);
        client.end();
    }
    for mut client in [daemon.browse(&refused), daemon.open("ssh", &refused_params)] {
        assert_ne!(client.end().1, 0);
    }
    for mut client in [daemon.browse(&desk), daemon.open("vnc", &desk_params)] {
        client.sees_a_picture();
        client.paste("canary-clipboard");
        client.write("canary-typed");
        client.say(&["disconnect"]);
        client.end();
    }
    let Stopped { status, log } = daemon.stop();
    assert!(status.success(), "{log}");
    assert!(log.contains("TRACE"), "the filter is in force");

    let base64 = |text: &str| base64_simd::STANDARD.encode_to_string(text);
    let key_line = key.lines().nth(2).unwrap();
    let cookie_token = cookie.split('=').nth(1).unwrap().to_owned();
    let mut secrets = vec![key_line.to_owned(), token, cookie_token, "cnryvnc1".to_owned(), base64("canary-clipboard")];
    secrets.extend(["canary-", ADMIN_PASSWORD].map(str::to_owned));
    // Bytes as debug output lists them: "cana", "cnry".
    secrets.extend(["99, 97, 110, 97", "99, 110, 114, 121", "63616e61", "[63, 61, 6e, 61"].map(str::to_owned));
    // Keys as the protocol carries them: a "y" that goes down.
    secrets.extend(["3.key,3.121,1.1", "keysym: 121", "keysym=121"].map(str::to_owned));
    let leaks =
        secrets.iter().flat_map(|secret| log.lines().filter(move |line| line.contains(secret.as_str())).take(3));
    let leaks: Vec<String> = leaks.map(|line| line.chars().take(400).collect()).collect();
    assert!(leaks.is_empty(), "secrets are in the log: {leaks:#?}");
}
