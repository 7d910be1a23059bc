//! Two nodes on one database: whatever is done at one counts at the other.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::http::StatusCode;
use futures_util::future::join_all;
use guac_auth_mysql::cluster::{ClusterStore, NewClusterTunnel, Node as Row, Place};
use guac_auth_mysql::{Access, HistoryQuery, NewConnectionRecord};
use guac_protocol::Selection;
use guac_web::{Cluster, ClusterConfig, PeerIdentity, WebConfig};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::sharing::{follow, link, profile, shared, token_of};
use crate::support::{ADMIN_PASSWORD, ANN_PASSWORD, World, world};
use crate::tunnels::{Served, Socket, query, serve, text, uuid, websocket};

/// Short enough for a test to see the dead buried, long enough for a busy machine to be late.
const LEASE: Duration = Duration::from_secs(2);

/// Whatever takes longer is broken.
const PATIENCE: Duration = Duration::from_secs(60);

struct Node {
    world: World,
    cluster: Cluster,
    served: Served,
    _port: JoinSet<()>,
}

async fn cluster_of(base: &World, name: &str) -> Cluster {
    let secret = "canary-cluster-secret-of-32-bytes-and-more".to_owned().into();
    Cluster::join(base.store.clone(), ClusterConfig { name: name.into(), secret, lease: LEASE }).await.unwrap()
}

async fn node(base: &World, name: &str) -> Node {
    let cluster = cluster_of(base, name).await;
    let (identity, listener) = (PeerIdentity::generate().unwrap(), TcpListener::bind("127.0.0.1:0").await.unwrap());
    cluster.announce(identity.certificate_sum(), &listener.local_addr().unwrap().to_string());
    let mut config = WebConfig::default();
    config.cluster = Some(cluster.clone());
    let world = base.beside(config);
    let port = Arc::new(world.app.join_peers(identity, Arc::new(cluster.clone())).unwrap());
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let mut connections = JoinSet::new();
        while let Ok((stream, address)) = listener.accept().await {
            let port = Arc::clone(&port);
            connections.spawn(async move { port.serve(stream, address).await });
        }
    });
    let served = serve(&world).await;
    Node { world, cluster, served, _port: tasks }
}

impl Node {
    async fn open(&self, token: &str) -> Socket {
        websocket(&self.served, &format!("token={token}&{}", query(self.world.shell, "c")), &[]).await
    }

    async fn live(&self, token: &str) -> Value {
        let answer = self.world.get(token, "data/mysql/activeConnections").await;
        assert_eq!(answer.status, StatusCode::OK);
        answer.json()
    }
}

/// Two nodes that know each other.
async fn nodes() -> (World, Node, Node) {
    let base = world().await;
    let (one, two) = (node(&base, "one").await, node(&base, "two").await);
    for node in [&one, &two] {
        until("the nodes to meet", async || !node.cluster.peers().await.is_empty()).await;
    }
    (base, one, two)
}

async fn until(what: &str, mut done: impl AsyncFnMut() -> bool) {
    let waiting = async {
        while !done().await {
            sleep(Duration::from_millis(20)).await;
        }
    };
    assert!(timeout(PATIENCE, waiting).await.is_ok(), "waited too long for {what}");
}

async fn open_rows(world: &World) -> usize {
    let rows = world.store.connection_history(&Access::operator(), &HistoryQuery::default()).await.unwrap();
    rows.iter().filter(|row| row.end.is_none()).count()
}

#[tokio::test]
async fn a_login_is_good_on_every_node_and_its_end_ends_everything_everywhere() {
    let (base, one, two) = nodes().await;
    let token = one.world.token_of("ann").await;
    let mut tunnel = one.open(&token).await;
    let live = uuid(&mut tunnel).await;
    let session = one.world.host.session();
    assert_eq!(session.request.params["username"], "ann");

    let seen = two.live(&token).await;
    assert_eq!((&seen[&live]["username"], &seen[&live]["remoteHost"]), (&json!("ann"), &json!("127.0.0.1")));
    assert_eq!(seen, one.live(&token).await, "both nodes show the same");
    let admin = two.world.token_of("admin").await;
    let history = two.world.get(&admin, "data/mysql/history/connections").await.json();
    assert_eq!((&history[0]["uuid"], &history[0]["active"]), (&json!(live), &json!(true)));
    assert_eq!(two.world.get(&token, "tunnels").await.json(), json!([live]));
    let connection = two.world.get(&token, &format!("data/mysql/connections/{}", one.world.shell)).await;
    assert_eq!(connection.json()["activeConnections"], 1);

    let ended = two.world.call("DELETE", "/api/session", &[("guacamole-token", &token)], "").await;
    assert_eq!(ended.status, StatusCode::NO_CONTENT);
    assert_eq!(text(&mut tunnel).await, "close 1002 523", "a logout at one ends tunnels at the other");
    assert_eq!(one.world.get(&token, "tunnels").await.status, StatusCode::FORBIDDEN);
    until("the end of the row", async || open_rows(&base).await == 0).await;
    let logins = base.store.login_history(&Access::operator(), &HistoryQuery::default()).await.unwrap();
    let ann = logins.iter().find(|row| row.username == "ann").unwrap();
    assert!(ann.end.is_some());
}

#[tokio::test]
async fn a_password_typed_at_one_node_fills_parameters_at_another() {
    let (base, one, two) = nodes().await;
    let operator = Access::operator();
    let mut parameters = guac_auth_mysql::Parameters::new();
    parameters.insert("password", "${GUAC_PASSWORD}");
    let mut new = guac_auth_mysql::NewConnection::new("own", "ssh");
    new.parameters = parameters;
    let own = base.store.create_connection(&operator, &new).await.unwrap();
    let token = one.world.token_of("admin").await;
    let mut tunnel = websocket(&two.served, &format!("token={token}&{}", query(own, "c")), &[]).await;
    let _ = uuid(&mut tunnel).await;
    assert_eq!(two.world.host.session().request.params["password"], ADMIN_PASSWORD);
}

#[tokio::test]
async fn limits_hold_across_nodes_when_all_come_at_once() {
    let (base, one, two) = nodes().await;
    let token = one.world.token_of("ann").await;
    let attempts = (0..8).map(|n| if n % 2 == 0 { &one } else { &two }).map(async |node| {
        let mut socket = node.open(&token).await;
        (text(&mut socket).await, socket)
    });
    let answers = join_all(attempts).await;
    let (open, refused): (Vec<_>, Vec<_>) = answers.into_iter().partition(|(text, _)| text.starts_with("0.,36."));
    assert_eq!(open.len(), 2, "as many as one user may");
    assert!(refused.iter().all(|(text, _)| text == "close 1008 797"), "{:?}", refused.iter().map(|(t, _)| t));
    drop(open);
    until("the seats to be free", async || open_rows(&base).await == 0).await;
    until("a seat", async || {
        let mut socket = two.open(&token).await;
        text(&mut socket).await.starts_with("0.,36.")
    })
    .await;
}

#[tokio::test]
async fn a_tunnel_is_ended_from_any_node_by_those_who_may() {
    let (_base, one, two) = nodes().await;
    let (ann, admin) = (one.world.token_of("ann").await, two.world.token_of("admin").await);
    let mut tunnel = one.open(&ann).await;
    let live = uuid(&mut tunnel).await;
    let body = format!("[{{\"op\":\"remove\",\"path\":\"/{live}\"}}]");
    let headers = [("guacamole-token", admin.as_str()), ("content-type", "application/json")];
    let answer = two.world.call("PATCH", "/api/session/data/mysql/activeConnections", &headers, &body).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(text(&mut tunnel).await, "close 1002 523");
    until("nobody", async || two.live(&admin).await == json!({})).await;
}

#[tokio::test]
async fn a_link_made_and_followed_elsewhere_leads_to_the_session_and_ends_with_it() {
    let (base, one, two) = nodes().await;
    let profile = profile(&base).await;
    let ann = one.world.token_of("ann").await;
    let mut owner = one.open(&ann).await;
    let live = uuid(&mut owner).await;
    let session = one.world.host.session();
    let key = link(&two.world, &ann, &live, profile).await;
    let visitor = token_of(&follow(&two.world, &key, None).await);
    // What was followed at one node is known at the other.
    let tree = one.world.get(&visitor, "data/mysql-shared/connectionGroups/ROOT/tree").await.json();
    assert_eq!(tree["childConnections"][0]["name"], "shell");
    let mut here = websocket(&one.served, &shared(&visitor, &key), &[]).await;
    let _ = uuid(&mut here).await;
    let request = one.world.host.session().request;
    assert!(matches!(request.selection, Selection::Join(_)));
    assert_eq!(request.params["read-only"], "true");

    drop(session);
    assert_eq!(text(&mut owner).await, "close 1000 0");
    until("the end of the guest", async || open_rows(&base).await == 0).await;
    assert_eq!(follow(&two.world, &key, None).await.status, StatusCode::FORBIDDEN, "the link ended with the session");
}

fn ghost() -> Row {
    Row { id: "ghost".into(), name: "ghost".into(), address: String::new(), certificate: [0; 32], mac: [0; 32] }
}

#[tokio::test]
async fn what_a_dead_node_had_open_is_closed_and_its_people_are_still_logged_in() {
    let (base, one, two) = nodes().await;
    let token = one.world.token_of("ann").await;
    let password = ANN_PASSWORD.to_owned().into();
    let user = base.store.authenticate("ann", &password, SystemTime::now()).await.unwrap().key;
    let dead = ClusterStore::join(base.store.clone(), "ghost".into()).await.unwrap();
    dead.enter(&ghost(), &[], &[]).await.unwrap();
    for _ in 0..2 {
        dead.take_seat(Place::Connection(base.shell), user, 2, 0).await.unwrap();
    }
    let record = NewConnectionRecord {
        user: Some(user),
        username: "ann",
        remote_host: None,
        connection: Some(base.shell),
        connection_name: "shell",
        sharing_profile: None,
    };
    let new = NewClusterTunnel {
        login: [9; 32],
        data_source: "mysql",
        connection: base.shell,
        protocol: "ssh",
        joined: false,
        share: None,
    };
    let (_, tunnel) = dead.open_tunnel(&record, &new).await.unwrap();
    dead.show_tunnel(&tunnel.uuid, "$00000000-0000-4000-8000-000000000000").await.unwrap();
    assert!(two.live(&token).await[&tunnel.uuid].is_object());
    let mut refused = two.open(&token).await;
    assert_eq!(text(&mut refused).await, "close 1008 797", "its seats count as long as it may live");
    assert!(two.cluster.peers().await.iter().all(|peer| peer.name != "ghost"), "it does not have the secret");

    until("the burial", async || open_rows(&base).await == 0).await;
    let rows = base.store.connection_history(&Access::operator(), &HistoryQuery::default()).await.unwrap();
    assert!(rows[0].end.unwrap() < rows[0].start + LEASE + Duration::from_secs(1), "at its last sign of life");
    until("its seats", async || {
        let mut socket = two.open(&token).await;
        text(&mut socket).await.starts_with("0.,36.")
    })
    .await;
}

#[tokio::test]
async fn a_node_that_was_taken_for_dead_comes_back_with_all_it_has() {
    let (base, one, two) = nodes().await;
    let token = one.world.token_of("ann").await;
    let mut tunnel = one.open(&token).await;
    let live = uuid(&mut tunnel).await;
    let session = one.world.host.session();
    until("the tunnel's row", async || two.live(&token).await[&live].is_object()).await;
    let rows = two.cluster.store().nodes().await.unwrap();
    let seen = rows.into_iter().find(|(node, _)| node.id == one.cluster.node_id());
    // At whatever moment it is looked at, it may have said that it lives since.
    let mut seen = seen.unwrap();
    until("somebody to bury it", async || {
        let done = two.cluster.store().reap(&seen.0.id, seen.1).await.unwrap();
        let rows = two.cluster.store().nodes().await.unwrap();
        if let Some(now) = rows.into_iter().find(|(node, _)| node.id == one.cluster.node_id()) {
            seen = now;
        }
        done == Some(1)
    })
    .await;
    until("its return", async || open_rows(&base).await == 1 && two.live(&token).await[&live].is_object()).await;
    session.say.send("4.sync,1.1;".into()).await.unwrap();
    assert_eq!(text(&mut tunnel).await, "4.sync,1.1;", "its session has not noticed");
    until("its address", async || two.cluster.peers().await.len() == 1).await;
    let mut second = two.open(&token).await;
    let _ = uuid(&mut second).await;
    let mut third = two.open(&token).await;
    assert_eq!(text(&mut third).await, "close 1008 797", "its seat counts again");
}

#[tokio::test]
async fn a_node_that_stops_ends_no_login_and_leaves_nothing_open() {
    let (base, one, two) = nodes().await;
    let token = one.world.token_of("ann").await;
    let mut tunnel = one.open(&token).await;
    let _ = uuid(&mut tunnel).await;
    let (_, ended) = tokio::join!(one.world.drain(), text(&mut tunnel));
    assert_eq!(ended, "close 1011 520");
    assert_eq!(open_rows(&base).await, 0);
    assert_eq!(two.live(&token).await, json!({}), "the login goes on at the other");
    let rows = two.cluster.store().nodes().await.unwrap();
    assert_eq!(rows.len(), 1, "and nobody waits for it to die");
}
