//! A daemon that is told to stop while people work.

use std::fs;

use guac_protocol::Status;
use testsuite::{Daemon, GuacClient, Home, MariaDb, Sshd, Stopped, WebSocketTransport, wait_until, web_socket};

/// Longer than any test has patience.
const FOR_EVER: (&str, &str) = ("GUACD_LITE_DRAIN_TIMEOUT_S", "86400");

/// A daemon with one browser and one gateway at work.
struct Busy {
    home: Home,
    daemon: Daemon,
    browser: GuacClient,
    gateway: GuacClient,
    shell: String,
    params: Vec<(String, String)>,
}

fn busy(sshd: &Sshd, environment: &[(&str, &str)]) -> Busy {
    let home = Home::new();
    let params = sshd.command("echo rea''dy; cat");
    let shell = home.add_connection("shell", "ssh", &params);
    let daemon = home.start_with(environment);
    let (mut browser, mut gateway) = (daemon.browse(&shell), daemon.open("ssh", &params));
    for client in [&mut browser, &mut gateway] {
        client.reads("ready");
    }
    Busy { home, daemon, browser, gateway, shell, params }
}

fn draining(daemon: &Daemon) {
    wait_until("the draining", || daemon.http("GET", "/readyz", &[], "").status == 503);
}

fn ends_well(home: &Home, stopped: &Stopped) {
    let Stopped { status, log } = stopped;
    assert_eq!(status.code(), Some(0), "{log}");
    assert!(!log.contains("panicked") && !log.contains("Not everything ended in time"), "{log}");
    let next = home.start();
    assert!(!next.log().contains("Closed history rows"), "there were none to close: {}", next.log());
    next.stops_clean();
}

#[test]
fn a_drain_keeps_live_sessions_takes_no_new_ones_and_ends_with_the_last() {
    let Some(sshd) = Sshd::start() else { return };
    let Busy { home, daemon, mut browser, mut gateway, shell, params } = busy(&sshd, &[FOR_EVER]);
    daemon.terminate();
    draining(&daemon);
    assert_eq!(daemon.http("GET", "/readyz", &[], "").body, "not ready: stopping\n");
    assert_eq!(daemon.http("GET", "/healthz", &[], "").status, 200);

    // Clients of both kinds are told to try again, for which another node has room.
    let unavailable = Status::UpstreamUnavailable;
    let mut refused = daemon.browse(&shell);
    refused.end();
    assert_eq!(refused.closed, Some(format!("{} {}", unavailable.websocket(), unavailable.code())));
    let refused = daemon.open("ssh", &params);
    assert_eq!(refused.error.map(|(_, status)| status), Some(u32::from(unavailable.code())));

    // Who works, works on, and may still be joined and looked at.
    for client in [&mut browser, &mut gateway] {
        client.write("still here\n");
        client.reads("still here\nstill here");
    }
    let mut joined = daemon.join(&gateway);
    joined.reads("still here");
    assert_eq!(daemon.data("activeConnections").as_object().unwrap().len(), 1);

    drop((browser, joined));
    wait_until("the end of the browser's session", || daemon.data("activeConnections").as_object().unwrap().is_empty());
    gateway.write("the last one\n");
    gateway.reads("the last one\nthe last one");
    drop(gateway);
    let stopped = daemon.ended();
    assert!(stopped.log.contains("Draining sessions=2 tunnels=1"), "{}", stopped.log);
    assert!(stopped.log.contains("Drained sessions=0 tunnels=0"), "{}", stopped.log);
    ends_well(&home, &stopped);
}

#[test]
fn sigint_or_a_second_signal_waits_for_nobody() {
    let Some(sshd) = Sshd::start() else { return };
    for drain_first in [false, true] {
        let Busy { home, daemon, mut browser, mut gateway, .. } = busy(&sshd, &[FOR_EVER]);
        if drain_first {
            daemon.terminate();
            draining(&daemon);
            daemon.terminate();
        } else {
            daemon.interrupt();
        }
        browser.end();
        gateway.end();
        let stopped = daemon.ended();
        assert!(!stopped.log.contains("Drained"), "{}", stopped.log);
        ends_well(&home, &stopped);
    }
}

#[test]
fn a_daemon_that_nobody_uses_is_served_from_until_balancers_have_noticed() {
    let home = Home::new();
    let daemon = home.start_with(&[("GUACD_LITE_DRAIN_NOTICE_S", "86400")]);
    daemon.terminate();
    draining(&daemon);
    // The port is open for those whom the balancer still sends: they log in, and are sent on when they open something.
    assert!(!daemon.token().is_empty());
    daemon.terminate();
    ends_well(&home, &daemon.ended());
}

#[test]
fn in_a_cluster_a_drain_leaves_logins_to_the_other_nodes() {
    let (Some(database), Some(sshd)) = (MariaDb::start(), Sshd::start()) else { return };
    let homes = [Home::new(), Home::new()];
    let secret = homes[0].path().join("cluster-secret");
    fs::write(&secret, "canary-cluster-secret-of-32-bytes-and-more\n").unwrap();
    let (url, ca) = (database.url("localhost", ""), database.ca().display().to_string());
    let secret = secret.display().to_string();
    let store = [("GUACD_LITE_DATABASE_URL", url.as_str()), ("GUACD_LITE_DATABASE_SSL_CA_FILE", ca.as_str())];
    let cluster = [("GUACD_LITE_CLUSTER_LISTEN", "127.0.0.1:0"), ("GUACD_LITE_CLUSTER_SECRET_FILE", &secret), FOR_EVER];
    let shell = homes[0].add_connection_with("shell", "ssh", &sshd.command("echo rea''dy; cat"), &store);
    let environment = [&store[..], &cluster[..]].concat();
    let [draining_node, other] = homes.each_ref().map(|home| home.start_with(&environment));
    let query = draining_node.tunnel_query(&shell);
    let mut live = draining_node.browse(&shell);
    live.reads("ready");

    draining_node.terminate();
    draining(&draining_node);
    let mut refused = draining_node.browse(&shell);
    refused.end();
    assert!(refused.closed.is_some_and(|closed| closed.ends_with(" 520")));
    // The same login, where the balancer leads the page that tries again.
    let mut welcome = GuacClient::new(WebSocketTransport(web_socket(other.web, &query)));
    welcome.reads("ready");
    live.write("still here\n");
    live.reads("still here\nstill here");
    drop(live);
    let stopped = draining_node.ended();
    assert!(stopped.status.success(), "{}", stopped.log);

    welcome.write("and on\n");
    welcome.reads("and on\nand on");
    let mut again = GuacClient::new(WebSocketTransport(web_socket(other.web, &query)));
    again.reads("ready");
    drop((welcome, again));
    assert!(other.stop().status.success());
}
