//! Shells of a real OpenSSH.

use crate::person::{CTRL, open};
use crate::sshd;

#[tokio::test]
async fn a_shell_answers_and_its_exit_ends_the_session() {
    let Some(sshd) = sshd::start() else { return };
    let mut person = open(&sshd.params(&sshd.file("user"), &[]));
    person.write("PS1='> '; echo $((6*7))\n").await;
    let screen = person.sees("\n42").await;
    assert!(screen.contains("First connection to 127.0.0.1"), "{screen}");
    assert!(screen.contains("ssh-ed25519 SHA256:"), "{screen}");
    person.write("exit\n").await;
    assert_eq!(person.end().await, 0);
}

#[tokio::test]
async fn resizing_reaches_the_shell() {
    let Some(sshd) = sshd::start() else { return };
    let mut person = open(&sshd.params(&sshd.file("user"), &[]));
    person.write("stty size\n").await;
    person.sees("40 101").await;
    person.say(&["size", "640", "480"]).await;
    person.write("stty size\n").await;
    person.sees("25 62").await;
}

#[tokio::test]
async fn control_c_stops_a_flood() {
    let Some(sshd) = sshd::start() else { return };
    let mut person = open(&sshd.params(&sshd.file("user"), &[]));
    person.write("yes\n").await;
    person.sees("y\ny\ny\ny\ny\ny").await;
    person.key(CTRL, true).await;
    person.press(u32::from('c')).await;
    person.key(CTRL, false).await;
    person.write("echo do''ne\n").await;
    person.sees("\ndone").await;
}

#[tokio::test]
async fn a_command_runs_in_the_place_of_the_shell_with_terminal_and_environment() {
    let Some(sshd) = sshd::start() else { return };
    let command = "echo \"<$TERM $LANG $TZ>\"; tty; read line";
    let settings =
        [("command", command), ("locale", "de_DE.UTF-8"), ("timezone", "Asia/Tokyo"), ("terminal-type", "xterm")];
    let mut person = open(&sshd.params(&sshd.file("user"), &settings));
    let screen = person.sees("/dev/pts/").await;
    assert!(screen.contains("<xterm de_DE.UTF-8 Asia/Tokyo>"), "{screen}");
    person.write("\n").await;
    assert_eq!(person.end().await, 0);
}

#[tokio::test]
async fn a_server_that_dies_is_an_upstream_error() {
    let Some(sshd) = sshd::start() else { return };
    let mut person = open(&sshd.params(&sshd.file("user"), &[]));
    // The shell's parent is the server's process for this connection.
    person.write("kill -9 $PPID\n").await;
    assert_eq!(person.end().await, 0x0203);
}

#[tokio::test]
async fn settings_change_while_it_runs_and_are_told() {
    let Some(sshd) = sshd::start() else { return };
    let mut person = open(&sshd.params(&sshd.file("user"), &[("color-scheme", "green-black")]));
    person.sees("First connection").await;
    for (name, value) in [("font-size", "MjQ="), ("color-scheme", "YmxhY2std2hpdGU=")] {
        person.say(&["argv", "0", "text/plain", name]).await;
        person.say(&["blob", "0", value]).await;
        person.say(&["end", "0"]).await;
    }
    person.write("stty size; printf '\\033]2;a title\\007'\n").await;
    person.sees("20 53").await;
    let settings = person.settings.concat();
    assert!(settings.contains("9.font-size") && settings.contains("12.color-scheme"), "{settings}");
    assert!(settings.contains("4.name,7.a title;"), "{settings}");
}

#[tokio::test]
async fn what_comes_by_the_pipe_of_that_name_is_typed() {
    let Some(sshd) = sshd::start() else { return };
    let mut person = open(&sshd.params(&sshd.file("user"), &[]));
    person.say(&["pipe", "0", "text/plain", "STDIN"]).await;
    person.say(&["blob", "0", "ZWNobyAkKCg2KjcpKQo="]).await;
    person.say(&["end", "0"]).await;
    person.sees("\n42").await;
}

#[tokio::test]
async fn backspace_sends_what_is_set() {
    let Some(sshd) = sshd::start() else { return };
    let command = "stty raw -echo; echo rea''dy; printf '<%s>' $(head -c1 | od -An -tx1); read line";
    for (setting, sent) in [("", "<7f>"), ("8", "<08>")] {
        let mut person = open(&sshd.params(&sshd.file("user"), &[("backspace", setting), ("command", command)]));
        person.sees("ready").await;
        person.press(0xFF08).await;
        person.sees(sent).await;
    }
}
