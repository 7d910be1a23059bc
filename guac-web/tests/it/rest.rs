use std::time::{Duration, SystemTime};

use axum::http::StatusCode;
use guac_auth_mysql::{Access, ConnectionGroupType, Holder, NewConnection, NewConnectionGroup, NewConnectionRecord};
use serde_json::{Value, json};

use crate::support::{ANN_PASSWORD, World, world};

fn denied() -> Value {
    json!({
        "message": "Permission Denied.",
        "translatableMessage": {"key": "APP.TEXT_UNTRANSLATED", "variables": {"MESSAGE": "Permission Denied."}},
        "statusCode": null, "expected": null, "patches": null, "type": "PERMISSION_DENIED",
    })
}

async fn data(world: &World, token: &str, path: &str) -> Value {
    let answer = world.get(token, &format!("data/mysql/{path}")).await;
    assert_eq!(answer.status, StatusCode::OK, "{path}: {:?}", answer.body);
    assert_eq!(answer.header("content-type"), "application/json");
    assert_eq!(answer.header("cache-control"), "no-store");
    answer.json()
}

fn shell(world: &World) -> Value {
    json!({
        "name": "shell", "identifier": world.shell.to_string(), "parentIdentifier": "ROOT", "protocol": "ssh",
        "attributes": {
            "max-connections": null, "max-connections-per-user": "2", "weight": null, "failover-only": null,
            "guacd-hostname": null, "guacd-port": null, "guacd-encryption": null,
        },
        "activeConnections": 0,
    })
}

#[tokio::test]
async fn every_endpoint_wants_a_login() {
    let world = world().await;
    for path in ["session/data/mysql/self", "session/tunnels", "session/data/nowhere/self"] {
        for headers in [&[][..], &[("guacamole-token", "00")]] {
            let answer = world.call("GET", &format!("/api/{path}"), headers, "").await;
            assert_eq!((answer.status, answer.json()), (StatusCode::FORBIDDEN, denied()), "{path}");
        }
    }
    assert_eq!(world.call("GET", "/api/languages", &[], "").await.json(), json!({"en": "English"}));
    assert_eq!(world.call("GET", "/api/patches", &[], "").await.json(), json!([]));
}

#[tokio::test]
async fn the_tree_has_what_its_reader_may_see() {
    let world = world().await;
    let operator = Access::operator();
    let group = NewConnectionGroup {
        name: "servers".into(),
        parent: None,
        group_type: ConnectionGroupType::Organizational,
        attributes: Default::default(),
    };
    let group = world.store.create_connection_group(&operator, &group).await.unwrap();
    let mut inside = NewConnection::new("inside", "ssh");
    inside.parent = Some(group);
    world.store.create_connection(&operator, &inside).await.unwrap();

    let ann = world.token_of("ann").await;
    let tree = data(&world, &ann, "connectionGroups/ROOT/tree").await;
    let expected = json!({
        "name": "ROOT", "identifier": "ROOT", "type": "ORGANIZATIONAL", "activeConnections": 0, "attributes": {},
        "childConnections": [shell(&world)],
    });
    assert_eq!(tree, expected);

    let admin = world.token_of("admin").await;
    let tree = data(&world, &admin, "connectionGroups/ROOT/tree").await;
    let names = |value: &Value| -> Vec<String> {
        value.as_array().unwrap().iter().map(|child| child["name"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names(&tree["childConnections"]), ["hidden", "shell"]);
    let servers = &tree["childConnectionGroups"][0];
    assert_eq!((servers["name"].as_str(), servers["parentIdentifier"].as_str()), (Some("servers"), Some("ROOT")));
    assert_eq!(names(&servers["childConnections"]), ["inside"]);
    let id = servers["identifier"].as_str().unwrap();
    assert_eq!(data(&world, &admin, &format!("connectionGroups/{id}")).await["type"], "ORGANIZATIONAL");
    assert_eq!(data(&world, &ann, "connectionGroups/ROOT").await["name"], "ROOT");
    assert_eq!(world.get(&ann, &format!("data/mysql/connectionGroups/{id}")).await.status, 404);
}

#[tokio::test]
async fn connections_are_shown_by_permission_and_their_parameters_to_editors_only() {
    let world = world().await;
    let (ann, admin) = (world.token_of("ann").await, world.token_of("admin").await);
    let (shell_id, hidden_id) = (world.shell, world.hidden);
    assert_eq!(data(&world, &ann, &format!("connections/{shell_id}")).await, shell(&world));
    assert_eq!(data(&world, &ann, "connections").await.as_object().unwrap().len(), 1);
    assert_eq!(data(&world, &admin, "connections").await.as_object().unwrap().len(), 2);
    assert_eq!(data(&world, &ann, "connections?permission=UPDATE&permission=DELETE").await, json!({}));
    for id in [hidden_id.to_string(), "999".into(), "x".into(), "-1".into(), "%2e%2e".into()] {
        let answer = world.get(&ann, &format!("data/mysql/connections/{id}")).await;
        assert_eq!((answer.status, &answer.json()["type"]), (StatusCode::NOT_FOUND, &json!("NOT_FOUND")), "{id}");
    }
    let answer = world.get(&ann, &format!("data/mysql/connections/{shell_id}/parameters")).await;
    assert_eq!((answer.status, answer.json()), (StatusCode::FORBIDDEN, denied()));
    let parameters = data(&world, &admin, &format!("connections/{shell_id}/parameters")).await;
    assert_eq!(parameters["username"], "${GUAC_USERNAME}");
    assert_eq!(data(&world, &ann, &format!("connections/{shell_id}/history")).await, json!([]));
    assert_eq!(data(&world, &ann, &format!("connections/{shell_id}/sharingProfiles")).await, json!({}));
    assert_eq!(data(&world, &ann, "sharingProfiles").await, json!({}));
}

#[tokio::test]
async fn permissions_have_all_seven_members() {
    let world = world().await;
    let (ann, admin) = (world.token_of("ann").await, world.token_of("admin").await);
    let own = json!({
        "connectionPermissions": {world.shell.to_string(): ["READ"]}, "connectionGroupPermissions": {},
        "sharingProfilePermissions": {}, "activeConnectionPermissions": {}, "userPermissions": {"ann": ["READ"]},
        "userGroupPermissions": {}, "systemPermissions": [],
    });
    for path in
        ["self/permissions", "self/effectivePermissions", "users/ann/permissions", "users/ann/effectivePermissions"]
    {
        assert_eq!(data(&world, &ann, path).await, own, "{path}");
    }
    let system = data(&world, &admin, "self/effectivePermissions").await["systemPermissions"].clone();
    assert!(system.as_array().unwrap().contains(&json!("ADMINISTER")));
    assert_eq!(world.get(&ann, "data/mysql/users/admin/permissions").await.status, 404);
}

#[tokio::test]
async fn users_see_themselves_and_administrators_everybody() {
    let world = world().await;
    let (ann, admin) = (world.token_of("ann").await, world.token_of("admin").await);
    let own = data(&world, &ann, "self").await;
    assert_eq!((&own["username"], &own["disabled"]), (&json!("ann"), &json!(false)));
    assert_eq!(own["attributes"]["guac-full-name"], Value::Null);
    assert!(own["lastActive"].is_i64() && own.get("password").is_none());
    assert!(own["attributes"].get("valid-until").is_none(), "restrictions are for administrators");
    assert_eq!(data(&world, &ann, "users/ann").await, own);
    assert_eq!(data(&world, &ann, "users").await.as_object().unwrap().len(), 1);
    let all = data(&world, &admin, "users").await;
    assert_eq!(all.as_object().unwrap().keys().collect::<Vec<_>>(), ["admin", "ann"]);
    assert!(all["ann"]["attributes"].get("valid-until").is_some());
    assert_eq!(world.get(&ann, "data/mysql/users/admin").await.status, 404);
    assert_eq!(data(&world, &ann, "self/userGroups").await, json!([]));
    assert_eq!(data(&world, &ann, "userGroups").await, json!({}));
    assert_eq!(data(&world, &ann, "self/history").await.as_array().unwrap().len(), 1);
    assert_eq!(data(&world, &admin, "history/users").await.as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn groups_and_their_members_are_listed() {
    let world = world().await;
    let operator = Access::operator();
    world.store.create_user_group(&operator, "ops/night", false, &Default::default()).await.unwrap();
    let ann = Holder::User("ann".into());
    world.store.update_group_members(&operator, "ops/night", &[ann], &[]).await.unwrap();
    let admin = world.token_of("admin").await;
    let group = json!({"identifier": "ops/night", "disabled": false, "attributes": {}});
    assert_eq!(data(&world, &admin, "userGroups").await, json!({"ops/night": group.clone()}));
    assert_eq!(data(&world, &admin, "userGroups/ops%2Fnight").await, group);
    assert_eq!(data(&world, &admin, "userGroups/ops%2Fnight/memberUsers").await, json!(["ann"]));
    assert_eq!(data(&world, &admin, "userGroups/ops%2Fnight/memberUserGroups").await, json!([]));
    assert_eq!(data(&world, &admin, "users/ann/userGroups").await, json!(["ops/night"]));
}

#[tokio::test]
async fn users_change_their_password_with_the_old_one_only() {
    let world = world().await;
    let operator = Access::operator();
    let body = json!({"oldPassword": ANN_PASSWORD, "newPassword": "fresh"}).to_string();
    let unprivileged = world.token_of("ann").await;
    let headers = [("guacamole-token", unprivileged.as_str()), ("content-type", "application/json")];
    let refused = world.call("PUT", "/api/session/data/mysql/self/password", &headers, &body).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN, "changing it takes UPDATE on oneself");
    let update = guac_auth_mysql::Permission::User("ann".into(), guac_auth_mysql::ObjectPermission::Update);
    let holder = Holder::User("ann".into());
    world.store.update_permissions(&operator, &holder, &[update], &[]).await.unwrap();
    let ann = world.token_of("ann").await;
    let headers = [("guacamole-token", ann.as_str()), ("content-type", "application/json")];
    let put = async |old: &str, new: &str| {
        let body = json!({"oldPassword": old, "newPassword": new}).to_string();
        world.call("PUT", "/api/session/data/mysql/users/ann/password", &headers, &body).await
    };
    let wrong = put("wrong", "fresh").await;
    assert_eq!((wrong.status, wrong.json()), (StatusCode::FORBIDDEN, denied()));
    assert_eq!(put(ANN_PASSWORD, "fresh").await.status, 204);
    assert_eq!(world.login("ann", "fresh").await.status, 200);
    let unknown = world.call("PUT", "/api/session/data/mysql/self/password", &headers, r#"{"x":1}"#).await;
    assert_eq!((unknown.status, &unknown.json()["type"]), (StatusCode::BAD_REQUEST, &json!("BAD_REQUEST")));
}

#[tokio::test]
async fn protocols_offer_the_fields_their_back_end_takes() {
    let world = world().await;
    let ann = world.token_of("ann").await;
    let protocols = data(&world, &ann, "schema/protocols").await;
    assert_eq!(protocols.as_object().unwrap().keys().collect::<Vec<_>>(), ["rdp", "ssh", "vnc"]);
    let rdp = json!([
        {"name": "network", "fields": [{"name": "hostname", "type": "TEXT"}]},
        {"name": "authentication", "fields": [
            {"name": "domain", "type": "TEXT"},
            {"name": "security", "type": "ENUM",
             "options": ["", "any", "nla", "nla-ext", "tls", "rdp", "vmconnect"]},
        ]},
        {"name": "display", "fields": [
            {"name": "resize-method", "type": "ENUM", "options": ["", "display-update", "reconnect"]},
        ]},
        {"name": "device-redirection", "fields": [{"name": "drive-path", "type": "TEXT"}]},
    ]);
    assert_eq!((&protocols["rdp"]["name"], &protocols["rdp"]["connectionForms"]), (&json!("rdp"), &rdp));
    let ssh = &protocols["ssh"];
    let expected = json!([
        {"name": "network", "fields": [{"name": "hostname", "type": "TEXT"}, {"name": "port", "type": "NUMERIC"}]},
        {"name": "authentication", "fields": [{"name": "username", "type": "USERNAME"}, {"name": "password", "type": "PASSWORD"}]},
        {"name": "display", "fields": [
            {"name": "color-scheme", "type": "TERMINAL_COLOR_SCHEME",
             "options": ["", "black-white", "gray-black", "green-black", "white-black"]},
            {"name": "read-only", "type": "BOOLEAN", "options": ["true"]},
        ]},
    ]);
    assert_eq!((&ssh["name"], &ssh["connectionForms"]), (&json!("ssh"), &expected));
    assert_eq!(ssh["sharingProfileForms"][0]["fields"][0]["name"], "read-only");
    for kind in ["userAttributes", "userPreferenceAttributes", "connectionAttributes", "connectionGroupAttributes"] {
        assert!(data(&world, &ann, &format!("schema/{kind}")).await[0]["fields"].is_array(), "{kind}");
    }
    assert_eq!(world.get(&ann, "data/mysql/schema/other").await.status, 404);
}

#[tokio::test]
async fn what_is_not_there_and_what_is_not_done_are_json_errors() {
    let world = world().await;
    let ann = world.token_of("ann").await;
    let answer = world.get(&ann, "data/elsewhere/self").await;
    assert_eq!(answer.status, 404);
    assert_eq!(answer.json()["message"], "Session not associated with authentication provider \"elsewhere\".");
    let answer = world.call("GET", "/api/nothing", &[], "").await;
    assert_eq!((answer.status, &answer.json()["type"]), (StatusCode::NOT_FOUND, &json!("NOT_FOUND")));
    let answer = world.call("DELETE", "/api/languages", &[], "").await;
    assert_eq!((answer.status, &answer.json()["type"]), (StatusCode::METHOD_NOT_ALLOWED, &json!("BAD_REQUEST")));
    let answer = world.get(&ann, "data/mysql/history/connections?order=name").await;
    assert_eq!(answer.status, 400);
    let headers = [("guacamole-token", ann.as_str()), ("content-type", "application/json")];
    let huge = "x".repeat(3 * 1024 * 1024);
    let answer = world.call("PATCH", "/api/session/data/mysql/activeConnections", &headers, &huge).await;
    assert_eq!((answer.status, &answer.json()["type"]), (StatusCode::PAYLOAD_TOO_LARGE, &json!("BAD_REQUEST")));
}

#[tokio::test]
async fn history_is_told_whole_searched_and_ordered() {
    let world = world().await;
    let (ann, admin) = (world.token_of("ann").await, world.token_of("admin").await);
    let start = SystemTime::UNIX_EPOCH + Duration::from_secs(1_709_294_400);
    let mut records = Vec::new();
    for (number, (name, connection)) in [("shell", world.shell), ("hidden", world.hidden)].into_iter().enumerate() {
        let record = NewConnectionRecord {
            user: None,
            username: "ann",
            remote_host: Some("192.0.2.1"),
            connection: Some(connection),
            connection_name: name,
            sharing_profile: None,
        };
        let begin = start + Duration::from_secs(60 * number as u64);
        records.push(world.store.open_connection_record(&record, begin).await.unwrap());
    }
    world.store.close_connection_record(records[0].key, start + Duration::from_secs(30)).await.unwrap();
    let first = json!({
        "identifier": records[0].key.to_string(), "uuid": records[0].uuid.to_string(),
        "connectionIdentifier": world.shell.to_string(), "connectionName": "shell",
        "sharingProfileIdentifier": null, "sharingProfileName": null,
        "startDate": 1_709_294_400_000_i64, "endDate": 1_709_294_430_000_i64,
        "remoteHost": "192.0.2.1", "username": "ann", "active": false, "attributes": {}, "logs": {},
    });
    let all = data(&world, &admin, "history/connections").await;
    assert_eq!((all.as_array().unwrap().len(), &all[1]), (2, &first), "newest first");
    assert_eq!((&all[0]["connectionName"], &all[0]["endDate"]), (&json!("hidden"), &json!(null)));
    assert_eq!(data(&world, &admin, "history/connections?order=startDate").await[0], first);
    assert_eq!(data(&world, &admin, "history/connections?contains=ann&contains=SHE").await, json!([first.clone()]));
    assert_eq!(data(&world, &admin, "history/connections?contains=2024-02").await, json!([]));
    assert_eq!(data(&world, &admin, &format!("history/connections/{}", records[0].key)).await, first);
    assert_eq!(data(&world, &admin, &format!("connections/{}/history", world.shell)).await, json!([first]));
    assert_eq!(world.get(&admin, "data/mysql/history/connections/4711").await.status, 404);
    assert_eq!(data(&world, &admin, "users/ann/history").await[0]["username"], "ann");
    assert_eq!(world.get(&ann, "data/mysql/users/admin/history").await.status, 404);
}

#[tokio::test]
async fn groups_tell_their_parents_and_permissions() {
    let world = world().await;
    let operator = Access::operator();
    for name in ["inner", "outer"] {
        world.store.create_user_group(&operator, name, false, &Default::default()).await.unwrap();
    }
    let inner = Holder::UserGroup("inner".into());
    world.store.update_group_members(&operator, "outer", std::slice::from_ref(&inner), &[]).await.unwrap();
    let read = guac_auth_mysql::Permission::Connection(world.hidden, guac_auth_mysql::ObjectPermission::Read);
    world.store.update_permissions(&operator, &inner, &[read], &[]).await.unwrap();
    let admin = world.token_of("admin").await;
    assert_eq!(data(&world, &admin, "userGroups/inner/userGroups").await, json!(["outer"]));
    assert_eq!(data(&world, &admin, "userGroups/outer/memberUserGroups").await, json!(["inner"]));
    let permissions = data(&world, &admin, "userGroups/inner/permissions").await;
    assert_eq!(permissions["connectionPermissions"], json!({world.hidden.to_string(): ["READ"]}));
    assert_eq!(permissions.as_object().unwrap().len(), 7);
}
