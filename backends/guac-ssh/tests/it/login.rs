//! Keys, passwords, questions, and machines that are not the ones they were.

use std::sync::Arc;

use guac_sftp::FileHostKeys;

use crate::person::{CTRL, open, open_with};
use crate::sshd::{self, keygen};
use crate::talker::{self, Kind};

const UNAUTHORIZED: u32 = 0x0301;

#[tokio::test]
async fn a_key_that_is_not_authorized_is_refused() {
    let Some(sshd) = sshd::start() else { return };
    let other = keygen(sshd.home.path(), "other", &["-t", "ed25519", "-N", ""]);
    let mut person = open(&sshd.params(&other, &[]));
    assert_eq!(person.end().await, UNAUTHORIZED);
    let mut person = open(&sshd.params("this is no key", &[]));
    assert_eq!(person.end().await, UNAUTHORIZED);
}

#[tokio::test]
async fn a_locked_key_opens_with_a_stored_or_a_typed_passphrase() {
    let Some(sshd) = sshd::start() else { return };
    for (name, kind, format) in
        [("a", "ed25519", None), ("b", "rsa", None), ("c", "rsa", Some("PEM")), ("d", "ecdsa", None)]
    {
        let mut arguments = vec!["-t", kind, "-N", "open sesame", "-a", "2"];
        if let Some(format) = format {
            arguments = vec!["-t", kind, "-N", "open sesame", "-m", format];
        }
        let key = keygen(sshd.home.path(), name, &arguments);
        std::fs::copy(sshd.home.path().join(format!("{name}.pub")), sshd.home.path().join("authorized")).unwrap();
        let mut person =
            open(&sshd.params(&key, &[("passphrase", "open sesame"), ("command", "echo in''side; read x")]));
        person.sees("inside").await;
        drop(person);
        let mut person = open(&sshd.params(&key, &[("command", "echo in''side; read x")]));
        person.sees("Key passphrase:").await;
        person.write("wrong\n").await;
        person.write("open sesame\n").await;
        person.sees("inside").await;
        drop(person);
        let mut person = open(&sshd.params(&key, &[("passphrase", "wrong")]));
        assert_eq!(person.end().await, UNAUTHORIZED, "{kind}");
    }
}

#[tokio::test]
async fn a_host_key_that_is_set_is_the_only_one_trusted() {
    let Some(sshd) = sshd::start() else { return };
    let key = sshd.file("user");
    let (right, wrong) = (sshd.file("host.pub"), sshd.file("user.pub"));
    let command = ("command", "echo in''side; read x");
    open(&sshd.params(&key, &[("host-key", &right), command])).sees("inside").await;
    let base64 = right.split(' ').nth(1).unwrap();
    open(&sshd.params(&key, &[("host-key", base64), command])).sees("inside").await;
    for bad in [wrong.as_str(), "rubbish"] {
        let mut person = open(&sshd.params(&key, &[("host-key", bad), command]));
        assert_eq!(person.end().await, UNAUTHORIZED, "{bad}");
    }
}

#[tokio::test]
async fn a_host_key_that_changed_is_refused() {
    let Some(sshd) = sshd::start() else { return };
    let (key, file) = (sshd.file("user"), sshd.home.path().join("known_hosts"));
    let params = sshd.params(&key, &[("command", "echo in''side; read x")]);
    let store = || Arc::new(FileHostKeys::new(&file));
    open_with(&params, store()).sees("remembered").await;
    let screen = open_with(&params, store()).sees("inside").await;
    assert!(!screen.contains("remembered"), "{screen}");
    let line = std::fs::read_to_string(&file).unwrap();
    let changed = format!("[127.0.0.1]:{} {}", sshd.port, sshd.file("user.pub"));
    assert_eq!(line.trim_end(), format!("[127.0.0.1]:{} {}", sshd.port, sshd.file("host.pub").trim_end()));
    std::fs::write(&file, changed).unwrap();
    let mut person = open_with(&params, store());
    assert_eq!(person.end().await, UNAUTHORIZED);
    let (message, _) = person.error.take().unwrap();
    assert!(message.contains("host key") && message.contains("SHA256:"), "{message}");
}

#[tokio::test]
async fn a_stored_password_logs_in_and_a_wrong_one_does_not() {
    for kind in [Kind::Password, Kind::Questions] {
        let port = talker::start(kind).await;
        let params = [("hostname", "127.0.0.1"), ("port", port.as_str()), ("username", "ann"), ("password", "secret")];
        let screen = open(&params).sees("welcome ann").await;
        assert!(screen.contains("a banner"), "{screen}");
        let mut wrong = params;
        wrong[3].1 = "guess";
        let mut person = open(&wrong);
        assert_eq!(person.end().await, UNAUTHORIZED);
    }
}

#[tokio::test]
async fn what_is_missing_is_asked_for_in_the_terminal() {
    let port = talker::start(Kind::Password).await;
    let mut person = open(&[("hostname", "127.0.0.1"), ("port", &port)]);
    person.sees("Login as:").await;
    person.write("anx").await;
    person.press(0xFF08).await;
    person.write("n\n").await;
    person.sees("Password:").await;
    person.write("guess\n").await;
    person.sees("Access denied.").await;
    person.write("secret\n").await;
    let screen = person.sees("welcome ann").await;
    assert!(screen.contains("Password: ******") && !screen.contains("secret"), "{screen}");
}

#[tokio::test]
async fn questions_of_the_machine_are_shown_without_its_controls() {
    let port = talker::start(Kind::TwoQuestions).await;
    let mut person = open(&[("hostname", "127.0.0.1"), ("port", &port), ("username", "ann")]);
    let screen = person.sees("Code[2J:").await;
    assert!(screen.contains("please answer"), "{screen}");
    person.write("123456\n").await;
    person.sees("PIN:").await;
    person.write("42\n").await;
    let screen = person.sees("welcome ann").await;
    assert!(screen.contains("123456") && screen.contains("PIN: **"), "{screen}");
}

#[tokio::test]
async fn control_c_at_a_prompt_ends_the_session() {
    let port = talker::start(Kind::Password).await;
    let mut person = open(&[("hostname", "127.0.0.1"), ("port", &port)]);
    person.sees("Login as:").await;
    person.key(CTRL, true).await;
    person.press(u32::from('c')).await;
    assert_eq!(person.end().await, UNAUTHORIZED);
}

#[tokio::test]
async fn a_sleeping_machine_is_sent_a_packet_first() {
    let lan = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let (udp_port, nobody) = (lan.local_addr().unwrap().port().to_string(), sshd::free_port().to_string());
    let mut person = open(&[
        ("hostname", "127.0.0.1"),
        ("port", &nobody),
        ("wol-send-packet", "true"),
        ("wol-mac-addr", "02:00:5e:10:ab:cd"),
        ("wol-broadcast-addr", "127.0.0.1"),
        ("wol-udp-port", &udp_port),
    ]);
    assert_eq!(person.end().await, 0x0208);
    assert_eq!(lan.recv(&mut [0; 200]).await.unwrap(), 102);
}
