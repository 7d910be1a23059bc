use axum::http::StatusCode;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use guac_web::WebConfig;
use serde_json::{Value, json};

use crate::support::{ANN_PASSWORD, world, world_with};

const OWN: (&str, &str) = ("guacamole-cookie", "1");

#[tokio::test]
async fn a_right_password_gets_a_token_that_works_by_header_and_query() {
    let world = world().await;
    let answer = world.login("ann", ANN_PASSWORD).await;
    let body = answer.json();
    let token = body["authToken"].as_str().unwrap().to_owned();
    assert_eq!(token.len(), 64);
    assert!(token.bytes().all(|byte| byte.is_ascii_digit() || (b'A'..=b'F').contains(&byte)));
    let expected =
        json!({"authToken": token, "username": "ann", "dataSource": "mysql", "availableDataSources": ["mysql"]});
    assert_eq!(body, expected);
    assert!(!answer.headers.contains_key("set-cookie"), "token clients get no cookie");
    assert_eq!(world.call("HEAD", "/api/session", &[("guacamole-token", &token)], "").await.status, 204);
    assert_eq!(world.call("HEAD", &format!("/api/session?token={token}"), &[], "").await.status, 204);
    let both = [("guacamole-token", "unknown")];
    let answer = world.call("HEAD", &format!("/api/session?token={token}"), &both, "").await;
    assert_eq!(answer.status, 403, "the header wins");
    world.drain().await;
}

#[tokio::test]
async fn wrong_password_unknown_user_and_nothing_get_the_same_answer() {
    let world = world().await;
    let expected = json!({
        "message": "Invalid login",
        "translatableMessage": {"key": "APP.TEXT_UNTRANSLATED", "variables": {"MESSAGE": "Invalid login"}},
        "statusCode": null,
        "expected": [{"name": "username", "type": "USERNAME"}, {"name": "password", "type": "PASSWORD"}],
        "patches": null,
        "type": "INVALID_CREDENTIALS",
    });
    for (username, password) in [("ann", "wrong"), ("nobody", "wrong"), ("ann", "")] {
        let answer = world.login(username, password).await;
        assert_eq!((answer.status, answer.json()), (StatusCode::FORBIDDEN, expected.clone()));
    }
    let answer = world.call("POST", "/api/tokens", &[], "").await;
    assert_eq!((answer.status, answer.json()), (StatusCode::FORBIDDEN, expected));
}

#[tokio::test]
async fn basic_authentication_counts_where_the_form_is_empty() {
    let world = world().await;
    let credentials = base64_simd::STANDARD.encode_to_string(format!("ann:{ANN_PASSWORD}"));
    let basic = format!("Basic {credentials}");
    assert_eq!(world.call("POST", "/api/tokens", &[("authorization", &basic)], "").await.status, 200);
    assert_eq!(world.call("POST", "/api/tokens", &[("authorization", "Basic !!")], "").await.status, 403);
}

#[tokio::test]
async fn asking_again_with_the_token_gives_the_same_token() {
    let world = world().await;
    let token = world.token_of("ann").await;
    let again = world.call("POST", "/api/tokens", &[], &format!("token={token}")).await;
    assert_eq!(again.json()["authToken"], json!(token));
    let renewed =
        world.call("POST", "/api/tokens", &[], &format!("token={token}&username=ann&password={ANN_PASSWORD}")).await;
    assert_eq!(renewed.json()["authToken"], json!(token));
    let unknown = world.call("POST", "/api/tokens", &[], "token=UNKNOWN").await;
    assert_eq!(unknown.json()["type"], "INVALID_CREDENTIALS");
}

#[tokio::test]
async fn logging_out_ends_the_login_both_ways() {
    let world = world().await;
    let token = world.token_of("ann").await;
    let header = [("guacamole-token", token.as_str())];
    assert_eq!(world.call("DELETE", "/api/session", &header, "").await.status, 204);
    assert_eq!(world.call("HEAD", "/api/session", &header, "").await.status, 403);
    let token = world.token_of("ann").await;
    assert_eq!(world.call("DELETE", &format!("/api/tokens/{token}"), &[], "").await.status, 204);
    let again = world.call("DELETE", &format!("/api/tokens/{token}"), &[], "").await;
    assert_eq!((again.status, &again.json()["type"]), (StatusCode::NOT_FOUND, &json!("NOT_FOUND")));
    world.drain().await;
    let admin = guac_auth_mysql::Access::operator();
    let logins = world.store.login_history(&admin, &guac_auth_mysql::HistoryQuery::default()).await.unwrap();
    assert_eq!(logins.len(), 2);
    assert!(logins.iter().all(|login| login.end.is_some() && login.remote_host.as_deref() == Some("203.0.113.9")));
}

#[tokio::test]
async fn our_own_page_gets_a_cookie_and_no_token() {
    let world = world().await;
    let form = format!("username=ann&password={ANN_PASSWORD}");
    let answer = world.call("POST", "/api/tokens", &[OWN], &form).await;
    assert_eq!(answer.json()["authToken"], "");
    let cookie = answer.header("set-cookie").to_owned();
    assert!(cookie.starts_with("guac=") && cookie.ends_with("; Path=/; HttpOnly; SameSite=Strict"), "{cookie}");
    let pair = cookie.split(';').next().unwrap();

    let with_header = [("cookie", pair), OWN];
    assert_eq!(world.call("HEAD", "/api/session", &with_header, "").await.status, 204);
    let again = world.call("POST", "/api/tokens", &with_header, "").await;
    assert_eq!((again.status, &again.json()["authToken"]), (StatusCode::OK, &json!("")));

    let alone = [("cookie", pair)];
    assert_eq!(world.call("HEAD", "/api/session", &alone, "").await.status, 403, "a cookie alone proves nothing");
    assert_eq!(world.call("DELETE", "/api/session", &alone, "").await.status, 403);
    assert_eq!(world.call("POST", "/api/tokens", &alone, "").await.status, 403);
    let posing = [("cookie", pair), ("origin", "http://evil.example"), ("host", "desk.example")];
    assert_eq!(world.call("GET", "/api/session/data/mysql/self", &posing, "").await.status, 403);

    let out = world.call("DELETE", "/api/session", &with_header, "").await;
    assert!(out.header("set-cookie").contains("Max-Age=0"));
    assert_eq!(world.call("HEAD", "/api/session", &with_header, "").await.status, 403);
}

#[tokio::test]
async fn over_tls_the_cookie_is_bound_to_the_host() {
    let mut config = WebConfig::default();
    config.trusted_proxies = vec!["203.0.113.0/24".parse().unwrap()];
    let world = world_with(config).await;
    let form = format!("username=ann&password={ANN_PASSWORD}");
    let answer = world.call("POST", "/api/tokens", &[OWN, ("x-forwarded-proto", "https")], &form).await;
    let cookie = answer.header("set-cookie");
    assert!(cookie.starts_with("__Host-guac=") && cookie.ends_with("; Secure"), "{cookie}");
}

#[tokio::test]
async fn a_new_login_in_the_same_browser_ends_the_old_one() {
    let world = world().await;
    let login = async |name: &str, password: &str, cookie: &str| {
        let form = format!("username={name}&password={password}");
        let answer = world.call("POST", "/api/tokens", &[OWN, ("cookie", cookie)], &form).await;
        answer.header("set-cookie").split(';').next().unwrap().to_owned()
    };
    let first = login("ann", ANN_PASSWORD, "").await;
    let second = login("admin", crate::support::ADMIN_PASSWORD, &first).await;
    assert_eq!(world.call("HEAD", "/api/session", &[OWN, ("cookie", &first)], "").await.status, 403);
    assert_eq!(world.call("HEAD", "/api/session", &[OWN, ("cookie", &second)], "").await.status, 204);
}

#[tokio::test]
async fn guessing_is_turned_away_and_others_are_not() {
    let world = world().await;
    let mut answers = Vec::new();
    for _ in 0..3 {
        answers.push(world.login("ann", "wrong").await);
    }
    assert!(answers.iter().all(|answer| answer.json()["type"] == "INVALID_CREDENTIALS"));
    // All at once: the delays queue up, and who would wait for too long is turned away unseen.
    let mut guesses: FuturesUnordered<_> = (0..60).map(|_| world.login("ann", "wrong")).collect();
    let turned_away = async {
        while let Some(answer) = guesses.next().await {
            if answer.status == StatusCode::TOO_MANY_REQUESTS {
                return answer.json();
            }
        }
        json!(null)
    };
    assert_eq!(turned_away.await["type"], "BAD_REQUEST");
    assert_eq!(world.login("admin", crate::support::ADMIN_PASSWORD).await.status, 200);
}

#[tokio::test]
async fn an_expired_password_asks_for_a_new_one_and_takes_it() {
    let world = world().await;
    let operator = guac_auth_mysql::Access::operator();
    let mut user = guac_auth_mysql::NewUser::new("eve", Some("old".to_owned().into()));
    user.attributes.expired = true;
    world.store.create_user(&operator, &user, std::time::SystemTime::now()).await.unwrap();
    let answer = world.login("eve", "old").await;
    let body = answer.json();
    assert_eq!(body["type"], "INSUFFICIENT_CREDENTIALS");
    assert_eq!(body["translatableMessage"], json!({"key": "LOGIN.INFO_PASSWORD_EXPIRED", "variables": null}));
    assert_eq!(body["expected"][0], json!({"name": "new-password", "type": "PASSWORD"}));
    let key = async |extra: &str| -> Value {
        world.login("eve", &format!("old{extra}")).await.json()["translatableMessage"]["key"].clone()
    };
    assert_eq!(key("&new-password=old&confirm-new-password=old").await, "LOGIN.ERROR_PASSWORD_SAME");
    assert_eq!(key("&new-password=&confirm-new-password=").await, "LOGIN.ERROR_PASSWORD_BLANK");
    assert_eq!(key("&new-password=new&confirm-new-password=newer").await, "LOGIN.ERROR_PASSWORD_MISMATCH");
    assert_eq!(world.login("eve", "old&new-password=new&confirm-new-password=new").await.status, 200);
    assert_eq!(world.login("eve", "new").await.status, 200);
    assert_eq!(world.login("eve", "old").await.status, 403);
}

#[tokio::test]
async fn a_disabled_account_is_out_at_its_next_request() {
    let world = world().await;
    let token = world.token_of("ann").await;
    let operator = guac_auth_mysql::Access::operator();
    world.store.delete_user(&operator, "ann").await.unwrap();
    assert_eq!(world.get(&token, "data/mysql/self").await.status, 403);
    assert_eq!(world.call("POST", "/api/tokens", &[], &format!("token={token}")).await.status, 403);
}

#[tokio::test]
async fn draining_refuses_logins_and_readiness() {
    let world = world().await;
    assert_eq!(world.call("GET", "/readyz", &[], "").await.status, 200);
    world.drain().await;
    assert_eq!(world.call("GET", "/readyz", &[], "").await.status, 503);
    assert_eq!(world.call("GET", "/healthz", &[], "").await.status, 200);
    assert_eq!(world.login("ann", ANN_PASSWORD).await.status, 503);
}
