//! Two real nodes on a real MariaDB: one dies, the database goes away, and people work on.

use std::fs;
use std::time::Instant;

use serde_json::Value;
use testsuite::{Daemon, GuacClient, Home, MariaDb, Sshd, Stopped, WebSocketTransport, wait_until, web_socket};

/// Short, for a test to see the dead buried; the default is some times that.
const LEASE_S: &str = "4";

struct Nodes {
    database: MariaDb,
    sshd: Sshd,
    homes: [Home; 2],
    environment: Vec<(&'static str, String)>,
}

impl Nodes {
    fn new() -> Option<Self> {
        let (database, sshd) = (MariaDb::start()?, Sshd::start()?);
        let homes = [Home::new(), Home::new()];
        let secret = homes[0].path().join("cluster-secret");
        fs::write(&secret, "canary-cluster-secret-of-32-bytes-and-more\n").unwrap();
        let environment = vec![
            ("GUACD_LITE_DATABASE_URL", database.url("localhost", "")),
            ("GUACD_LITE_DATABASE_SSL_CA_FILE", database.ca().display().to_string()),
            ("GUACD_LITE_CLUSTER_LISTEN", "127.0.0.1:0".to_owned()),
            ("GUACD_LITE_CLUSTER_SECRET_FILE", secret.display().to_string()),
            ("GUACD_LITE_CLUSTER_LEASE_S", LEASE_S.to_owned()),
        ];
        Some(Self { database, sshd, homes, environment })
    }

    fn environment(&self) -> Vec<(&str, &str)> {
        self.environment.iter().map(|(name, value)| (*name, value.as_str())).collect()
    }

    fn shell(&self) -> String {
        let params = self.sshd.command("echo rea''dy; cat");
        self.homes[0].add_connection_with("shell", "ssh", &params, &self.environment())
    }

    fn start(&self, node: usize) -> Daemon {
        self.homes[node].start_with(&self.environment())
    }
}

/// Opens a connection at one node with the login of another.
fn browse(at: &Daemon, login: &Daemon, connection: &str) -> GuacClient {
    GuacClient::new(WebSocketTransport(web_socket(at.web, &login.tunnel_query(connection))))
}

/// What one node tells to the login of another.
fn data(at: &Daemon, login: &Daemon, path: &str) -> Value {
    let token = login.token();
    let answer = at.http("GET", &format!("/api/session/data/mysql/{path}"), &[("Guacamole-Token", &token)], "");
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()
}

fn open_rows(rows: &Value) -> usize {
    rows.as_array().unwrap().iter().filter(|row| row["endDate"].is_null()).count()
}

/// Its tasks are those of a node: more than of a daemon alone.
fn ends_well(daemon: Daemon) {
    daemon.terminate();
    let Stopped { status, log } = daemon.ended();
    assert!(status.success() && !log.contains("panicked") && !log.contains("Node left"), "{log}");
    assert!(!log.contains("Not everything ended in time"), "{log}");
}

#[test]
fn a_node_that_is_killed_is_cleared_away_by_the_other_and_its_people_go_on_there() {
    let Some(nodes) = Nodes::new() else { return };
    let shell = nodes.shell();
    let (mut one, two) = (nodes.start(0), nodes.start(1));
    let mut client = one.browse(&shell);
    client.reads("ready");
    assert_eq!(data(&two, &one, "activeConnections").as_object().unwrap().len(), 1);
    one.crash();
    // At once with the same login, which the other node has never seen a password for.
    let mut again = browse(&two, &one, &shell);
    again.reads("ready");
    wait_until("the burial", || open_rows(&data(&two, &one, "history/connections")) == 1);
    assert_eq!(data(&two, &one, "activeConnections").as_object().unwrap().len(), 1);
    assert!(two.log().contains("Node is dead"), "{}", two.log());
    drop(again);
    wait_until("the end", || open_rows(&data(&two, &one, "history/connections")) == 0);

    // It comes back and takes the login up again.
    let back = nodes.start(0);
    assert_eq!(data(&back, &one, "connections")[&shell]["name"], "shell");
    let token = one.token();
    assert_eq!(back.http("DELETE", "/api/session", &[("Guacamole-Token", &token)], "").status, 204);
    wait_until("the end of the login everywhere", || {
        two.http("GET", "/api/session/tunnels", &[("Guacamole-Token", &token)], "").status == 403
    });
    ends_well(two);
    ends_well(back);
}

#[test]
fn a_database_that_goes_away_is_not_missed_by_those_at_work() {
    let Some(mut nodes) = Nodes::new() else { return };
    let shell = nodes.shell();
    let (one, two) = (nodes.start(0), nodes.start(1));
    let mut client = one.browse(&shell);
    client.reads("ready");
    let mut leaving = browse(&two, &one, &shell);
    leaving.reads("ready");

    nodes.database.stop();
    wait_until("both to notice", || [&one, &two].iter().all(|node| node.log().contains("database is away")));
    client.write("still here\n");
    client.reads("still here\nstill here");
    // What ends meanwhile is written down afterwards.
    drop(leaving);
    for node in [&one, &two] {
        assert_eq!(node.http("GET", "/readyz", &[], "").status, 200, "the other has the same database");
    }
    nodes.database.start_again();
    let back = Instant::now();
    wait_until("both to be back", || [&one, &two].iter().all(|node| node.log().contains("database is back")));
    eprintln!("back after {:?}", back.elapsed());
    client.write("and now\n");
    client.reads("and now\nand now");
    wait_until("what ended meanwhile", || open_rows(&data(&two, &one, "history/connections")) == 1);
    for node in [&one, &two] {
        assert_eq!(data(node, &one, "activeConnections").as_object().unwrap().len(), 1);
        assert!(!node.log().contains("Node is dead"), "{}", node.log());
    }
    drop(client);
    wait_until("the end", || open_rows(&data(&two, &one, "history/connections")) == 0);
    ends_well(one);
    ends_well(two);
}
