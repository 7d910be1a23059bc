//! The suite on MariaDB, and what only MySQL and MariaDB have.

use std::pin::Pin;

use guac_auth_mysql::{
    ConnectError, Holder, Migration, NewConnection, NewUser, Permission, SchemaError, Store, StoreConfig, StoreError,
    SystemPermission,
};

use crate::{
    fixture::{Fixture, Raw, now, operator, secret},
    mariadb_server::Server,
    schema_listing::{GUACAMOLE_1_6, listing},
    suite,
};

macro_rules! on_mariadb {
    ($($name:ident),* $(,)?) => {
        /// Every function of the suite on a database of its own. One server serves them all, since it takes longer to
        /// start than all of them to run.
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn the_whole_suite_holds_on_mariadb() {
            let Some(server) = Server::start(|_| Vec::new()).await else { return };
            $(
                println!("{}", stringify!($name));
                let fixture = server.database(concat!("guac_", stringify!($name))).await;
                assert_eq!(fixture.store.migrate().await.unwrap(), Migration::Created);
                let store = fixture.store.clone();
                // A function of its own, so that this one's frame does not have room for all of them.
                let run: fn(Fixture) -> Pin<Box<dyn Future<Output = ()>>> = |fixture| Box::pin(suite::$name(fixture));
                run(fixture).await;
                store.close().await;
            )*
        }
    };
}

suite::all!(on_mariadb);

async fn pool_listing(raw: &Raw) -> String {
    let Raw::MySql(pool) = raw else { panic!("not MySQL") };
    listing(pool).await
}

#[tokio::test]
async fn the_schema_is_guacamoles() {
    let Some(server) = Server::start(|_| vec!["--character-set-server=latin1".into()]).await else { return };
    let fixture = server.database("guac_a").await;
    assert_eq!(fixture.store.migrate().await.unwrap(), Migration::Created);
    let made = pool_listing(&fixture.raw).await;
    for (ours, theirs) in made.lines().zip(GUACAMOLE_1_6.lines()) {
        assert_eq!(ours, theirs);
    }
    assert_eq!(made.lines().count(), GUACAMOLE_1_6.lines().count());
    assert_eq!(fixture.store.migrate().await.unwrap(), Migration::Current);
    assert_eq!(pool_listing(&fixture.raw).await, made);
}

#[tokio::test]
async fn databases_of_every_age_are_told_apart() {
    let Some(server) = Server::start(|_| Vec::new()).await else { return };

    // Guacamole 1.0 to 1.5: as 1.6 but for one word.
    let older = server.database("guac_older").await;
    older.store.migrate().await.unwrap();
    let without_audit = "ALTER TABLE guacamole_system_permission MODIFY permission enum('CREATE_CONNECTION', \
         'CREATE_CONNECTION_GROUP', 'CREATE_SHARING_PROFILE', 'CREATE_USER', 'CREATE_USER_GROUP', 'ADMINISTER') NOT NULL";
    older.raw.execute(without_audit).await;
    older.store.create_user(&operator(), &NewUser::new("root", Some(secret("pw"))), now()).await.unwrap();
    // It can be used as it is: everything but AUDIT is granted.
    older.store.grant_administration(&operator(), "root").await.unwrap();
    assert_eq!(older.raw.number("SELECT COUNT(*) FROM guacamole_system_permission").await, 6);
    let audit = [Permission::System(SystemPermission::Audit)];
    let root = Holder::User("root".into());
    let refused = older.store.update_permissions(&operator(), &root, &audit, &[]).await;
    assert!(matches!(refused, Err(StoreError::Invalid { .. })), "{refused:?}");

    // A user who may not alter tables is no reason not to start.
    let admin = server.raw("").await;
    for sql in [
        "CREATE USER 'weak'@'%' IDENTIFIED BY 'weak'",
        "GRANT SELECT, INSERT, UPDATE, DELETE ON `guac_older`.* TO 'weak'@'%'",
        "CREATE DATABASE guac_empty",
        "GRANT SELECT, INSERT, UPDATE, DELETE ON `guac_empty`.* TO 'weak'@'%'",
    ] {
        sqlx::raw_sql(sql).execute(&admin).await.unwrap();
    }
    let weak =
        |name: &str| StoreConfig::new(format!("mysql://weak:weak@127.0.0.1:{}/{name}?ssl-mode=disabled", server.port));
    let store = Store::connect(&weak("guac_older")).await.unwrap();
    assert_eq!(store.migrate().await.unwrap(), Migration::Current);
    // Where there is nothing to work with, it is.
    let store = Store::connect(&weak("guac_empty")).await.unwrap();
    assert!(matches!(store.migrate().await, Err(SchemaError::MayNotCreate)));

    assert_eq!(older.store.migrate().await.unwrap(), Migration::Upgraded);
    assert_eq!(older.store.migrate().await.unwrap(), Migration::Current);
    assert_eq!(pool_listing(&older.raw).await, GUACAMOLE_1_6);
    older.store.update_permissions(&operator(), &root, &audit, &[]).await.unwrap();
    older.store.authenticate("root", &secret("pw"), now()).await.unwrap();

    // Before 1.0 users had their name in their own row.
    let ancient = server.database("guac_ancient").await;
    let user = "CREATE TABLE guacamole_user (user_id int PRIMARY KEY, username varchar(128), password_hash binary(32))";
    ancient.raw.execute(user).await;
    let error = ancient.store.migrate().await.unwrap_err();
    assert!(matches!(error, SchemaError::TooOld), "{error}");
    assert!(error.to_string().contains("upgrade scripts"), "{error}");
    assert_eq!(
        ancient.raw.number("SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = DATABASE()").await,
        1
    );

    // A first start cut short is completed, with what is there left alone.
    let partial = server.database("guac_partial").await;
    partial.store.migrate().await.unwrap();
    partial.store.create_user(&operator(), &NewUser::new("alice", None), now()).await.unwrap();
    partial.raw.execute("DROP TABLE guacamole_user_password_history").await;
    assert_eq!(partial.store.migrate().await.unwrap(), Migration::Created);
    assert_eq!(pool_listing(&partial.raw).await, GUACAMOLE_1_6);
    assert_eq!(partial.raw.number("SELECT COUNT(*) FROM guacamole_user").await, 1);
}

#[tokio::test]
async fn text_the_tables_cannot_hold_is_refused_and_not_quoted() {
    let Some(server) = Server::start(|_| Vec::new()).await else { return };
    let fixture = server.database("guac_text").await;
    fixture.store.migrate().await.unwrap();
    let parameters = [("password", "canary\u{1F511}")].into_iter().collect();
    let new = NewConnection { parameters, ..NewConnection::new("host", "ssh") };
    let error = fixture.store.create_connection(&operator(), &new).await.unwrap_err();
    assert!(matches!(error, StoreError::UnsupportedText), "{error:?}");
    assert!(!format!("{error:?} {error}").contains("canary"));
    assert_eq!(fixture.raw.number("SELECT COUNT(*) FROM guacamole_connection").await, 0);
}

#[tokio::test]
async fn a_server_that_goes_away_is_an_error_and_comes_back() {
    let Some(server) = Server::start(|_| Vec::new()).await else { return };
    let fixture = server.database("guac_away").await;
    fixture.store.migrate().await.unwrap();
    fixture.store.ping().await.unwrap();
    // Every connection is cut, as by a restart. Each that was in the pool may fail once, then it is replaced.
    for id in fixture.raw.numbers("SELECT id FROM information_schema.processlist WHERE user = 'guac'").await {
        fixture.raw.execute(&format!("KILL {id}")).await;
    }
    for _ in 0..guac_auth_mysql::limits::DEFAULT_MAX_CONNECTIONS {
        let answer = fixture.store.ping().await;
        assert!(matches!(answer, Ok(()) | Err(StoreError::Unavailable { .. })), "{answer:?}");
    }
    fixture.store.ping().await.unwrap();
    let store = fixture.store.clone();
    drop(server);
    let gone = store.ping().await;
    assert!(matches!(gone, Err(StoreError::Unavailable { .. } | StoreError::Timeout)), "{gone:?}");
}

#[tokio::test]
async fn refusals_before_the_database_is_open_say_which() {
    let Some(server) = Server::start(|_| Vec::new()).await else { return };
    server.database("guac_a").await;
    let try_url = async |url: String| Store::connect(&StoreConfig::new(url)).await.unwrap_err();
    let plain = "?ssl-mode=disabled";

    let error = try_url(server.url("127.0.0.1", "guac_a", plain).replace("p%40ss", "canary")).await;
    assert!(matches!(error, ConnectError::AccessDenied { .. }), "{error:?}");
    assert!(!format!("{error:?} {error}").contains("canary"), "{error}");

    let error = try_url(server.url("127.0.0.1", "guac_none", plain)).await;
    assert!(matches!(&error, ConnectError::UnknownDatabase { database, .. } if database == "guac_none"), "{error:?}");

    let error = try_url(server.url("127.0.0.1", "mysql", plain)).await;
    assert!(matches!(&error, ConnectError::DatabaseDenied { .. }), "{error:?}");

    // A server without TLS, asked for it by default.
    let error = try_url(server.url("127.0.0.1", "guac_a", "")).await;
    assert!(matches!(error, ConnectError::TlsNotOffered { .. }), "{error:?}");

    let port = server.port;
    drop(server);
    let error = try_url(format!("mysql://guac@127.0.0.1:{port}/guac_a")).await;
    assert!(matches!(error, ConnectError::Unreachable { .. }), "{error:?}");
    assert!(error.to_string().contains(&format!("127.0.0.1 port {port}")), "{error}");
}
