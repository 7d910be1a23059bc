//! What holds on every engine. Each function gets an empty database with all tables.

use std::collections::{BTreeMap, BTreeSet};

use guac_auth_mysql::{
    Access, ConnectionAttributes, ConnectionGroupAttributes, ConnectionGroupKey, ConnectionGroupType,
    ConnectionHistoryKey, ConnectionKey, ConnectionTree, HistoryQuery, Holder, LoginError, Migration, NewConnection,
    NewConnectionGroup, NewConnectionRecord, NewSharingProfile, NewUser, ObjectPermission, Parameters, Permission,
    ProxyEncryption, StoreError, SystemPermission, UserAttributes, UserUpdate,
};

pub(crate) use crate::cluster::{
    cluster_nodes_hand_on_and_bury_the_dead, cluster_seats_never_exceed_the_limit,
    cluster_values_and_locks_are_for_all_nodes,
};
use crate::fixture::{Fixture, after, now, operator, secret};

/// Calls `$with!(…)` with the names of all tests.
macro_rules! all {
    ($with:ident) => {
        $with! {
            migrating_again_changes_nothing,
            nodes_that_start_together_agree,
            a_user_logs_in_with_their_password_only,
            names_are_found_whatever_their_case,
            a_password_hashed_by_guacamole_is_accepted,
            new_passwords_are_stored_as_guacamole_does,
            disabled_accounts_are_like_unknown_ones,
            restricted_accounts_say_why,
            an_expired_password_has_to_be_changed,
            a_user_without_password_cannot_log_in,
            argon2id_passwords_are_out_of_guacamoles_reach,
            opting_in_converts_passwords_at_login,
            a_password_set_by_guacamole_replaces_argon2id,
            permissions_come_through_groups,
            disabled_groups_break_the_chain,
            groups_in_a_circle_end,
            administrators_see_everything,
            others_see_what_they_may_read,
            the_tree_hides_what_is_in_unreadable_groups,
            a_granted_connection_appears_in_the_tree,
            names_are_unique_within_a_group_and_the_root,
            one_of_two_equal_connections_made_at_once_wins,
            fields_fit_their_columns_or_are_refused,
            blank_parameters_are_not_stored,
            parameters_are_for_editors,
            a_failed_creation_leaves_nothing,
            everything_of_a_connection_survives_a_round_trip,
            everything_of_a_user_survives_a_round_trip,
            restrictions_are_for_those_who_administer,
            our_own_attributes_survive_and_are_hidden,
            group_paths_are_made_where_missing,
            groups_cannot_be_moved_into_themselves,
            members_of_a_balancing_group_need_not_be_readable,
            permissions_are_granted_by_those_who_may,
            nobody_removes_themselves,
            creators_own_what_they_make,
            moving_and_deleting_take_update_on_every_parent,
            a_new_password_has_a_new_date,
            group_members_are_listed_and_changed,
            sharing_profiles_are_used_by_readers_and_made_by_editors,
            history_rows_open_and_close,
            a_crash_leaves_no_row_open,
            history_is_searched_and_ordered,
            history_is_shown_to_those_who_may_see_both,
            history_outlives_what_it_is_about,
            effective_permissions_merge_groups,
            cluster_seats_never_exceed_the_limit,
            cluster_nodes_hand_on_and_bury_the_dead,
            cluster_values_and_locks_are_for_all_nodes,
        }
    };
}
pub(crate) use all;

fn read(key: ConnectionKey) -> Permission {
    Permission::Connection(key, ObjectPermission::Read)
}

fn user_holder(name: &str) -> Holder {
    Holder::User(name.to_owned())
}

fn group_holder(name: &str) -> Holder {
    Holder::UserGroup(name.to_owned())
}

fn group(name: &str, parent: Option<ConnectionGroupKey>) -> NewConnectionGroup {
    NewConnectionGroup {
        name: name.to_owned(),
        parent,
        group_type: ConnectionGroupType::Organizational,
        attributes: ConnectionGroupAttributes::default(),
    }
}

async fn connection(f: &Fixture, name: &str, parent: Option<ConnectionGroupKey>) -> ConnectionKey {
    let new = NewConnection { parent, ..NewConnection::new(name, "ssh") };
    f.store.create_connection(&operator(), &new).await.unwrap()
}

async fn user_group(f: &Fixture, name: &str, members: &[Holder]) {
    f.store.create_user_group(&operator(), name, false, &BTreeMap::new()).await.unwrap();
    f.store.update_group_members(&operator(), name, members, &[]).await.unwrap();
}

async fn login(f: &Fixture, name: &str, password: &str) -> Result<String, LoginError> {
    f.store.authenticate(name, &secret(password), now()).await.map(|user| user.name)
}

fn names(tree: &ConnectionTree) -> Vec<String> {
    let here = tree.connections.iter().map(|node| node.connection.name.clone());
    here.chain(tree.groups.iter().flat_map(names)).collect()
}

pub(crate) async fn migrating_again_changes_nothing(f: Fixture) {
    f.user("alice").await;
    assert_eq!(f.store.migrate().await.unwrap(), Migration::Current);
    assert!(login(&f, "alice", "pw").await.is_ok());
}

pub(crate) async fn nodes_that_start_together_agree(f: Fixture) {
    for table in ["guacamole_user_password_history", "guacamole_user_history", "guacamole_connection_history"] {
        f.raw.execute(&format!("DROP TABLE {table}")).await;
    }
    let (one, two, three) = (f.reopen(|_| {}).await, f.reopen(|_| {}).await, f.reopen(|_| {}).await);
    let (a, b, c) = tokio::join!(one.migrate(), two.migrate(), three.migrate());
    let all = [a.unwrap(), b.unwrap(), c.unwrap()];
    assert_eq!(all.iter().filter(|one| **one == Migration::Created).count(), 1, "{all:?}");
    f.user("alice").await;
}

pub(crate) async fn a_user_logs_in_with_their_password_only(f: Fixture) {
    f.user("alice").await;
    assert_eq!(login(&f, "alice", "pw").await.unwrap(), "alice");
    for (name, password) in [("alice", "PW"), ("alice", ""), ("bob", "pw"), ("", ""), ("alice' OR '1'='1", "pw")] {
        assert!(matches!(login(&f, name, password).await, Err(LoginError::InvalidCredentials)), "{name}");
    }
    let long = "x".repeat(100_000);
    assert!(matches!(login(&f, &long, &long).await, Err(LoginError::InvalidCredentials)));
    f.store.set_password(&operator(), "alice", &secret("other"), now()).await.unwrap();
    assert!(login(&f, "alice", "pw").await.is_err());
    assert!(login(&f, "alice", "other").await.is_ok());
}

pub(crate) async fn names_are_found_whatever_their_case(f: Fixture) {
    f.user("Alice").await;
    assert_eq!(login(&f, "aLICE", "pw").await.unwrap(), "Alice");
    let again = f.store.create_user(&operator(), &NewUser::new("ALICE", None), now()).await;
    assert!(matches!(again, Err(StoreError::Duplicate { .. })));
}

pub(crate) async fn a_password_hashed_by_guacamole_is_accepted(f: Fixture) {
    f.raw.execute("INSERT INTO guacamole_entity (name, type) VALUES ('guacadmin', 'USER')").await;
    let salt = "FE24ADC5E11E2B25288D1704ABE67A79E342ECC26064CE69C5B3177795A82264";
    let hash = "CA458A7D494E3BE824F5E1E175A1556C0F8EEF2C2D7DF3633BEC4A29C4411960";
    let insert = format!(
        "INSERT INTO guacamole_user (entity_id, password_hash, password_salt, password_date) \
         SELECT entity_id, x'{hash}', x'{salt}', '2024-01-01 00:00:00' FROM guacamole_entity"
    );
    f.raw.execute(&insert).await;
    assert!(login(&f, "guacadmin", "guacadmin").await.is_ok());
    assert!(login(&f, "guacadmin", "guacamole").await.is_err());
    // As Guacamole stored them before it knew salt.
    let plain = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    f.raw.execute(&format!("UPDATE guacamole_user SET password_salt = NULL, password_hash = x'{plain}'")).await;
    assert!(login(&f, "guacadmin", "abc").await.is_ok());
}

pub(crate) async fn new_passwords_are_stored_as_guacamole_does(f: Fixture) {
    use sha2::{Digest, Sha256};

    f.user("alice").await;
    let bytes = |column: &str| format!("SELECT {column} FROM guacamole_user");
    let (hash, salt) = (blob(&f, &bytes("password_hash")).await, blob(&f, &bytes("password_salt")).await);
    let hex: String = salt.iter().map(|byte| format!("{byte:02X}")).collect();
    assert_eq!(salt.len(), 32);
    assert_eq!(hash, Sha256::digest(format!("pw{hex}")).to_vec());
}

async fn blob(f: &Fixture, sql: &str) -> Vec<u8> {
    use sqlx::{AssertSqlSafe, Row};

    let query = AssertSqlSafe(sql.to_owned());
    match &f.raw {
        crate::fixture::Raw::MySql(pool) => sqlx::query(query).fetch_one(pool).await.unwrap().get_unchecked(0),
        crate::fixture::Raw::Sqlite(pool) => sqlx::query(query).fetch_one(pool).await.unwrap().get_unchecked(0),
    }
}

pub(crate) async fn disabled_accounts_are_like_unknown_ones(f: Fixture) {
    let (key, _) = f.user("alice").await;
    let update = UserUpdate { disabled: true, password: None, attributes: UserAttributes::default() };
    f.store.update_user(&operator(), "alice", &update, now()).await.unwrap();
    assert!(matches!(login(&f, "alice", "pw").await, Err(LoginError::InvalidCredentials)));
    assert!(matches!(f.store.access(key, now()).await, Err(StoreError::NotFound { .. })));
}

pub(crate) async fn restricted_accounts_say_why(f: Fixture) {
    let (key, _) = f.user("alice").await;
    let restrict = async |attributes: UserAttributes| {
        let update = UserUpdate { disabled: false, password: None, attributes };
        f.store.update_user(&operator(), "alice", &update, now()).await.unwrap();
    };
    restrict(UserAttributes { valid_until: Some("2024-02-29".into()), ..UserAttributes::default() }).await;
    assert!(matches!(login(&f, "alice", "pw").await, Err(LoginError::NotValid)));
    assert!(matches!(login(&f, "alice", "wrong").await, Err(LoginError::InvalidCredentials)));
    let morning = UserAttributes {
        access_window_start: Some("06:00:00".into()),
        access_window_end: Some("11:00:00".into()),
        ..UserAttributes::default()
    };
    restrict(morning.clone()).await;
    assert!(matches!(login(&f, "alice", "pw").await, Err(LoginError::NotAccessible)));
    assert!(matches!(f.store.access(key, now()).await, Err(StoreError::NotFound { .. })));
    restrict(UserAttributes { timezone: Some("America/New_York".into()), ..morning }).await;
    assert!(login(&f, "alice", "pw").await.is_ok());
}

pub(crate) async fn an_expired_password_has_to_be_changed(f: Fixture) {
    f.user("alice").await;
    f.raw.execute("UPDATE guacamole_user SET expired = 1").await;
    assert!(matches!(login(&f, "alice", "pw").await, Err(LoginError::PasswordExpired)));
    assert!(matches!(login(&f, "alice", "no").await, Err(LoginError::InvalidCredentials)));
    let change =
        async |old: &str, new: &str| f.store.change_expired_password("alice", &secret(old), &secret(new), now()).await;
    assert!(change("no", "new").await.is_err());
    assert!(change("pw", "pw").await.is_err());
    assert!(change("pw", "").await.is_err());
    change("pw", "new").await.unwrap();
    assert!(login(&f, "alice", "new").await.is_ok());
}

pub(crate) async fn a_user_without_password_cannot_log_in(f: Fixture) {
    f.store.create_user(&operator(), &NewUser::new("alice", None), now()).await.unwrap();
    assert!(login(&f, "alice", "").await.is_err());
}

pub(crate) async fn argon2id_passwords_are_out_of_guacamoles_reach(f: Fixture) {
    let store = f.with_argon2().await;
    store.create_user(&operator(), &NewUser::new("alice", Some(secret("pw"))), now()).await.unwrap();
    assert!(store.authenticate("alice", &secret("pw"), now()).await.is_ok());
    assert!(store.authenticate("alice", &secret("no"), now()).await.is_err());
    assert!(store.authenticate("bob", &secret("pw"), now()).await.is_err());
    // A node that has not opted in still accepts it, and a new password set there is a stock one again.
    assert!(login(&f, "alice", "pw").await.is_ok());
    f.store.set_password(&operator(), "alice", &secret("other"), now()).await.unwrap();
    assert_eq!(f.raw.number("SELECT COUNT(*) FROM guacamole_user_attribute").await, 0);
    assert!(login(&f, "alice", "other").await.is_ok());
    assert!(login(&f, "alice", "pw").await.is_err());
}

pub(crate) async fn opting_in_converts_passwords_at_login(f: Fixture) {
    f.user("alice").await;
    let before = blob(&f, "SELECT password_hash FROM guacamole_user").await;
    let store = f.with_argon2().await;
    assert!(store.authenticate("alice", &secret("no"), now()).await.is_err());
    assert_eq!(blob(&f, "SELECT password_hash FROM guacamole_user").await, before);
    assert!(store.authenticate("alice", &secret("pw"), now()).await.is_ok());
    assert_ne!(blob(&f, "SELECT password_hash FROM guacamole_user").await, before);
    let converted = "SELECT COUNT(*) FROM guacamole_user_attribute WHERE attribute_name = 'guacd-lite-argon2id'";
    assert_eq!(f.raw.number(converted).await, 1);
    assert!(store.authenticate("alice", &secret("pw"), now()).await.is_ok());
    assert!(store.authenticate("alice", &secret("no"), now()).await.is_err());
}

pub(crate) async fn a_password_set_by_guacamole_replaces_argon2id(f: Fixture) {
    let store = f.with_argon2().await;
    store.create_user(&operator(), &NewUser::new("alice", Some(secret("old"))), now()).await.unwrap();
    // Guacamole knows nothing of the attribute and leaves it there.
    let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    f.raw.execute(&format!("UPDATE guacamole_user SET password_salt = NULL, password_hash = x'{abc}'")).await;
    assert!(login(&f, "alice", "old").await.is_err());
    assert!(login(&f, "alice", "abc").await.is_ok());
}

pub(crate) async fn permissions_come_through_groups(f: Fixture) {
    let (key, _) = f.user("alice").await;
    user_group(&f, "staff", &[user_holder("alice")]).await;
    user_group(&f, "company", &[group_holder("staff")]).await;
    let host = connection(&f, "host", None).await;
    let access = f.store.access(key, now()).await.unwrap();
    assert!(matches!(f.store.connection(&access, host).await, Err(StoreError::NotFound { .. })));
    f.grant(group_holder("company"), &[read(host), Permission::System(SystemPermission::CreateUser)]).await;
    let access = f.store.access(key, now()).await.unwrap();
    assert_eq!(f.store.connection(&access, host).await.unwrap().name, "host");
    assert!(f.store.has_permission(&access, &read(host)).await.unwrap());
    assert!(access.has(SystemPermission::CreateUser));
    assert!(!access.has(SystemPermission::Audit));
    // Direct permissions are the user's own only.
    let direct = f.store.direct_permissions(&access, &user_holder("alice")).await.unwrap();
    assert!(direct.connections.is_empty() && direct.system.is_empty());
}

pub(crate) async fn disabled_groups_break_the_chain(f: Fixture) {
    let (key, _) = f.user("alice").await;
    user_group(&f, "staff", &[user_holder("alice")]).await;
    user_group(&f, "company", &[group_holder("staff")]).await;
    let host = connection(&f, "host", None).await;
    f.grant(group_holder("company"), &[read(host)]).await;
    for disabled in ["staff", "company"] {
        f.store.update_user_group(&operator(), disabled, true, &BTreeMap::new()).await.unwrap();
        let access = f.store.access(key, now()).await.unwrap();
        assert!(f.store.connection(&access, host).await.is_err(), "{disabled}");
        f.store.update_user_group(&operator(), disabled, false, &BTreeMap::new()).await.unwrap();
    }
    let access = f.store.access(key, now()).await.unwrap();
    assert!(f.store.connection(&access, host).await.is_ok());
}

pub(crate) async fn groups_in_a_circle_end(f: Fixture) {
    let (key, _) = f.user("alice").await;
    user_group(&f, "a", &[user_holder("alice")]).await;
    user_group(&f, "b", &[group_holder("a")]).await;
    f.store.update_group_members(&operator(), "a", &[group_holder("b")], &[]).await.unwrap();
    let itself = f.store.update_group_members(&operator(), "a", &[group_holder("a")], &[]).await;
    assert!(matches!(itself, Err(StoreError::Cycle { .. })));
    f.grant(group_holder("b"), &[Permission::System(SystemPermission::Administer)]).await;
    assert!(f.store.access(key, now()).await.unwrap().is_administrator());
    assert!(f.store.has_administrator().await.unwrap());
}

pub(crate) async fn administrators_see_everything(f: Fixture) {
    assert!(!f.store.has_administrator().await.unwrap());
    let (_, admin) = f.administrator("root").await;
    assert!(f.store.has_administrator().await.unwrap());
    assert!(SystemPermission::ALL.iter().all(|word| admin.has(*word)));
    f.user("alice").await;
    let inner = f.store.ensure_group_path(&operator(), "a/b").await.unwrap();
    connection(&f, "deep", inner).await;
    connection(&f, "top", None).await;
    let tree = f.store.connection_tree(&admin, None, &[ObjectPermission::Update]).await.unwrap();
    assert_eq!(names(&tree), ["top", "deep"]);
    let users = f.store.users(&admin, &[]).await.unwrap();
    assert_eq!(users.iter().map(|user| user.name.as_str()).collect::<Vec<_>>(), ["alice", "root"]);
}

pub(crate) async fn others_see_what_they_may_read(f: Fixture) {
    let (_, alice) = f.user("alice").await;
    f.user("bob").await;
    assert_eq!(f.store.users(&alice, &[]).await.unwrap().len(), 1);
    assert!(matches!(f.store.user(&alice, "bob").await, Err(StoreError::NotFound { .. })));
    assert!(f.store.user(&alice, "alice").await.is_ok());
    let (one, two) = (connection(&f, "one", None).await, connection(&f, "two", None).await);
    connection(&f, "three", None).await;
    let update = Permission::Connection(two, ObjectPermission::Update);
    f.grant(user_holder("alice"), &[read(one), read(two), update]).await;
    let seen = f.store.connections(&alice, &[]).await.unwrap();
    assert_eq!(seen.iter().map(|c| c.key).collect::<Vec<_>>(), [one, two]);
    let editable = f.store.connections(&alice, &[ObjectPermission::Update, ObjectPermission::Delete]).await.unwrap();
    assert_eq!(editable.iter().map(|c| c.key).collect::<Vec<_>>(), [two]);
}

pub(crate) async fn the_tree_hides_what_is_in_unreadable_groups(f: Fixture) {
    let (_, alice) = f.user("alice").await;
    let open = f.store.ensure_group_path(&operator(), "open").await.unwrap();
    let shut = f.store.ensure_group_path(&operator(), "shut").await.unwrap();
    let (a, b, c) = (connection(&f, "a", open).await, connection(&f, "b", shut).await, connection(&f, "c", None).await);
    connection(&f, "d", open).await;
    let group = Permission::ConnectionGroup(open.unwrap(), ObjectPermission::Read);
    f.grant(user_holder("alice"), &[read(a), read(b), read(c), group]).await;
    let tree = f.store.connection_tree(&alice, None, &[]).await.unwrap();
    assert_eq!(names(&tree), ["c", "a"]);
    let sub = f.store.connection_tree(&alice, open, &[]).await.unwrap();
    assert_eq!((names(&sub), sub.group.unwrap().name), (vec!["a".to_owned()], "open".to_owned()));
    assert!(matches!(f.store.connection_tree(&alice, shut, &[]).await, Err(StoreError::NotFound { .. })));
    // Groups stay where a permission filters every connection out.
    let none = f.store.connection_tree(&alice, None, &[ObjectPermission::Administer]).await.unwrap();
    assert_eq!((names(&none).len(), none.groups.len()), (0, 1));
}

pub(crate) async fn a_granted_connection_appears_in_the_tree(f: Fixture) {
    let (_, alice) = f.user("alice").await;
    let inner = f.store.ensure_group_path(&operator(), "a/b/c").await.unwrap();
    let host = connection(&f, "host", inner).await;
    f.store.grant_connection(&operator(), host, &user_holder("alice")).await.unwrap();
    f.store.grant_connection(&operator(), host, &user_holder("alice")).await.unwrap();
    assert_eq!(names(&f.store.connection_tree(&alice, None, &[]).await.unwrap()), ["host"]);
    let (opened, _) = f.store.connection_to_open(&alice, host).await.unwrap();
    assert_eq!(opened.parent, inner);
    assert!(matches!(f.store.grant_connection(&alice, host, &user_holder("alice")).await, Err(StoreError::Denied)));
    let unknown = f.store.grant_connection(&operator(), host, &user_holder("nobody")).await;
    assert!(matches!(unknown, Err(StoreError::NotFound { .. })));
}

pub(crate) async fn names_are_unique_within_a_group_and_the_root(f: Fixture) {
    let folder = f.store.ensure_group_path(&operator(), "folder").await.unwrap();
    for parent in [None, folder] {
        let key = connection(&f, "host", parent).await;
        for name in ["host", "HOST", "  host "] {
            let new = NewConnection { parent, ..NewConnection::new(name, "vnc") };
            let again = f.store.create_connection(&operator(), &new).await;
            assert!(matches!(again, Err(StoreError::Duplicate { .. })), "{name}");
        }
        // An update under the same name is none.
        let same = NewConnection { parent, ..NewConnection::new("host", "vnc") };
        f.store.update_connection(&operator(), key, &same).await.unwrap();
        let inner = f.store.create_connection_group(&operator(), &group("sub", parent)).await;
        assert!(inner.is_ok());
        let again = f.store.create_connection_group(&operator(), &group("Sub", parent)).await;
        assert!(matches!(again, Err(StoreError::Duplicate { .. })));
    }
    let other = connection(&f, "other", None).await;
    let taken = f.store.update_connection(&operator(), other, &NewConnection::new("host", "ssh")).await;
    assert!(matches!(taken, Err(StoreError::Duplicate { .. })));
}

pub(crate) async fn one_of_two_equal_connections_made_at_once_wins(f: Fixture) {
    let new = NewConnection::new("host", "ssh");
    let access = operator();
    let make = || f.store.create_connection(&access, &new);
    let (a, b, c) = tokio::join!(make(), make(), make());
    let made = [&a, &b, &c].into_iter().filter(|result| result.is_ok()).count();
    assert!(made <= 1, "{a:?} {b:?} {c:?}");
    for result in [a, b, c] {
        let ok = matches!(result, Ok(_) | Err(StoreError::Duplicate { .. } | StoreError::Busy { .. }));
        assert!(ok, "{result:?}");
    }
    let stored = f.raw.number("SELECT COUNT(*) FROM guacamole_connection").await;
    assert_eq!(usize::try_from(stored).unwrap(), made);
}

pub(crate) async fn fields_fit_their_columns_or_are_refused(f: Fixture) {
    let make = async |new: NewConnection| f.store.create_connection(&operator(), &new).await;
    let with = |name: &str, value: String| NewConnection {
        parameters: [("k", value)].into_iter().collect(),
        ..NewConnection::new(name, "ssh")
    };
    // Lengths are characters, not bytes.
    assert!(make(with(&"ü".repeat(128), "ü".repeat(4096))).await.is_ok());
    assert!(matches!(make(with(&"x".repeat(129), String::new())).await, Err(StoreError::TooLong { .. })));
    let long = make(with("a", "x".repeat(4097))).await;
    assert!(matches!(long, Err(StoreError::ValueTooLong { ref name, limit: 4096 }) if name == "k"));
    assert!(matches!(make(with("  ", String::new())).await, Err(StoreError::BlankName { .. })));
    assert!(make(NewConnection::new("b", "x".repeat(32))).await.is_ok());
    assert!(matches!(make(NewConnection::new("c", "x".repeat(33))).await, Err(StoreError::TooLong { .. })));
    let huge = ConnectionAttributes { max_connections: Some(u32::MAX), ..ConnectionAttributes::default() };
    let huge = make(NewConnection { attributes: huge, ..NewConnection::new("d", "ssh") }).await;
    assert!(matches!(huge, Err(StoreError::Invalid { .. })));
    let many: Parameters = (0..1025).map(|n| (format!("p{n}"), "x")).collect();
    let many = make(NewConnection { parameters: many, ..NewConnection::new("e", "ssh") }).await;
    assert!(matches!(many, Err(StoreError::TooMany { .. })));
    let user = async |name: String| f.store.create_user(&operator(), &NewUser::new(name, None), now()).await;
    assert!(user("n".repeat(128)).await.is_ok());
    assert!(matches!(user("n".repeat(129)).await, Err(StoreError::TooLong { .. })));
    assert!(matches!(user(String::new()).await, Err(StoreError::BlankName { .. })));
    let unknown = "99999".parse::<ConnectionGroupKey>().unwrap();
    let orphan = make(NewConnection { parent: Some(unknown), ..NewConnection::new("f", "ssh") }).await;
    assert!(matches!(orphan, Err(StoreError::NotFound { .. })));
}

pub(crate) async fn blank_parameters_are_not_stored(f: Fixture) {
    let parameters = [("hostname", "h"), ("username", "")].into_iter().collect();
    let new = NewConnection { parameters, ..NewConnection::new("host", "ssh") };
    let key = f.store.create_connection(&operator(), &new).await.unwrap();
    let stored = f.store.parameters(&operator(), key).await.unwrap();
    assert_eq!(stored.iter().collect::<Vec<_>>(), [("hostname", "h")]);
    // An update replaces the whole set.
    let new = NewConnection { parameters: [("port", "22")].into_iter().collect(), ..new };
    f.store.update_connection(&operator(), key, &new).await.unwrap();
    let stored = f.store.parameters(&operator(), key).await.unwrap();
    assert_eq!(stored.iter().collect::<Vec<_>>(), [("port", "22")]);
}

pub(crate) async fn parameters_are_for_editors(f: Fixture) {
    let (_, alice) = f.user("alice").await;
    let parameters = [("password", "${GUAC_PASSWORD}")].into_iter().collect();
    let new = NewConnection { parameters, ..NewConnection::new("host", "ssh") };
    let key = f.store.create_connection(&operator(), &new).await.unwrap();
    assert!(matches!(f.store.parameters(&alice, key).await, Err(StoreError::NotFound { .. })));
    f.grant(user_holder("alice"), &[read(key)]).await;
    assert!(matches!(f.store.parameters(&alice, key).await, Err(StoreError::Denied)));
    let (_, parameters) = f.store.connection_to_open(&alice, key).await.unwrap();
    assert_eq!(parameters.value("password"), Some("${GUAC_PASSWORD}"));
    assert!(!format!("{parameters:?}").contains("GUAC_PASSWORD"));
    assert!(matches!(f.store.update_connection(&alice, key, &new).await, Err(StoreError::Denied)));
    assert!(matches!(f.store.delete_connection(&alice, key).await, Err(StoreError::Denied)));
    f.grant(user_holder("alice"), &[Permission::Connection(key, ObjectPermission::Update)]).await;
    assert!(f.store.parameters(&alice, key).await.is_ok());
    let gone = "99999".parse::<ConnectionKey>().unwrap();
    assert!(matches!(f.store.parameters(&operator(), gone).await, Err(StoreError::NotFound { .. })));
}

pub(crate) async fn a_failed_creation_leaves_nothing(f: Fixture) {
    // The two names are one to the database, which notices when the row of the connection is already written.
    let parameters = [("color", "1"), ("COLOR", "2")].into_iter().collect();
    let new = NewConnection { parameters, ..NewConnection::new("host", "ssh") };
    let failed = f.store.create_connection(&operator(), &new).await;
    assert!(matches!(failed, Err(StoreError::Invalid { .. })), "{failed:?}");
    let extra = BTreeMap::from([("k".to_owned(), "1".to_owned()), ("K".to_owned(), "2".to_owned())]);
    let attributes = UserAttributes { extra, ..UserAttributes::default() };
    let user = NewUser { attributes, ..NewUser::new("alice", None) };
    assert!(f.store.create_user(&operator(), &user, now()).await.is_err());
    for table in ["guacamole_connection", "guacamole_connection_parameter", "guacamole_entity", "guacamole_user"] {
        assert_eq!(f.raw.number(&format!("SELECT COUNT(*) FROM {table}")).await, 0, "{table}");
    }
    // The pool is as good as before.
    f.user("alice").await;
}

pub(crate) async fn everything_of_a_connection_survives_a_round_trip(f: Fixture) {
    let attributes = ConnectionAttributes {
        max_connections: Some(0),
        max_connections_per_user: Some(3),
        weight: Some(-1),
        failover_only: true,
        guacd_hostname: Some("guacd.example".into()),
        guacd_port: Some(65535),
        guacd_encryption: Some(ProxyEncryption::Ssl),
        extra: BTreeMap::from([("ksm-user-config-enabled".to_owned(), "true".to_owned())]),
    };
    let new = NewConnection { attributes: attributes.clone(), ..NewConnection::new("höst", "ssh") };
    let key = f.store.create_connection(&operator(), &new).await.unwrap();
    let stored = f.store.connection(&operator(), key).await.unwrap();
    assert_eq!((stored.name.as_str(), stored.protocol.as_str(), stored.last_active), ("höst", "ssh", None));
    assert_eq!(stored.attributes, attributes);
    let plain = NewConnection::new("host", "vnc");
    f.store.update_connection(&operator(), key, &plain).await.unwrap();
    let stored = f.store.connection(&operator(), key).await.unwrap();
    assert_eq!(stored.attributes, ConnectionAttributes::default());
    let attributes = ConnectionGroupAttributes {
        max_connections: Some(5),
        max_connections_per_user: Some(0),
        session_affinity: true,
        extra: BTreeMap::from([("x".to_owned(), "y".to_owned())]),
    };
    let new = NewConnectionGroup {
        group_type: ConnectionGroupType::Balancing,
        attributes: attributes.clone(),
        ..group("pool", None)
    };
    let key = f.store.create_connection_group(&operator(), &new).await.unwrap();
    let stored = f.store.connection_group(&operator(), key).await.unwrap();
    assert_eq!((stored.group_type, stored.attributes), (ConnectionGroupType::Balancing, attributes));
}

pub(crate) async fn everything_of_a_user_survives_a_round_trip(f: Fixture) {
    let attributes = UserAttributes {
        full_name: Some("Älice".into()),
        email_address: Some("a@example.org".into()),
        organization: Some("Org".into()),
        organizational_role: Some("Role".into()),
        expired: true,
        access_window_start: Some("08:00:00".into()),
        access_window_end: Some("18:30:00".into()),
        valid_from: Some("2024-01-01".into()),
        valid_until: Some("2024-12-31".into()),
        timezone: Some("Europe/Vienna".into()),
        extra: BTreeMap::from([("guac-totp-disabled".to_owned(), "true".to_owned())]),
    };
    let new = NewUser { attributes: attributes.clone(), ..NewUser::new("alice", None) };
    f.store.create_user(&operator(), &new, now()).await.unwrap();
    let stored = f.store.user(&operator(), "alice").await.unwrap();
    assert_eq!((stored.attributes, stored.disabled, stored.last_active), (attributes, false, None));
    let record = f.store.open_login_record(Some(stored.key), "alice", None, after(60)).await.unwrap();
    assert_eq!(f.store.user(&operator(), "alice").await.unwrap().last_active, Some(after(60)));
    f.store.close_login_record(record.key, after(90)).await.unwrap();
    let bad = UserAttributes { valid_from: Some("yesterday".into()), ..UserAttributes::default() };
    let update = UserUpdate { disabled: false, password: None, attributes: bad };
    let refused = f.store.update_user(&operator(), "alice", &update, now()).await;
    assert!(matches!(refused, Err(StoreError::Invalid { field: "valid-from" })));
    f.store.delete_user(&operator(), "alice").await.unwrap();
    assert!(f.store.user(&operator(), "alice").await.is_err());
}

pub(crate) async fn restrictions_are_for_those_who_administer(f: Fixture) {
    let (_, alice) = f.user("alice").await;
    f.user("bob").await;
    let update = UserUpdate {
        disabled: false,
        password: None,
        attributes: UserAttributes {
            full_name: Some("Bob".into()),
            valid_until: Some("2099-01-01".into()),
            ..UserAttributes::default()
        },
    };
    f.raw.execute("UPDATE guacamole_user SET valid_until = '2024-06-30'").await;
    assert!(matches!(f.store.update_user(&alice, "bob", &update, now()).await, Err(StoreError::NotFound { .. })));
    let bob = |permission| Permission::User("bob".to_owned(), permission);
    f.grant(user_holder("alice"), &[bob(ObjectPermission::Read), bob(ObjectPermission::Update)]).await;
    f.store.update_user(&alice, "bob", &update, now()).await.unwrap();
    let stored = f.store.user(&operator(), "bob").await.unwrap().attributes;
    assert_eq!((stored.full_name.as_deref(), stored.valid_until.as_deref()), (Some("Bob"), Some("2024-06-30")));
    f.grant(user_holder("alice"), &[bob(ObjectPermission::Administer)]).await;
    f.store.update_user(&alice, "bob", &update, now()).await.unwrap();
    let stored = f.store.user(&operator(), "bob").await.unwrap().attributes;
    assert_eq!(stored.valid_until.as_deref(), Some("2099-01-01"));
}

pub(crate) async fn our_own_attributes_survive_and_are_hidden(f: Fixture) {
    let store = f.with_argon2().await;
    store.create_user(&operator(), &NewUser::new("alice", Some(secret("pw"))), now()).await.unwrap();
    assert!(store.user(&operator(), "alice").await.unwrap().attributes.extra.is_empty());
    for name in ["guacd-lite-argon2id", "GUACD-LITE-ARGON2ID"] {
        let extra = BTreeMap::from([(name.to_owned(), "forged".to_owned())]);
        let attributes = UserAttributes { extra, ..UserAttributes::default() };
        let update = UserUpdate { disabled: false, password: None, attributes };
        store.update_user(&operator(), "alice", &update, now()).await.unwrap();
    }
    assert!(store.authenticate("alice", &secret("pw"), now()).await.is_ok());
}

pub(crate) async fn group_paths_are_made_where_missing(f: Fixture) {
    let path = async |text: &str| f.store.ensure_group_path(&operator(), text).await;
    let inner = path("a/b").await.unwrap();
    assert_eq!(path("/a//b/").await.unwrap(), inner);
    assert_eq!(path("A/B").await.unwrap(), inner);
    assert_eq!(path("").await.unwrap(), None);
    assert_eq!(path("/").await.unwrap(), None);
    assert_ne!(path("b").await.unwrap(), inner);
    assert_eq!(f.raw.number("SELECT COUNT(*) FROM guacamole_connection_group").await, 3);
    assert!(path(&["x"; 32].join("/")).await.is_ok());
    assert!(matches!(path(&["y"; 33].join("/")).await, Err(StoreError::TooMany { .. })));
    let bad = path(&format!("fresh/{}", "z".repeat(129))).await;
    assert!(matches!(bad, Err(StoreError::TooLong { .. })));
    let fresh = "SELECT COUNT(*) FROM guacamole_connection_group WHERE connection_group_name = 'fresh'";
    assert_eq!(f.raw.number(fresh).await, 0);
}

pub(crate) async fn groups_cannot_be_moved_into_themselves(f: Fixture) {
    let outer = f.store.ensure_group_path(&operator(), "a").await.unwrap();
    let inner = f.store.ensure_group_path(&operator(), "a/b").await.unwrap();
    for parent in [outer, inner] {
        let moved = f.store.update_connection_group(&operator(), outer.unwrap(), &group("a", parent)).await;
        assert!(matches!(moved, Err(StoreError::Cycle { .. })));
    }
    f.store.update_connection_group(&operator(), inner.unwrap(), &group("b", None)).await.unwrap();
    f.store.update_connection_group(&operator(), outer.unwrap(), &group("a", inner)).await.unwrap();
    connection(&f, "host", outer).await;
    // A circle made by hand is left out of trees rather than walked forever.
    f.raw.execute(&format!("UPDATE guacamole_connection_group SET parent_id = {}", outer.unwrap())).await;
    assert!(names(&f.store.connection_tree(&operator(), None, &[]).await.unwrap()).is_empty());
    f.store.delete_connection_group(&operator(), outer.unwrap()).await.unwrap();
    assert_eq!(f.raw.number("SELECT COUNT(*) FROM guacamole_connection").await, 0);
}

pub(crate) async fn members_of_a_balancing_group_need_not_be_readable(f: Fixture) {
    let (_, alice) = f.user("alice").await;
    let new = NewConnectionGroup { group_type: ConnectionGroupType::Balancing, ..group("pool", None) };
    let pool = f.store.create_connection_group(&operator(), &new).await.unwrap();
    for (name, weight) in [("one", None), ("two", Some(2)), ("never", Some(0))] {
        let attributes = ConnectionAttributes { weight, ..ConnectionAttributes::default() };
        let parameters = [("hostname", name)].into_iter().collect();
        let new = NewConnection { parent: Some(pool), attributes, parameters, ..NewConnection::new(name, "ssh") };
        f.store.create_connection(&operator(), &new).await.unwrap();
    }
    assert!(matches!(f.store.members_to_open(&alice, pool).await, Err(StoreError::NotFound { .. })));
    f.grant(user_holder("alice"), &[Permission::ConnectionGroup(pool, ObjectPermission::Read)]).await;
    let members = f.store.members_to_open(&alice, pool).await.unwrap();
    let hosts: Vec<_> = members.iter().map(|(_, parameters)| parameters.value("hostname").unwrap()).collect();
    assert_eq!(hosts, ["one", "two"]);
    assert!(names(&f.store.connection_tree(&alice, None, &[]).await.unwrap()).is_empty());
    let folder = f.store.ensure_group_path(&operator(), "folder").await.unwrap().unwrap();
    assert!(matches!(f.store.members_to_open(&operator(), folder).await, Err(StoreError::NotFound { .. })));
}

pub(crate) async fn permissions_are_granted_by_those_who_may(f: Fixture) {
    let (key, alice) = f.user("alice").await;
    f.user("bob").await;
    let host = connection(&f, "host", None).await;
    let grant = async |access: &Access, permission: Permission| {
        f.store.update_permissions(access, &user_holder("bob"), &[permission], &[]).await
    };
    assert!(matches!(grant(&alice, read(host)).await, Err(StoreError::NotFound { .. })));
    let bob = |permission| Permission::User("bob".to_owned(), permission);
    f.grant(user_holder("alice"), &[bob(ObjectPermission::Read), bob(ObjectPermission::Update), read(host)]).await;
    assert!(matches!(grant(&alice, read(host)).await, Err(StoreError::Denied)));
    f.grant(user_holder("alice"), &[Permission::Connection(host, ObjectPermission::Administer)]).await;
    grant(&alice, read(host)).await.unwrap();
    grant(&alice, read(host)).await.unwrap();
    // One bad permission in a list and none is granted.
    let both = [Permission::Connection(host, ObjectPermission::Update), Permission::System(SystemPermission::Audit)];
    let mixed = f.store.update_permissions(&alice, &user_holder("bob"), &both, &[]).await;
    assert!(matches!(mixed, Err(StoreError::Denied)));
    let set = f.store.direct_permissions(&operator(), &user_holder("bob")).await.unwrap();
    assert_eq!(set.connections[&host], BTreeSet::from([ObjectPermission::Read]));
    assert_eq!(set.users["bob"], BTreeSet::from([ObjectPermission::Read]));
    f.store.update_permissions(&alice, &user_holder("bob"), &[], &[read(host)]).await.unwrap();
    let set = f.store.direct_permissions(&operator(), &user_holder("bob")).await.unwrap();
    assert!(set.connections.is_empty());
    let unknown = "99999".parse::<ConnectionKey>().unwrap();
    assert!(matches!(grant(&operator(), read(unknown)).await, Err(StoreError::NotFound { .. })));
    assert_eq!(alice.user(), Some(key));
}

pub(crate) async fn nobody_removes_themselves(f: Fixture) {
    let (_, admin) = f.administrator("root").await;
    let own = [Permission::System(SystemPermission::Administer)];
    let removed = f.store.update_permissions(&admin, &user_holder("root"), &[], &own).await;
    assert!(matches!(removed, Err(StoreError::OwnAccount)));
    assert!(matches!(f.store.delete_user(&admin, "ROOT").await, Err(StoreError::OwnAccount)));
    assert!(f.store.has_administrator().await.unwrap());
}

pub(crate) async fn creators_own_what_they_make(f: Fixture) {
    let (key, _) = f.user("alice").await;
    let words = [SystemPermission::CreateConnection, SystemPermission::CreateUser, SystemPermission::CreateUserGroup];
    f.grant(user_holder("alice"), &words.map(Permission::System)).await;
    let alice = f.store.access(key, now()).await.unwrap();
    let host = f.store.create_connection(&alice, &NewConnection::new("host", "ssh")).await.unwrap();
    for permission in ObjectPermission::ALL {
        assert!(f.store.has_permission(&alice, &Permission::Connection(host, *permission)).await.unwrap());
    }
    f.store.create_user(&alice, &NewUser::new("bob", None), now()).await.unwrap();
    f.store.set_password(&alice, "bob", &secret("x"), now()).await.unwrap();
    f.store.create_user_group(&alice, "staff", false, &BTreeMap::new()).await.unwrap();
    f.store.update_group_members(&alice, "staff", &[user_holder("bob")], &[]).await.unwrap();
    assert!(matches!(f.store.ensure_group_path(&alice, "folder").await, Err(StoreError::Denied)));
    let folder = f.store.ensure_group_path(&operator(), "folder").await.unwrap();
    let inside = NewConnection { parent: folder, ..NewConnection::new("in", "ssh") };
    assert!(matches!(f.store.create_connection(&alice, &inside).await, Err(StoreError::NotFound { .. })));
    f.store.delete_connection(&alice, host).await.unwrap();
    f.store.delete_user(&alice, "bob").await.unwrap();
    f.store.delete_user_group(&alice, "staff").await.unwrap();
}

pub(crate) async fn group_members_are_listed_and_changed(f: Fixture) {
    let (_, alice) = f.user("alice").await;
    f.user("bob").await;
    user_group(&f, "inner", &[]).await;
    user_group(&f, "outer", &[user_holder("alice"), user_holder("bob"), group_holder("inner")]).await;
    let members = f.store.group_members(&operator(), "outer").await.unwrap();
    assert_eq!(members, [user_holder("alice"), user_holder("bob"), group_holder("inner")]);
    assert_eq!(f.store.groups_of(&operator(), &user_holder("alice")).await.unwrap(), ["outer"]);
    assert!(f.store.groups_of(&alice, &user_holder("alice")).await.unwrap().is_empty());
    f.store.update_group_members(&operator(), "outer", &[user_holder("bob")], &[user_holder("alice")]).await.unwrap();
    let members = f.store.group_members(&operator(), "outer").await.unwrap();
    assert_eq!(members, [user_holder("bob"), group_holder("inner")]);
    assert!(matches!(f.store.group_members(&alice, "outer").await, Err(StoreError::NotFound { .. })));
    assert_eq!(f.store.user_groups(&operator(), &[]).await.unwrap().len(), 2);
    assert!(!f.store.user_group(&operator(), "OUTER").await.unwrap().disabled);
    // A group and a user may share a name.
    f.store.create_user_group(&operator(), "alice", false, &BTreeMap::new()).await.unwrap();
}

pub(crate) async fn sharing_profiles_are_used_by_readers_and_made_by_editors(f: Fixture) {
    let (_, alice) = f.user("alice").await;
    let (_, bob) = f.user("bob").await;
    let host = connection(&f, "host", None).await;
    let new = |name: &str| NewSharingProfile {
        name: name.into(),
        connection: host,
        parameters: [("read-only", "true"), ("blank", "")].into_iter().collect(),
    };
    assert!(matches!(f.store.create_sharing_profile(&alice, &new("look")).await, Err(StoreError::Denied)));
    let key = f.store.create_sharing_profile(&operator(), &new(" look ")).await.unwrap();
    let duplicate = f.store.create_sharing_profile(&operator(), &new("look")).await;
    assert!(matches!(duplicate, Err(StoreError::Duplicate { .. })));
    let nameless = f.store.create_sharing_profile(&operator(), &new(" ")).await;
    assert!(matches!(nameless, Err(StoreError::BlankName { .. })));
    let nowhere = NewSharingProfile { connection: "999".parse().unwrap(), ..new("lost") };
    assert!(matches!(f.store.create_sharing_profile(&operator(), &nowhere).await, Err(StoreError::NotFound { .. })));

    let grant = [read(host), Permission::SharingProfile(key, ObjectPermission::Read)];
    f.store.update_permissions(&operator(), &user_holder("alice"), &grant, &[]).await.unwrap();
    let (profile, parameters) = f.store.sharing_profile_to_share(&alice, key).await.unwrap();
    assert_eq!((profile.name.as_str(), profile.connection), ("look", host));
    assert_eq!(parameters.iter().collect::<Vec<_>>(), [("read-only", "true")]);
    assert_eq!(f.store.sharing_profiles(&alice, host).await.unwrap(), std::slice::from_ref(&profile));
    assert_eq!(f.store.sharing_profile(&alice, key).await.unwrap(), profile);
    assert!(matches!(f.store.sharing_profile_parameters(&alice, key).await, Err(StoreError::Denied)));
    assert!(f.store.sharing_profile_parameters(&operator(), key).await.is_ok());
    for access in [&bob, &Access::nobody()] {
        assert!(matches!(f.store.sharing_profile_to_share(access, key).await, Err(StoreError::NotFound { .. })));
        assert!(matches!(f.store.sharing_profile(access, key).await, Err(StoreError::NotFound { .. })));
        assert!(matches!(f.store.sharing_profile_parameters(access, key).await, Err(StoreError::NotFound { .. })));
    }
    // Whoever may make profiles and edit the connection owns what they make.
    let grant = [
        Permission::System(SystemPermission::CreateSharingProfile),
        Permission::Connection(host, ObjectPermission::Update),
    ];
    f.store.update_permissions(&operator(), &user_holder("alice"), &grant, &[]).await.unwrap();
    let alice = f.store.access(alice.user().unwrap(), now()).await.unwrap();
    let own = f.store.create_sharing_profile(&alice, &new("own")).await.unwrap();
    assert!(f.store.sharing_profile_parameters(&alice, own).await.is_ok());
    f.store.delete_connection(&operator(), host).await.unwrap();
    assert!(matches!(f.store.sharing_profile(&operator(), key).await, Err(StoreError::NotFound { .. })));
}

fn record<'a>(user: &'a str, name: &'a str, key: Option<ConnectionKey>) -> NewConnectionRecord<'a> {
    NewConnectionRecord {
        user: None,
        username: user,
        remote_host: Some("192.0.2.1"),
        connection: key,
        connection_name: name,
        sharing_profile: None,
    }
}

pub(crate) async fn history_rows_open_and_close(f: Fixture) {
    let (key, _) = f.user("alice").await;
    let host = connection(&f, "host", None).await;
    let new = NewConnectionRecord { user: Some(key), ..record("alice", "host", Some(host)) };
    let opened = f.store.open_connection_record(&new, now()).await.unwrap();
    let entry = f.store.connection_history_entry(&operator(), opened.key).await.unwrap();
    assert_eq!((entry.record, entry.start, entry.end), (opened, now(), None));
    assert_eq!((entry.connection, entry.remote_host.as_deref()), (Some(host), Some("192.0.2.1")));
    assert_eq!(f.store.connection(&operator(), host).await.unwrap().last_active, Some(now()));
    f.store.close_connection_record(opened.key, after(5)).await.unwrap();
    f.store.close_connection_record(opened.key, after(9)).await.unwrap();
    let entry = f.store.connection_history_entry(&operator(), opened.key).await.unwrap();
    assert_eq!(entry.end, Some(after(5)));
    let missing = "99999".parse::<ConnectionHistoryKey>().unwrap();
    assert!(matches!(f.store.connection_history_entry(&operator(), missing).await, Err(StoreError::NoSuchRecord)));
    // Names from outside are cut rather than lost.
    let long = "é".repeat(500);
    let new = NewConnectionRecord { remote_host: Some(&long), ..record(&long, &long, None) };
    let cut = f.store.open_connection_record(&new, now()).await.unwrap();
    let entry = f.store.connection_history_entry(&operator(), cut.key).await.unwrap();
    assert_eq!(entry.username.chars().count(), 128);
    assert_eq!(entry.remote_host.unwrap().chars().count(), 256);
}

pub(crate) async fn a_crash_leaves_no_row_open(f: Fixture) {
    let done = f.store.open_connection_record(&record("alice", "host", None), now()).await.unwrap();
    f.store.close_connection_record(done.key, after(1)).await.unwrap();
    f.store.open_connection_record(&record("alice", "host", None), now()).await.unwrap();
    f.store.open_login_record(None, "alice", None, now()).await.unwrap();
    let shared = f.reopen(|config| config.shared = true).await;
    assert_eq!(shared.close_orphaned_records(after(60)).await.unwrap(), 0);
    let next = f.reopen(|_| {}).await;
    assert_eq!(next.close_orphaned_records(after(60)).await.unwrap(), 2);
    assert_eq!(next.close_orphaned_records(after(61)).await.unwrap(), 0);
    let all = next.connection_history(&operator(), &HistoryQuery { ascending: true, ..HistoryQuery::default() }).await;
    let ends: Vec<_> = all.unwrap().iter().map(|entry| entry.end).collect();
    assert_eq!(ends, [Some(after(1)), Some(after(60))]);
}

pub(crate) async fn history_is_searched_and_ordered(f: Fixture) {
    for (user, name, at) in [("alice", "web", 0), ("bob", "db_1", 86_400), ("alice", "dbx1", 90 * 86_400)] {
        f.store.open_connection_record(&record(user, name, None), after(at)).await.unwrap();
    }
    let search = async |terms: &[&str], ascending: bool| {
        let contains = terms.iter().map(|term| (*term).to_owned()).collect();
        let query = HistoryQuery { contains, ascending, ..HistoryQuery::default() };
        let found = f.store.connection_history(&operator(), &query).await.unwrap();
        found.into_iter().map(|entry| entry.connection_name).collect::<Vec<_>>()
    };
    assert_eq!(search(&[], false).await, ["dbx1", "db_1", "web"]);
    assert_eq!(search(&[], true).await, ["web", "db_1", "dbx1"]);
    assert_eq!(search(&["ALICE"], true).await, ["web", "dbx1"]);
    assert_eq!(search(&["alice", "db"], true).await, ["dbx1"]);
    assert_eq!(search(&["db_1"], true).await, ["db_1"]);
    assert_eq!(search(&["2024-03"], true).await, ["web", "db_1"]);
    assert_eq!(search(&["2024-03-02"], true).await, ["db_1"]);
    assert_eq!(search(&["2024"], true).await.len(), 3);
    assert_eq!(search(&["%"], true).await.len(), 0);
    let many = HistoryQuery { contains: vec!["a".into(); 17], ..HistoryQuery::default() };
    assert!(matches!(f.store.connection_history(&operator(), &many).await, Err(StoreError::TooMany { .. })));
    let bobs = HistoryQuery { username: Some("Bob".into()), ..HistoryQuery::default() };
    assert_eq!(f.store.connection_history(&operator(), &bobs).await.unwrap().len(), 1);
}

pub(crate) async fn history_is_shown_to_those_who_may_see_both(f: Fixture) {
    let (alice_key, alice) = f.user("alice").await;
    let (bob_key, _) = f.user("bob").await;
    let (one, two) = (connection(&f, "one", None).await, connection(&f, "two", None).await);
    for (user, name, connection) in
        [(alice_key, "alice", one), (alice_key, "alice", two), (bob_key, "bob", one), (bob_key, "bob", two)]
    {
        let new = NewConnectionRecord { user: Some(user), ..record(name, "host", Some(connection)) };
        f.store.open_connection_record(&new, now()).await.unwrap();
        f.store.open_login_record(Some(user), name, None, now()).await.unwrap();
    }
    f.grant(user_holder("alice"), &[read(one)]).await;
    let count = async |access: &Access| {
        let query = HistoryQuery::default();
        let connections = f.store.connection_history(access, &query).await.unwrap().len();
        (connections, f.store.login_history(access, &query).await.unwrap().len())
    };
    assert_eq!(count(&alice).await, (1, 2));
    f.grant(user_holder("alice"), &[Permission::User("bob".into(), ObjectPermission::Read)]).await;
    assert_eq!(count(&alice).await, (2, 4));
    f.grant(user_holder("alice"), &[Permission::System(SystemPermission::Audit)]).await;
    let alice = f.store.access(alice_key, now()).await.unwrap();
    assert_eq!(count(&alice).await, (4, 4));
    let only = HistoryQuery { connection: Some(two), ..HistoryQuery::default() };
    assert_eq!(f.store.connection_history(&alice, &only).await.unwrap().len(), 2);
}

pub(crate) async fn history_outlives_what_it_is_about(f: Fixture) {
    let (key, _) = f.user("alice").await;
    let host = connection(&f, "host", None).await;
    let new = NewConnectionRecord { user: Some(key), ..record("alice", "host", Some(host)) };
    let opened = f.store.open_connection_record(&new, now()).await.unwrap();
    f.store.delete_user(&operator(), "alice").await.unwrap();
    f.store.delete_connection(&operator(), host).await.unwrap();
    let entry = f.store.connection_history_entry(&operator(), opened.key).await.unwrap();
    assert_eq!((entry.username.as_str(), entry.connection_name.as_str()), ("alice", "host"));
    assert_eq!(entry.connection, None);
    // Its key is not given out again, or its recordings would be found under another record.
    assert_ne!(connection(&f, "host", None).await, host);
}

pub(crate) async fn effective_permissions_merge_groups(f: Fixture) {
    let (_, alice) = f.user("alice").await;
    user_group(&f, "staff", &[user_holder("alice")]).await;
    let host = connection(&f, "host", None).await;
    f.grant(user_holder("alice"), &[read(host)]).await;
    let staff = [
        Permission::Connection(host, ObjectPermission::Update),
        Permission::UserGroup("staff".into(), ObjectPermission::Read),
        Permission::System(SystemPermission::CreateConnection),
    ];
    f.grant(group_holder("staff"), &staff).await;
    let set = f.store.effective_permissions(&alice, "alice").await.unwrap();
    assert_eq!(set.connections[&host], BTreeSet::from([ObjectPermission::Read, ObjectPermission::Update]));
    assert_eq!(set.user_groups["staff"], BTreeSet::from([ObjectPermission::Read]));
    assert_eq!(set.users["alice"], BTreeSet::from([ObjectPermission::Read]));
    assert_eq!(set.system, BTreeSet::from([SystemPermission::CreateConnection]));
    let others = f.store.effective_permissions(&alice, "bob").await;
    assert!(matches!(others, Err(StoreError::NotFound { .. })));
}

pub(crate) async fn moving_and_deleting_take_update_on_every_parent(f: Fixture) {
    let (_, alice) = f.user("alice").await;
    let from = f.store.ensure_group_path(&operator(), "from").await.unwrap();
    let to = f.store.ensure_group_path(&operator(), "to").await.unwrap();
    let host = connection(&f, "host", from).await;
    let own = [ObjectPermission::Read, ObjectPermission::Update, ObjectPermission::Delete];
    f.grant(user_holder("alice"), &own.map(|permission| Permission::Connection(host, permission))).await;
    let place = |parent| NewConnection { parent, ..NewConnection::new("host", "ssh") };
    let open = async |group: Option<ConnectionGroupKey>| {
        let words = [ObjectPermission::Read, ObjectPermission::Update];
        let words = words.map(|permission| Permission::ConnectionGroup(group.unwrap(), permission));
        f.grant(user_holder("alice"), &words).await;
    };
    f.store.update_connection(&alice, host, &place(from)).await.unwrap();
    assert!(f.store.update_connection(&alice, host, &place(to)).await.is_err(), "out of a group of somebody else's");
    assert!(f.store.delete_connection(&alice, host).await.is_err());
    open(from).await;
    assert!(f.store.update_connection(&alice, host, &place(to)).await.is_err(), "into a group of somebody else's");
    open(to).await;
    f.store.update_connection(&alice, host, &place(to)).await.unwrap();
    f.store.update_connection(&alice, host, &place(None)).await.unwrap();
    f.store.update_connection(&alice, host, &place(to)).await.unwrap();
    f.store.delete_connection(&alice, host).await.unwrap();
}

pub(crate) async fn a_new_password_has_a_new_date(f: Fixture) {
    let dates = "SELECT COUNT(DISTINCT password_date) FROM guacamole_user";
    f.user("alice").await;
    f.user("bob").await;
    assert_eq!(f.raw.number(dates).await, 1);
    f.store.set_password(&operator(), "bob", &secret("other"), after(60)).await.unwrap();
    assert_eq!(f.raw.number(dates).await, 2);
    let latest = "SELECT COUNT(*) FROM guacamole_user WHERE password_date = '2024-03-01 12:01:00'";
    assert_eq!(f.raw.number(latest).await, 1);
}
