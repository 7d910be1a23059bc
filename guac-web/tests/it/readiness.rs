//! A server that takes no new tunnels, for a while or before its end.

use futures_util::{SinkExt as _, StreamExt as _};
use guac_protocol::Selection;

use crate::support::{ANN_PASSWORD, world};
use crate::tunnels::{query, serve, text, uuid, websocket};

#[tokio::test]
async fn not_ready_refuses_new_tunnels_so_that_clients_try_again_and_keeps_live_ones() {
    let world = world().await;
    let served = serve(&world).await;
    let ann = world.token_of("ann").await;
    let shell = format!("token={ann}&{}", query(world.shell, "c"));
    let mut live = websocket(&served, &shell, &[]).await;
    let live_id = uuid(&mut live).await;
    let mut session = world.host.session();

    let held = world.app.not_ready("maintenance: Reboot");
    assert!(!world.app.is_ready());
    let mut refused = websocket(&served, &shell, &[]).await;
    assert_eq!(text(&mut refused).await, "close 1011 520", "UPSTREAM_UNAVAILABLE, which all clients try again after");
    let answer = world.call("POST", "/tunnel?connect", &[], &shell).await;
    assert_eq!((answer.status.as_u16(), answer.header("guacamole-status-code")), (502, "520"));
    // The live one goes on, and others may join it: it is nowhere else.
    live.send("3.key,2.97,1.1;".into()).await.unwrap();
    assert_eq!(session.heard.recv().await.unwrap(), "3.key,2.97,1.1;");
    let mut joined = websocket(&served, &format!("token={ann}&{}", query(&live_id, "a")), &[]).await;
    uuid(&mut joined).await;
    assert!(matches!(world.host.session().request.selection, Selection::Join(_)));

    drop(held);
    let mut welcome = websocket(&served, &shell, &[]).await;
    uuid(&mut welcome).await;
    for mut socket in [live, joined, welcome] {
        socket.close(None).await.unwrap();
        while socket.next().await.is_some() {}
    }
    world.drain().await;
}

#[tokio::test]
async fn readiness_says_why_not_and_everything_else_is_served() {
    let world = world().await;
    let ready = world.call("GET", "/readyz", &[], "").await;
    assert_eq!((ready.status.as_u16(), &*ready.body, ready.header("connection")), (200, &b"ready\n"[..], ""));
    let first = world.app.not_ready("stopping");
    let second = world.app.not_ready("maintenance: Freeze");
    let not_ready = world.call("GET", "/readyz", &[], "").await;
    assert_eq!(
        (not_ready.status.as_u16(), &*not_ready.body),
        (503, &b"not ready: stopping, maintenance: Freeze\n"[..])
    );
    assert_eq!(world.call("GET", "/healthz", &[], "").await.status, 200);
    let login = world.login("ann", ANN_PASSWORD).await;
    assert_eq!(login.status, 200);
    assert_eq!(login.header("connection"), "close", "the next request goes where the balancer leads");
    let read = world.call("GET", "/tunnel?read:no-such-tunnel:0", &[], "").await;
    assert_eq!(read.header("connection"), "", "a tunnel's requests stay");
    drop(first);
    assert_eq!(&*world.call("GET", "/readyz", &[], "").await.body, b"not ready: maintenance: Freeze\n");
    drop(second);
    assert_eq!(world.call("GET", "/readyz", &[], "").await.status, 200);
    world.drain().await;
    assert_eq!(&*world.call("GET", "/readyz", &[], "").await.body, b"not ready: stopping\n");
}

#[tokio::test]
async fn readiness_does_not_depend_on_the_database() {
    let world = world().await;
    world.store.close().await;
    assert_eq!(world.call("GET", "/readyz", &[], "").await.status, 200);
    assert_eq!(world.call("GET", "/healthz", &[], "").await.status, 200);
}

#[tokio::test]
async fn an_http_tunnel_says_why_the_gateway_ended_it() {
    let world = world().await;
    let ann = world.token_of("ann").await;
    let answer = world.call("POST", "/tunnel?connect", &[], &format!("token={ann}&{}", query(world.shell, "c"))).await;
    let uuid = String::from_utf8(answer.body.to_vec()).unwrap();
    let tunnel = answer.header("guacamole-tunnel-token").to_owned();
    let _session = world.host.session();
    let headers = [("guacamole-tunnel-token", tunnel.as_str())];
    let path = format!("/tunnel?read:{uuid}:0");
    let (read, ()) = tokio::join!(world.call("GET", &path, &headers, ""), async {
        // The read begins first: it is polled first.
        tokio::task::yield_now().await;
        world.drain().await;
    });
    let said = String::from_utf8(read.body.to_vec()).unwrap();
    assert!(said.starts_with("5.error,") && said.ends_with(",3.520;0.;"), "{said}");
}

#[tokio::test]
async fn a_database_that_is_away_ends_no_login() {
    let world = world().await;
    let ann = world.token_of("ann").await;
    world.store.close().await;
    let asked = world.call("POST", "/api/tokens", &[], &format!("token={ann}")).await;
    assert_eq!(asked.status, 500);
    let asked = world.call("POST", "/api/tokens", &[], &format!("token={ann}")).await;
    assert_eq!(asked.status, 500, "the login is still there");
}
