//! The JSON objects of the interface, each listing exactly what leaves the server.

use std::collections::{BTreeMap, HashSet};
use std::time::{SystemTime, UNIX_EPOCH};

use guac_auth_mysql::{
    Connection, ConnectionGroup, ConnectionGroupType, ConnectionHistoryEntry, ConnectionTree, LoginHistoryEntry,
    ObjectPermission, PermissionSet, ProxyEncryption, SharingProfile, SystemPermission, User, UserGroup,
};
use guac_tunnel::TunnelInfo;
use serde::Serialize;

use crate::shares::Share;

/// The group that has no row and everything in it.
pub(crate) const ROOT: &str = "ROOT";

/// Attributes: what is unset is null, what is unknown is not there.
type Attributes = BTreeMap<String, Option<String>>;

/// Milliseconds since 1970.
pub(crate) fn millis(time: SystemTime) -> i64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// How often each connection is in use at the moment.
pub(crate) struct Usage(BTreeMap<String, usize>);

impl Usage {
    pub(crate) fn of(live: Vec<TunnelInfo>) -> Self {
        let mut counts = BTreeMap::new();
        for tunnel in live {
            *counts.entry(tunnel.connection_identifier).or_default() += 1;
        }
        Self(counts)
    }

    fn of_connection(&self, identifier: &str) -> usize {
        self.0.get(identifier).copied().unwrap_or_default()
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ConnectionShape {
    name: String,
    identifier: String,
    parent_identifier: String,
    protocol: String,
    attributes: Attributes,
    active_connections: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    sharing_profiles: Option<Vec<SharingProfileShape>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_active: Option<i64>,
}

impl ConnectionShape {
    pub(crate) fn new(connection: Connection, usage: &Usage) -> Self {
        let identifier = connection.key.to_string();
        let given = connection.attributes;
        let mut attributes = extra(given.extra);
        let encryption = given.guacd_encryption.map(|encryption| match encryption {
            ProxyEncryption::None => "none".to_owned(),
            ProxyEncryption::Ssl => "ssl".to_owned(),
        });
        let known = [
            ("max-connections", given.max_connections.map(|n| n.to_string())),
            ("max-connections-per-user", given.max_connections_per_user.map(|n| n.to_string())),
            ("weight", given.weight.map(|n| n.to_string())),
            ("failover-only", flag(given.failover_only)),
            ("guacd-hostname", given.guacd_hostname),
            ("guacd-port", given.guacd_port.map(|n| n.to_string())),
            ("guacd-encryption", encryption),
        ];
        attributes.extend(known.map(|(name, value)| (name.to_owned(), value)));
        Self {
            active_connections: usage.of_connection(&identifier),
            name: connection.name,
            identifier,
            parent_identifier: connection.parent.map_or_else(|| ROOT.to_owned(), |key| key.to_string()),
            protocol: connection.protocol,
            attributes,
            sharing_profiles: None,
            last_active: connection.last_active.map(millis),
        }
    }
}

impl ConnectionShape {
    /// What a link leads to: the connection's name and protocol, under the link's key (T-070).
    pub(crate) fn shared(share: &Share) -> Self {
        Self {
            name: share.connection.name.clone(),
            identifier: share.key.expose().to_owned(),
            parent_identifier: ROOT.to_owned(),
            protocol: share.connection.protocol.clone(),
            attributes: Attributes::new(),
            active_connections: 0,
            sharing_profiles: None,
            last_active: None,
        }
    }
}

fn extra(attributes: BTreeMap<String, String>) -> Attributes {
    attributes.into_iter().map(|(name, value)| (name, Some(value))).collect()
}

fn flag(set: bool) -> Option<String> {
    set.then(|| "true".to_owned())
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SharingProfileShape {
    name: String,
    identifier: String,
    primary_connection_identifier: String,
    attributes: Attributes,
}

impl From<SharingProfile> for SharingProfileShape {
    fn from(profile: SharingProfile) -> Self {
        Self {
            name: profile.name,
            identifier: profile.key.to_string(),
            primary_connection_identifier: profile.connection.to_string(),
            attributes: Attributes::new(),
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct GroupShape {
    name: String,
    identifier: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    parent_identifier: Option<String>,
    #[serde(rename = "type")]
    kind: &'static str,
    active_connections: usize,
    attributes: Attributes,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    child_connection_groups: Vec<GroupShape>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    child_connections: Vec<ConnectionShape>,
}

impl GroupShape {
    /// The root.
    pub(crate) fn root() -> Self {
        Self {
            name: ROOT.to_owned(),
            identifier: ROOT.to_owned(),
            parent_identifier: None,
            kind: ConnectionGroupType::Organizational.as_str(),
            active_connections: 0,
            attributes: Attributes::new(),
            child_connection_groups: Vec::new(),
            child_connections: Vec::new(),
        }
    }

    pub(crate) fn new(group: ConnectionGroup) -> Self {
        let given = group.attributes;
        let mut attributes = extra(given.extra);
        let known = [
            ("max-connections", given.max_connections.map(|n| n.to_string())),
            ("max-connections-per-user", given.max_connections_per_user.map(|n| n.to_string())),
            ("enable-session-affinity", flag(given.session_affinity)),
        ];
        attributes.extend(known.map(|(name, value)| (name.to_owned(), value)));
        Self {
            name: group.name,
            identifier: group.key.to_string(),
            parent_identifier: Some(group.parent.map_or_else(|| ROOT.to_owned(), |key| key.to_string())),
            kind: group.group_type.as_str(),
            attributes,
            ..Self::root()
        }
    }

    /// A root with these connections and nothing else.
    pub(crate) fn of_connections(child_connections: Vec<ConnectionShape>) -> Self {
        Self { child_connections, ..Self::root() }
    }

    /// A tree, whose depth the store bounds.
    pub(crate) fn tree(tree: ConnectionTree, usage: &Usage) -> Self {
        let children = tree.groups.into_iter().map(|group| Self::tree(group, usage)).collect();
        let connections = tree.connections.into_iter().map(|node| {
            let profiles: Vec<_> = node.sharing_profiles.into_iter().map(SharingProfileShape::from).collect();
            let sharing_profiles = Some(profiles).filter(|profiles| !profiles.is_empty());
            ConnectionShape { sharing_profiles, ..ConnectionShape::new(node.connection, usage) }
        });
        let child_connections: Vec<_> = connections.collect();
        let active_connections = child_connections.iter().map(|connection| connection.active_connections).sum();
        Self {
            child_connection_groups: children,
            child_connections,
            active_connections,
            ..tree.group.map_or_else(Self::root, Self::new)
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct UserShape {
    username: String,
    disabled: bool,
    attributes: Attributes,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_active: Option<i64>,
}

impl UserShape {
    /// Somebody of whom nothing but a name is known, and often not even that.
    pub(crate) fn anonymous(username: &str) -> Self {
        Self { username: username.to_owned(), disabled: false, attributes: Attributes::new(), last_active: None }
    }

    /// `restrictions`: whether the caller may see what limits the account (D-110).
    pub(crate) fn new(user: User, restrictions: bool) -> Self {
        let given = user.attributes;
        let mut attributes = extra(given.extra);
        let profile = [
            ("guac-full-name", given.full_name),
            ("guac-email-address", given.email_address),
            ("guac-organization", given.organization),
            ("guac-organizational-role", given.organizational_role),
        ];
        attributes.extend(profile.map(|(name, value)| (name.to_owned(), value)));
        if restrictions {
            let limits = [
                ("expired", flag(given.expired)),
                ("access-window-start", given.access_window_start),
                ("access-window-end", given.access_window_end),
                ("valid-from", given.valid_from),
                ("valid-until", given.valid_until),
                ("timezone", given.timezone),
            ];
            attributes.extend(limits.map(|(name, value)| (name.to_owned(), value)));
        }
        let last_active = user.last_active.map(millis);
        Self { username: user.name, disabled: user.disabled, attributes, last_active }
    }
}

#[derive(Serialize)]
pub(crate) struct UserGroupShape {
    identifier: String,
    disabled: bool,
    attributes: Attributes,
}

impl From<UserGroup> for UserGroupShape {
    fn from(group: UserGroup) -> Self {
        Self { identifier: group.name, disabled: group.disabled, attributes: extra(group.attributes) }
    }
}

type ByObject = BTreeMap<String, Vec<&'static str>>;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PermissionsShape {
    connection_permissions: ByObject,
    connection_group_permissions: ByObject,
    sharing_profile_permissions: ByObject,
    active_connection_permissions: ByObject,
    user_permissions: ByObject,
    user_group_permissions: ByObject,
    system_permissions: Vec<&'static str>,
}

impl PermissionsShape {
    /// All seven members, always. Permissions on live connections are nowhere stored: `live` gives them.
    pub(crate) fn new(set: &PermissionSet, live: impl IntoIterator<Item = (String, bool)>) -> Self {
        fn words<K: ToString>(map: &BTreeMap<K, std::collections::BTreeSet<ObjectPermission>>) -> ByObject {
            let words = |held: &std::collections::BTreeSet<ObjectPermission>| held.iter().map(|p| p.as_str()).collect();
            map.iter().map(|(key, held)| (key.to_string(), words(held))).collect()
        }
        let live = live.into_iter().map(|(identifier, may_end)| {
            let words = if may_end { vec!["READ", "DELETE"] } else { vec!["READ"] };
            (identifier, words)
        });
        Self {
            connection_permissions: words(&set.connections),
            connection_group_permissions: words(&set.connection_groups),
            sharing_profile_permissions: words(&set.sharing_profiles),
            active_connection_permissions: live.collect(),
            user_permissions: words(&set.users),
            user_group_permissions: words(&set.user_groups),
            system_permissions: set.system.iter().copied().map(SystemPermission::as_str).collect(),
        }
    }
}

/// Nulls are written here.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ActiveShape {
    identifier: String,
    connection_identifier: String,
    start_date: i64,
    remote_host: Option<String>,
    username: Option<String>,
    connectable: bool,
}

impl ActiveShape {
    /// `privileged`: the caller is an administrator or the tunnel is his own.
    pub(crate) fn new(tunnel: TunnelInfo, privileged: bool) -> Self {
        Self {
            identifier: tunnel.uuid.to_string(),
            connection_identifier: tunnel.connection_identifier,
            start_date: millis(tunnel.start),
            remote_host: tunnel.remote_host.filter(|_| privileged),
            username: Some(tunnel.username).filter(|_| privileged),
            connectable: privileged,
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct HistoryShape {
    identifier: String,
    uuid: String,
    connection_identifier: Option<String>,
    connection_name: String,
    sharing_profile_identifier: Option<String>,
    sharing_profile_name: Option<String>,
    start_date: i64,
    end_date: Option<i64>,
    remote_host: Option<String>,
    username: String,
    active: bool,
    attributes: Attributes,
    logs: BTreeMap<String, ()>,
}

impl HistoryShape {
    /// `live`: the names of all live tunnels.
    pub(crate) fn new(entry: ConnectionHistoryEntry, live: &HashSet<String>) -> Self {
        let uuid = entry.record.uuid.to_string();
        let live = live.contains(&uuid);
        Self {
            identifier: entry.record.key.to_string(),
            uuid,
            connection_identifier: entry.connection.map(|key| key.to_string()),
            connection_name: entry.connection_name,
            sharing_profile_identifier: entry.sharing_profile.map(|key| key.to_string()),
            sharing_profile_name: entry.sharing_profile_name,
            start_date: millis(entry.start),
            end_date: entry.end.map(millis),
            remote_host: entry.remote_host,
            username: entry.username,
            active: live,
            attributes: Attributes::new(),
            logs: BTreeMap::new(),
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LoginShape {
    identifier: String,
    uuid: String,
    start_date: i64,
    end_date: Option<i64>,
    remote_host: Option<String>,
    username: String,
    active: bool,
    attributes: Attributes,
    logs: BTreeMap<String, ()>,
}

impl From<LoginHistoryEntry> for LoginShape {
    fn from(entry: LoginHistoryEntry) -> Self {
        Self {
            identifier: entry.record.key.to_string(),
            uuid: entry.record.uuid.to_string(),
            start_date: millis(entry.start),
            end_date: entry.end.map(millis),
            remote_host: entry.remote_host,
            username: entry.username,
            active: false,
            attributes: Attributes::new(),
            logs: BTreeMap::new(),
        }
    }
}
