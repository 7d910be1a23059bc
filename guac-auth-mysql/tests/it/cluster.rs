//! What nodes of a cluster share, on every engine.

use std::time::{Duration, SystemTime};

use guac_auth_mysql::cluster::{
    ClusterShare, ClusterStore, ClusterTunnel, NewClusterLogin, NewClusterTunnel, Node, Place, SeatError,
};
use guac_auth_mysql::{
    AuthenticatedUser, ConnectionKey, HistoryQuery, NewConnection, NewConnectionRecord, NewSharingProfile, Parameters,
    UserKey,
};

use crate::fixture::{Fixture, operator};

fn node(id: &str) -> Node {
    Node { id: id.into(), name: id.into(), address: format!("{id}:1"), certificate: [1; 32], mac: [2; 32] }
}

async fn join(fixture: &Fixture, id: &str) -> ClusterStore {
    let store = fixture.reopen(|_| {}).await;
    let cluster = ClusterStore::join(store, id.into()).await.unwrap();
    cluster.enter(&node(id), &[], &[]).await.unwrap();
    cluster
}

async fn connection(fixture: &Fixture) -> ConnectionKey {
    fixture.store.create_connection(&operator(), &NewConnection::new("shell", "ssh")).await.unwrap()
}

async fn open(at: &ClusterStore, connection: ConnectionKey, user: UserKey, login: [u8; 32]) -> ClusterTunnel {
    let record = NewConnectionRecord {
        user: Some(user),
        username: "ann",
        remote_host: Some("203.0.113.9"),
        connection: Some(connection),
        connection_name: "shell",
        sharing_profile: None,
    };
    let new = NewClusterTunnel { login, data_source: "mysql", connection, protocol: "ssh", joined: false, share: None };
    let (_, tunnel) = at.open_tunnel(&record, &new).await.unwrap();
    assert_eq!(at.tunnel(&tunnel.uuid).await.unwrap(), None, "not before its session is there");
    at.show_tunnel(&tunnel.uuid, "$session").await.unwrap();
    ClusterTunnel { session: Some("$session".into()), ..tunnel }
}

pub(crate) async fn cluster_seats_never_exceed_the_limit(fixture: Fixture) {
    let (one, two) = (Box::pin(join(&fixture, "one")).await, Box::pin(join(&fixture, "two")).await);
    let (user, _) = Box::pin(fixture.user("ann")).await;
    let (other, _) = Box::pin(fixture.user("bob")).await;
    let connection = Box::pin(connection(&fixture)).await;
    let place = Place::Connection(connection);
    let mut tries = tokio::task::JoinSet::new();
    for n in 0..12 {
        let at = if n % 2 == 0 { one.clone() } else { two.clone() };
        tries.spawn(async move { at.take_seat(place, user, 0, 3).await });
    }
    let outcomes = tries.join_all().await;
    let seats: Vec<_> = outcomes.iter().flatten().collect();
    assert_eq!(seats.len(), 3);
    assert!(outcomes.iter().filter_map(|done| done.as_ref().err()).all(|e| matches!(e, SeatError::Full)));
    assert_eq!(one.connections_used().await.unwrap()[&connection], 3);
    assert!(matches!(two.take_seat(place, user, 3, 0).await, Err(SeatError::UserFull)));
    two.take_seat(place, other, 3, 0).await.unwrap();
    // Either node may give it back, and nobody is told twice.
    for _ in 0..2 {
        two.free_seat(&seats[0].id).await.unwrap();
    }
    assert_eq!(one.connections_used().await.unwrap()[&connection], 3);
}

pub(crate) async fn cluster_nodes_hand_on_and_bury_the_dead(fixture: Fixture) {
    let (one, two) = (Box::pin(join(&fixture, "one")).await, Box::pin(join(&fixture, "two")).await);
    let (key, _) = Box::pin(fixture.user("ann")).await;
    let connection = Box::pin(connection(&fixture)).await;
    let user = AuthenticatedUser { key, name: "ann".into() };
    let hash = [3; 32];
    let new = NewClusterLogin { hash, user: Some(&user), remote_host: None, sealed: b"sealed" };
    one.open_login(&new).await.unwrap();
    let found = two.login(&hash).await.unwrap().unwrap();
    assert_eq!((found.user.unwrap().name.as_str(), found.sealed.as_slice(), found.version), ("ann", &b"sealed"[..], 1));
    assert_eq!(two.change_login(&hash, Some(&user), b"other").await.unwrap(), Some(2));
    assert_eq!(one.living_logins(&[hash, [4; 32]]).await.unwrap(), [(hash, 2)]);

    let tunnel = Box::pin(open(&one, connection, key, hash)).await;
    let seat = one.take_seat(Place::Connection(connection), key, 1, 1).await.unwrap();
    assert_eq!(two.tunnels(Some(&hash)).await.unwrap(), std::slice::from_ref(&tunnel));
    assert_eq!(two.tunnels(Some(&[4; 32])).await.unwrap(), []);
    assert_eq!(two.node_of(&tunnel.uuid).await.unwrap(), Some(node("one")));
    assert!(two.stop_tunnel(&tunnel.uuid).await.unwrap() && !two.stop_tunnel("unknown").await.unwrap());
    assert_eq!(one.stop_requests().await.unwrap(), std::slice::from_ref(&tunnel.uuid));
    assert!(two.stop_requests().await.unwrap().is_empty());

    let profile = NewSharingProfile { name: "look".into(), connection, parameters: Parameters::new() };
    let profile = Box::pin(fixture.store.create_sharing_profile(&operator(), &profile)).await.unwrap();
    let share = ClusterShare { connection, profile };
    assert_eq!(two.offer_share(&[5; 32], &tunnel.uuid, share, 1).await.unwrap(), Some(true));
    assert_eq!(two.offer_share(&[6; 32], &tunnel.uuid, share, 1).await.unwrap(), Some(false), "as many as allowed");
    assert_eq!(one.share(&[5; 32]).await.unwrap(), Some((tunnel.uuid.clone(), share)));

    // Nobody is buried who has said since that he lives.
    let seen = two.nodes().await.unwrap().into_iter().find(|(row, _)| row.id == "one").unwrap();
    tokio::time::sleep(Duration::from_millis(5)).await;
    assert!(one.beat().await.unwrap());
    assert_eq!(two.reap("one", seen.1).await.unwrap(), None);
    assert_eq!(two.expire_logins(Duration::ZERO).await.unwrap(), 0, "in use by its tunnel");
    let seen = two.nodes().await.unwrap().into_iter().find(|(row, _)| row.id == "one").unwrap();
    assert_eq!(two.reap("one", seen.1).await.unwrap(), Some(1));
    assert_eq!(two.reap("one", seen.1).await.unwrap(), None, "once");
    assert!(two.tunnels(None).await.unwrap().is_empty() && two.connections_used().await.unwrap().is_empty());
    assert_eq!(one.share(&[5; 32]).await.unwrap(), None);
    let all = HistoryQuery::default();
    let who = operator();
    let history = async || Box::pin(fixture.store.connection_history(&who, &all)).await.unwrap();
    assert!(history().await[0].end.is_some());
    assert!(two.login(&hash).await.unwrap().is_some(), "people are still logged in");

    // It lives after all.
    assert!(!one.beat().await.unwrap());
    one.enter(&node("one"), std::slice::from_ref(&tunnel), std::slice::from_ref(&seat)).await.unwrap();
    assert_eq!(two.tunnels(None).await.unwrap(), std::slice::from_ref(&tunnel));
    assert_eq!(two.connections_used().await.unwrap()[&connection], 1);
    assert_eq!(history().await[0].end, None);

    // A row that no node answers for, and one that ends in order.
    let stray = Box::pin(ClusterStore::join(Box::pin(fixture.reopen(|_| {})).await, "stray".into())).await.unwrap();
    Box::pin(open(&stray, connection, key, hash)).await;
    two.clear_strays().await.unwrap();
    assert_eq!(two.tunnels(None).await.unwrap().len(), 1);
    one.close_tunnel(&tunnel.uuid, tunnel.record, Duration::from_secs(60)).await.unwrap();
    let ended = history().await.into_iter().find(|row| row.record.key == tunnel.record).unwrap().end.unwrap();
    assert!(ended < SystemTime::now() - Duration::from_secs(30), "when it was, not when it was written down");

    // The next start of a node at the same address does not wait.
    let again = Box::pin(ClusterStore::join(Box::pin(fixture.reopen(|_| {})).await, "again".into())).await.unwrap();
    let row = Node { id: "again".into(), ..node("one") };
    again.enter(&row, &[], &[]).await.unwrap();
    let ids: Vec<_> = two.nodes().await.unwrap().into_iter().map(|(row, _)| row.id).collect();
    assert_eq!(ids.len(), 2, "{ids:?}");
    two.leave().await.unwrap();
    two.touch_logins(&[hash]).await.unwrap();
    assert_eq!(again.expire_logins(Duration::from_secs(3600)).await.unwrap(), 0);
    assert_eq!(again.expire_logins(Duration::ZERO).await.unwrap(), 1);
    assert!(again.login(&hash).await.unwrap().is_none());
    let logins = fixture.store.login_history(&operator(), &HistoryQuery::default()).await.unwrap();
    assert!(logins[0].end.is_some());
}

pub(crate) async fn cluster_values_and_locks_are_for_all_nodes(fixture: Fixture) {
    let (one, two) = (Box::pin(join(&fixture, "one")).await, Box::pin(join(&fixture, "two")).await);
    assert_eq!(two.value("name").await.unwrap(), None);
    for value in [&b"first"[..], b"second"] {
        one.set_value("name", Some(value)).await.unwrap();
        assert_eq!(two.value("name").await.unwrap().as_deref(), Some(value));
    }
    two.set_value("name", None).await.unwrap();
    assert_eq!(one.value("name").await.unwrap(), None);
    assert!(one.set_value("name", Some(&[0; 70_000])).await.is_err());

    let long = Duration::from_secs(60);
    assert!(one.lock("lock", long).await.unwrap() && !two.lock("lock", long).await.unwrap());
    assert!(one.lock("lock", Duration::ZERO).await.unwrap(), "who has it may have it for longer or less");
    assert!(two.lock("lock", long).await.unwrap(), "its time is over");
    one.unlock("lock").await.unwrap();
    assert!(!one.lock("lock", long).await.unwrap(), "only who has it gives it back");
    two.unlock("lock").await.unwrap();
    assert!(one.lock("lock", long).await.unwrap());
}
