//! Links to live sessions, and what embedders hear of tunnels.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::http::StatusCode;
use guac_auth_mysql::{
    Access, HistoryQuery, Holder, NewSharingProfile, ObjectPermission, Parameters, Permission, SharingProfileKey,
};
use guac_protocol::{Selection, Status};
use guac_tunnel::TunnelInfo;
use guac_web::{TunnelListener, Veto};
use serde_json::{Value, json};

use crate::support::{Answer, World, world};
use crate::tunnels::{Socket, query, serve, text, uuid, websocket};

/// A profile of Ann's connection by which she may share it.
pub(crate) async fn profile(world: &World) -> SharingProfileKey {
    let operator = Access::operator();
    let parameters = Parameters::from_iter([("read-only", "true"), ("color-scheme", "${GUAC_USERNAME}-scheme")]);
    let new = NewSharingProfile { name: "look on".into(), connection: world.shell, parameters };
    let key = world.store.create_sharing_profile(&operator, &new).await.unwrap();
    let read = Permission::SharingProfile(key, ObjectPermission::Read);
    world.store.update_permissions(&operator, &Holder::User("ann".into()), &[read], &[]).await.unwrap();
    key
}

pub(crate) async fn link(world: &World, token: &str, uuid: &str, profile: SharingProfileKey) -> String {
    let answer = world.get(token, &format!("tunnels/{uuid}/activeConnection/sharingCredentials/{profile}")).await;
    assert_eq!(answer.status, StatusCode::OK);
    let body = answer.json();
    assert_eq!(body["expected"], json!([{ "name": "key", "type": "QUERY_PARAMETER" }]));
    let key = body["values"]["key"].as_str().unwrap().to_owned();
    assert_eq!(key.len(), 44);
    key
}

/// Logs in by a link, with a token or without.
pub(crate) async fn follow(world: &World, key: &str, token: Option<&str>) -> Answer {
    let token = token.map_or(String::new(), |token| format!("&token={token}"));
    world.call("POST", "/api/tokens", &[], &format!("key={key}{token}")).await
}

pub(crate) fn token_of(answer: &Answer) -> String {
    assert_eq!(answer.status, StatusCode::OK);
    answer.json()["authToken"].as_str().unwrap().to_owned()
}

pub(crate) fn shared(token: &str, key: &str) -> String {
    format!("token={token}&{}", query(key, "c").replace("GUAC_DATA_SOURCE=mysql", "GUAC_DATA_SOURCE=mysql-shared"))
}

async fn closes(mut socket: Socket, how: &str) {
    assert_eq!(text(&mut socket).await, how);
}

#[tokio::test]
async fn a_link_lets_a_stranger_join_with_the_profiles_parameters_and_nothing_else() {
    let world = world().await;
    let served = serve(&world).await;
    let profile = profile(&world).await;
    let ann = world.token_of("ann").await;
    let mut owner = websocket(&served, &format!("token={ann}&{}", query(world.shell, "c")), &[]).await;
    let live = uuid(&mut owner).await;
    let session = world.host.session();
    let profiles = world.get(&ann, &format!("tunnels/{live}/activeConnection/connection/sharingProfiles")).await.json();
    assert_eq!(profiles[profile.to_string()]["name"], "look on");
    let key = link(&world, &ann, &live, profile).await;
    assert_ne!(key, link(&world, &ann, &live, profile).await, "many links per session");

    let answer = follow(&world, &key, None).await;
    let visitor = token_of(&answer);
    let body = answer.json();
    assert_eq!((&body["username"], &body["dataSource"]), (&json!(""), &json!("mysql-shared")));
    assert_eq!(body["availableDataSources"], json!(["mysql-shared"]));
    let mut guest = websocket(&served, &shared(&visitor, &key), &[]).await;
    let joined = uuid(&mut guest).await;
    let theirs = world.host.session();
    let request = &theirs.request;
    assert!(matches!(request.selection, Selection::Join(_)));
    let sent: Vec<_> = request.params.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(sent, [("color-scheme", "-scheme"), ("read-only", "true")], "nothing of the connection's own");
    assert_eq!(request.info.name, None);

    let entry = world.get(&visitor, &format!("tunnels/{joined}/activeConnection")).await;
    assert_eq!(entry.status, StatusCode::NOT_FOUND, "nothing is told of the connection behind");
    let again = world.get(&visitor, &format!("tunnels/{joined}/activeConnection/sharingCredentials/{profile}")).await;
    assert_eq!(again.status, StatusCode::NOT_FOUND, "and it cannot be shared on");
    assert_eq!(world.get(&visitor, "tunnels").await.json(), json!([joined]));
    assert_eq!(world.get(&visitor, &format!("tunnels/{joined}/protocol")).await.json()["name"], "ssh");

    let history = world.store.connection_history(&Access::operator(), &HistoryQuery::default()).await.unwrap();
    let row = history.iter().find(|row| row.record.uuid.to_string() == joined).unwrap();
    assert_eq!((row.username.as_str(), row.remote_host.as_deref()), ("", Some("127.0.0.1")));
    assert_eq!((row.connection, row.sharing_profile), (Some(world.shell), Some(profile)));
    assert_eq!(row.sharing_profile_name.as_deref(), Some("look on"));

    drop(session);
    closes(owner, "close 1000 0").await;
    closes(guest, "close 1002 523").await;
    assert_eq!(follow(&world, &key, None).await.status, StatusCode::FORBIDDEN, "the link ended with the session");
    world.drain().await;
}

#[tokio::test]
async fn a_stranger_sees_what_is_shared_and_no_accounts() {
    let world = world().await;
    let served = serve(&world).await;
    let profile = profile(&world).await;
    let ann = world.token_of("ann").await;
    let mut owner = websocket(&served, &format!("token={ann}&{}", query(world.shell, "c")), &[]).await;
    let live = uuid(&mut owner).await;
    let key = link(&world, &ann, &live, profile).await;
    let visitor = token_of(&follow(&world, &key, None).await);
    let get = async |path: &str| world.get(&visitor, path).await;
    let json = async |path: &str| -> Value { get(&format!("data/mysql-shared/{path}")).await.json() };

    let entry = json("connections").await[&key].clone();
    assert_eq!((&entry["identifier"], &entry["name"]), (&json!(key), &json!("shell")));
    assert_eq!(json(&format!("connections/{key}")).await, entry);
    let tree = json("connectionGroups/ROOT/tree").await;
    assert_eq!((&tree["identifier"], &tree["childConnections"]), (&json!("ROOT"), &json!([entry])));
    assert_eq!(json("connectionGroups").await.as_object().unwrap().len(), 1);
    assert_eq!(json("self").await["username"], "");
    let permissions = json("self/effectivePermissions").await;
    assert_eq!(permissions["connectionPermissions"], json!({ &key: ["READ"] }));
    assert_eq!(permissions["systemPermissions"], json!([]));

    for path in ["connections", "self", "users", "activeConnections", "connectionGroups/ROOT/tree"] {
        let answer = get(&format!("data/mysql/{path}")).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{path}");
    }
    // Another link of the session is not his, nor is anything of the database.
    let other = link(&world, &ann, &live, profile).await;
    for refused in [shared(&visitor, &other), format!("token={visitor}&{}", query(world.shell, "c"))] {
        closes(websocket(&served, &refused, &[]).await, "close 1002 516").await;
    }
    let join = format!("token={visitor}&{}", query(&live, "a"));
    closes(websocket(&served, &join, &[]).await, "close 1002 516").await;
    let logout = world.call("DELETE", "/api/session", &[("guacamole-token", &visitor)], "").await;
    assert_eq!(logout.status, StatusCode::NO_CONTENT);
    assert_eq!(get("tunnels").await.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn somebody_logged_in_gets_the_shared_connection_beside_his_own() {
    let world = world().await;
    let served = serve(&world).await;
    let profile = profile(&world).await;
    let (ann, admin) = (world.token_of("ann").await, world.token_of("admin").await);
    let mut owner = websocket(&served, &format!("token={ann}&{}", query(world.shell, "c")), &[]).await;
    let live = uuid(&mut owner).await;
    let key = link(&world, &ann, &live, profile).await;
    let answer = follow(&world, &key, Some(&admin)).await;
    let body = answer.json();
    assert_eq!((&body["authToken"], &body["username"]), (&json!(admin), &json!("admin")));
    assert_eq!(body["availableDataSources"], json!(["mysql", "mysql-shared"]));
    let mut guest = websocket(&served, &shared(&admin, &key), &[]).await;
    uuid(&mut guest).await;
    assert_eq!(world.host.session().request.params["color-scheme"], "admin-scheme");
    assert_eq!(world.get(&admin, "data/mysql/users").await.status, StatusCode::OK, "his own is still there");
    // A link that is not valid changes nothing.
    let answer = follow(&world, "nonsense", Some(&ann)).await;
    assert_eq!(answer.json()["availableDataSources"], json!(["mysql"]));
    assert_eq!(follow(&world, "nonsense", None).await.json()["type"], "INVALID_CREDENTIALS");

    // An administrator shares the session of another; others do not even see it.
    let credentials = format!("data/mysql/activeConnections/{live}/sharingCredentials/{profile}");
    assert_eq!(world.get(&admin, &credentials).await.status, StatusCode::OK);
    let visitor = token_of(&follow(&world, &key, None).await);
    assert_eq!(world.get(&visitor, &credentials).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_connection_is_shared_by_its_own_profiles_that_one_may_read() {
    let world = world().await;
    let served = serve(&world).await;
    let operator = Access::operator();
    let mut new = NewSharingProfile { name: "other".into(), connection: world.hidden, parameters: Parameters::new() };
    let of_another = world.store.create_sharing_profile(&operator, &new).await.unwrap();
    new.connection = world.shell;
    let unreadable = world.store.create_sharing_profile(&operator, &new).await.unwrap();
    let read = Permission::SharingProfile(of_another, ObjectPermission::Read);
    world.store.update_permissions(&operator, &Holder::User("ann".into()), &[read], &[]).await.unwrap();
    let ann = world.token_of("ann").await;
    let mut owner = websocket(&served, &format!("token={ann}&{}", query(world.shell, "c")), &[]).await;
    let live = uuid(&mut owner).await;
    for profile in [of_another.to_string(), unreadable.to_string(), "999".into(), "x".into()] {
        let path = format!("tunnels/{live}/activeConnection/sharingCredentials/{profile}");
        assert_eq!(world.get(&ann, &path).await.status, StatusCode::NOT_FOUND, "{profile}");
    }
    let path = format!("data/mysql/sharingProfiles/{of_another}");
    assert_eq!(world.get(&ann, &path).await.json()["primaryConnectionIdentifier"], json!(world.hidden.to_string()));
    assert_eq!(world.get(&ann, &format!("{path}/parameters")).await.status, StatusCode::FORBIDDEN);
    let admin = world.token_of("admin").await;
    assert_eq!(world.get(&admin, &format!("{path}/parameters")).await.json(), json!({}));
}

#[derive(Default)]
struct Ears {
    veto: Option<Status>,
    heard: Mutex<Vec<String>>,
}

impl TunnelListener for Ears {
    fn opening(&self, tunnel: &TunnelInfo) -> Result<(), Veto> {
        self.heard.lock().unwrap().push(format!("opening {}", tunnel.uuid));
        self.veto.map_or(Ok(()), |status| Err(Veto { status, message: "Not now.".into() }))
    }

    fn closed(&self, tunnel: &TunnelInfo, duration: Duration) {
        assert!(duration > Duration::ZERO);
        self.heard.lock().unwrap().push(format!("closed {}", tunnel.uuid));
    }
}

#[tokio::test]
async fn a_listener_hears_of_tunnels_and_may_forbid_them() {
    let world = world().await;
    let served = serve(&world).await;
    let ears = Arc::new(Ears::default());
    assert!(world.app.listen(Arc::clone(&ears) as _));
    let ann = world.token_of("ann").await;
    let own = format!("token={ann}&{}", query(world.shell, "c"));
    let mut socket = websocket(&served, &own, &[]).await;
    let live = uuid(&mut socket).await;
    assert_eq!(*ears.heard.lock().unwrap(), [format!("opening {live}")]);
    drop(world.host.session());
    closes(socket, "close 1000 0").await;
    world.drain().await;
    assert_eq!(*ears.heard.lock().unwrap(), [format!("opening {live}"), format!("closed {live}")]);
}

#[tokio::test]
async fn a_veto_refuses_the_tunnel_and_one_for_want_of_authority_ends_the_login() {
    for (status, close, login) in [
        (Status::ClientForbidden, "close 1008 771", StatusCode::OK),
        (Status::ClientUnauthorized, "close 1008 769", StatusCode::FORBIDDEN),
    ] {
        let world = world().await;
        let served = serve(&world).await;
        let ears = Arc::new(Ears { veto: Some(status), ..Ears::default() });
        world.app.listen(Arc::clone(&ears) as _);
        let ann = world.token_of("ann").await;
        let own = format!("token={ann}&{}", query(world.shell, "c"));
        closes(websocket(&served, &own, &[]).await, close).await;
        assert_eq!(world.get(&ann, "tunnels").await.status, login);
        assert_eq!(ears.heard.lock().unwrap().len(), 1, "what did not open does not close");
        world.drain().await;
    }
}
