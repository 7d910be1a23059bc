//! What a start refuses, in one line that says what to do, and `doctor` finds before it.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use serde_json::Value;
use testsuite::{Authority, Home, MariaDb};

/// A fault of the set-up, the environment that makes it, and what the line about it says.
struct Fault<'a> {
    name: &'a str,
    environment: Vec<(&'a str, &'a str)>,
    says: &'a [&'a str],
    /// The check of `doctor` that finds it.
    check: &'a str,
}

/// Secrets of these tests begin like this.
const CANARY: &str = "canary";

/// Ports that are free whatever else runs here.
const PORTS: [(&str, &str); 2] = [("GUACD_LITE_WEB_LISTEN", "127.0.0.1:0"), ("GUACD_LITE_GUACD_LISTEN", "off")];

fn refused(home: &Home, fault: &Fault<'_>) {
    let Fault { name, environment, says, check } = fault;
    let (status, log) = home.try_start(environment).expect_err(name);
    assert_eq!(status.code(), Some(1), "{name}: {log}");
    let lines: Vec<&str> = log.lines().filter(|line| !line.contains(" INFO ")).collect();
    assert_eq!(lines.len(), 1, "{name}: {lines:#?}");
    let line = lines[0];
    assert!(line.starts_with("guacd-lite: "), "{name}: {line}");
    for words in *says {
        assert!(line.contains(words), "{name}: {words:?} in {line}");
    }
    assert!(!log.contains(CANARY), "{name}: {log}");

    for format in [&["doctor", "--no-targets"][..], &["doctor", "--no-targets", "--json"]] {
        let output = home.run(format, environment);
        assert_eq!(output.status.code(), Some(1), "{name}");
        let (said, log) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
        assert!(!said.contains(CANARY) && !log.contains(CANARY), "{name}: {said}{log}");
        for words in *says {
            assert!(said.contains(words), "{name}: {words:?} in {said}");
        }
        if format.contains(&"--json") {
            let found: Value = serde_json::from_str(&said).unwrap();
            let failed: Vec<&Value> =
                found["findings"].as_array().unwrap().iter().filter(|one| one["level"] == "fail").collect();
            assert!(failed.iter().any(|one| one["what"] == *check), "{name}: {found:#}");
        }
    }
}

#[test]
fn a_database_that_cannot_be_trusted_is_refused_and_doctor_says_why() {
    let (Some(good), Some(old)) = (MariaDb::start(), MariaDb::start_out_of_date()) else { return };
    let home = Home::new();
    let far = "mysql://guac:canary-password@db.example/guac";
    let [ca, other_ca, old_ca] = [good.ca(), good.other_ca(), old.ca()].map(|path| path.display().to_string());
    let (url, old_url) = (good.url("localhost", ""), old.url("localhost", ""));
    let fault = |name, environment, says, check| Fault { name, environment, says, check };
    for fault in [
        fault(
            "plain text over a network",
            vec![("GUACD_LITE_DATABASE_URL", far), ("GUACD_LITE_DATABASE_SSL_MODE", "disabled")],
            &["in clear", "db.example", "set ssl_mode to verify-identity"],
            "config",
        ),
        fault(
            "perhaps plain text over a network",
            vec![("GUACD_LITE_DATABASE_URL", far), ("GUACD_LITE_DATABASE_SSL_MODE", "preferred")],
            &["in clear", "db.example"],
            "config",
        ),
        fault(
            "plain text to a server that wants TLS",
            vec![("GUACD_LITE_DATABASE_URL", &url), ("GUACD_LITE_DATABASE_SSL_MODE", "disabled")],
            &["TLS"],
            "database",
        ),
        fault(
            "another authority",
            vec![("GUACD_LITE_DATABASE_URL", &url), ("GUACD_LITE_DATABASE_SSL_CA_FILE", &other_ca)],
            &["not trusted"],
            "database",
        ),
        fault(
            "a certificate that is out of date",
            vec![("GUACD_LITE_DATABASE_URL", &old_url), ("GUACD_LITE_DATABASE_SSL_CA_FILE", &old_ca)],
            &["expired"],
            "database",
        ),
        fault(
            "no file with the authority",
            vec![("GUACD_LITE_DATABASE_URL", &url), ("GUACD_LITE_DATABASE_SSL_CA_FILE", "/nonexistent/ca.pem")],
            &["/nonexistent/ca.pem"],
            "database",
        ),
    ] {
        refused(&home, &fault);
    }

    let environment = [("GUACD_LITE_DATABASE_URL", url.as_str()), ("GUACD_LITE_DATABASE_SSL_CA_FILE", &ca)];
    home.start_with(&environment).stops_clean();
    let [url, ca] = environment;
    let output = home.run(&["doctor"], &[url, ca, PORTS[0], PORTS[1]]);
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "nothing is wrong: {said}");
    assert!(said.contains("over TLS"), "{said}");
}

#[test]
fn secrets_that_are_missing_are_refused_and_doctor_says_which() {
    let home = Home::new();
    let short = home.path().join("short");
    fs::write(&short, "canary\n").unwrap();
    fs::set_permissions(&short, fs::Permissions::from_mode(0o600)).unwrap();
    let short = short.display().to_string();
    let mysql = "mysql://guac@db.example/guac";
    let cluster = ("GUACD_LITE_CLUSTER_LISTEN", "127.0.0.1:1");
    let fault = |name, environment, says, check| Fault { name, environment, says, check };
    for fault in [
        fault(
            "the database's password",
            vec![("GUACD_LITE_DATABASE_URL", mysql), ("GUACD_LITE_DATABASE_PASSWORD_FILE", "/nonexistent/password")],
            &["password_file", "/nonexistent/password"],
            "config",
        ),
        fault(
            "the cluster's secret",
            vec![("GUACD_LITE_DATABASE_URL", mysql), cluster],
            &["[cluster]", "secret_file"],
            "config",
        ),
        fault(
            "a cluster's secret that can be guessed",
            vec![("GUACD_LITE_DATABASE_URL", mysql), cluster, ("GUACD_LITE_CLUSTER_SECRET_FILE", &short)],
            &["[cluster]", "32"],
            "config",
        ),
    ] {
        refused(&home, &fault);
    }
}

#[test]
fn a_web_certificate_that_is_out_of_date_is_refused_and_doctor_says_so() {
    let home = Home::new();
    let (certificate, key) = Authority::new("ours").certify_long_ago(home.path(), "desk.example");
    let [certificate, key] = [certificate, key].map(|path| path.display().to_string());
    let environment =
        vec![("GUACD_LITE_WEB_TLS_CERTIFICATE_FILE", certificate.as_str()), ("GUACD_LITE_WEB_TLS_KEY_FILE", &key)];
    refused(&home, &Fault { name: "expired", environment, says: &["expired", "renew it"], check: "web certificate" });
}

#[test]
fn doctor_makes_nothing() {
    let home = Home::new();
    let output = home.run(&["doctor"], &PORTS);
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{said}");
    let file = home.path().join("elsewhere.sqlite3");
    let url = format!("sqlite://{}", file.display());
    let output = home.run(&["doctor"], &[PORTS[0], PORTS[1], ("GUACD_LITE_DATABASE_URL", &url)]);
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "a file that is not there yet may be what is wanted: {said}");
    assert!(said.contains("elsewhere.sqlite3 is not there"), "{said}");
    assert!(!file.exists() && !home.path().join("data").exists());
}
