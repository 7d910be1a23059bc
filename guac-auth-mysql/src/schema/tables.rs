//! The 23 tables, once, for both engines.
//!
//! Names, types, order and keys are those of Guacamole 1.6 (unchanged since 1.0 but for one word of an enum), so
//! that either program can be put in the other's place. Nothing is added: what Guacamole has no column for goes
//! into its attribute tables.

/// A table.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) name: &'static str,
    pub(crate) columns: &'static [Column],
    pub(crate) primary: &'static [&'static str],
    /// Name and columns.
    pub(crate) unique: &'static [(&'static str, &'static [&'static str])],
    /// Name and columns.
    pub(crate) keys: &'static [(&'static str, &'static [&'static str])],
    pub(crate) foreign: &'static [Foreign],
}

/// A column.
#[derive(Debug)]
pub(crate) struct Column {
    pub(crate) name: &'static str,
    pub(crate) ty: Type,
    pub(crate) null: bool,
    pub(crate) default: Option<&'static str>,
}

/// What a column holds.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Type {
    /// The primary key, given out by the database.
    Serial,
    Int,
    /// 64 bits.
    BigInt,
    /// Up to 65,535 bytes.
    Blob,
    /// Text of at most so many characters.
    Text(u16),
    /// As `Text`, compared as names are: without regard to letter case.
    Name(u16),
    Enum(&'static [&'static str]),
    Bool,
    /// 32 bytes.
    Hash,
    Date,
    Time,
    DateTime,
}

/// A reference to another table's primary key.
#[derive(Debug)]
pub(crate) struct Foreign {
    pub(crate) name: &'static str,
    pub(crate) column: &'static str,
    pub(crate) table: &'static str,
    pub(crate) target: &'static str,
    /// What happens to the row when the one it refers to is deleted: it goes too, or forgets (`true`).
    pub(crate) set_null: bool,
}

pub(crate) const fn col(name: &'static str, ty: Type) -> Column {
    Column { name, ty, null: false, default: None }
}

pub(crate) const fn opt(name: &'static str, ty: Type) -> Column {
    Column { name, ty, null: true, default: None }
}

pub(crate) const fn flag(name: &'static str) -> Column {
    Column { name, ty: Type::Bool, null: false, default: Some("0") }
}

const fn cascade(name: &'static str, column: &'static str, table: &'static str, target: &'static str) -> Foreign {
    Foreign { name, column, table, target, set_null: false }
}

const fn set_null(name: &'static str, column: &'static str, table: &'static str, target: &'static str) -> Foreign {
    Foreign { name, column, table, target, set_null: true }
}

const ENTITY_TYPES: &[&str] = &["USER", "USER_GROUP"];
const GROUP_TYPES: &[&str] = &["ORGANIZATIONAL", "BALANCING"];
const PROXY_ENCRYPTION: &[&str] = &["NONE", "SSL"];
const OBJECT_PERMISSIONS: &[&str] = &["READ", "UPDATE", "DELETE", "ADMINISTER"];
pub(crate) const SYSTEM_PERMISSIONS: &[&str] = &[
    "CREATE_CONNECTION",
    "CREATE_CONNECTION_GROUP",
    "CREATE_SHARING_PROFILE",
    "CREATE_USER",
    "CREATE_USER_GROUP",
    "AUDIT",
    "ADMINISTER",
];

/// A table of attributes or parameters: the owner's key, a name, a value.
macro_rules! settings {
    ($table:literal, $owner:literal, $owner_table:literal, $name:literal, $value:literal, keys: $keys:expr) => {
        Table {
            name: $table,
            columns: &[col($owner, Type::Int), col($name, Type::Name(128)), col($value, Type::Text(4096))],
            primary: &[$owner, $name],
            unique: &[],
            keys: $keys,
            foreign: &[cascade(concat!($table, "_ibfk_1"), $owner, $owner_table, $owner)],
        }
    };
}

macro_rules! attributes {
    ($table:literal, $owner:literal, $owner_table:literal) => {
        settings!($table, $owner, $owner_table, "attribute_name", "attribute_value", keys: &[($owner, &[$owner])])
    };
}

macro_rules! parameters {
    ($table:literal, $owner:literal, $owner_table:literal) => {
        settings!($table, $owner, $owner_table, "parameter_name", "parameter_value", keys: &[])
    };
}

/// A table of permissions: who, on what, which.
macro_rules! permissions {
    ($table:literal, $column:literal, $object_table:literal, $target:literal, $foreign:literal) => {
        Table {
            name: $table,
            columns: &[
                col("entity_id", Type::Int),
                col($column, Type::Int),
                col("permission", Type::Enum(OBJECT_PERMISSIONS)),
            ],
            primary: &["entity_id", $column, "permission"],
            unique: &[],
            keys: &[],
            foreign: &[
                cascade(concat!($table, $foreign), $column, $object_table, $target),
                cascade(concat!($table, "_entity"), "entity_id", "guacamole_entity", "entity_id"),
            ],
        }
    };
}

/// Every table, in an order in which each refers only to those before it.
pub(crate) const TABLES: &[Table] = &[
    Table {
        name: "guacamole_connection_group",
        columns: &[
            col("connection_group_id", Type::Serial),
            opt("parent_id", Type::Int),
            col("connection_group_name", Type::Name(128)),
            Column { default: Some("ORGANIZATIONAL"), ..col("type", Type::Enum(GROUP_TYPES)) },
            opt("max_connections", Type::Int),
            opt("max_connections_per_user", Type::Int),
            flag("enable_session_affinity"),
        ],
        primary: &["connection_group_id"],
        unique: &[("connection_group_name_parent", &["connection_group_name", "parent_id"])],
        keys: &[],
        foreign: &[cascade(
            "guacamole_connection_group_ibfk_1",
            "parent_id",
            "guacamole_connection_group",
            "connection_group_id",
        )],
    },
    Table {
        name: "guacamole_connection",
        columns: &[
            col("connection_id", Type::Serial),
            col("connection_name", Type::Name(128)),
            opt("parent_id", Type::Int),
            col("protocol", Type::Text(32)),
            opt("proxy_port", Type::Int),
            opt("proxy_hostname", Type::Text(512)),
            opt("proxy_encryption_method", Type::Enum(PROXY_ENCRYPTION)),
            opt("max_connections", Type::Int),
            opt("max_connections_per_user", Type::Int),
            opt("connection_weight", Type::Int),
            flag("failover_only"),
        ],
        primary: &["connection_id"],
        unique: &[("connection_name_parent", &["connection_name", "parent_id"])],
        keys: &[],
        foreign: &[cascade(
            "guacamole_connection_ibfk_1",
            "parent_id",
            "guacamole_connection_group",
            "connection_group_id",
        )],
    },
    Table {
        name: "guacamole_entity",
        columns: &[col("entity_id", Type::Serial), col("name", Type::Name(128)), col("type", Type::Enum(ENTITY_TYPES))],
        primary: &["entity_id"],
        unique: &[("guacamole_entity_name_scope", &["type", "name"])],
        keys: &[],
        foreign: &[],
    },
    Table {
        name: "guacamole_user",
        columns: &[
            col("user_id", Type::Serial),
            col("entity_id", Type::Int),
            col("password_hash", Type::Hash),
            opt("password_salt", Type::Hash),
            col("password_date", Type::DateTime),
            flag("disabled"),
            flag("expired"),
            opt("access_window_start", Type::Time),
            opt("access_window_end", Type::Time),
            opt("valid_from", Type::Date),
            opt("valid_until", Type::Date),
            opt("timezone", Type::Text(64)),
            opt("full_name", Type::Text(256)),
            opt("email_address", Type::Text(256)),
            opt("organization", Type::Text(256)),
            opt("organizational_role", Type::Text(256)),
        ],
        primary: &["user_id"],
        unique: &[("guacamole_user_single_entity", &["entity_id"])],
        keys: &[],
        foreign: &[cascade("guacamole_user_entity", "entity_id", "guacamole_entity", "entity_id")],
    },
    Table {
        name: "guacamole_user_group",
        columns: &[col("user_group_id", Type::Serial), col("entity_id", Type::Int), flag("disabled")],
        primary: &["user_group_id"],
        unique: &[("guacamole_user_group_single_entity", &["entity_id"])],
        keys: &[],
        foreign: &[cascade("guacamole_user_group_entity", "entity_id", "guacamole_entity", "entity_id")],
    },
    Table {
        name: "guacamole_user_group_member",
        columns: &[col("user_group_id", Type::Int), col("member_entity_id", Type::Int)],
        primary: &["user_group_id", "member_entity_id"],
        unique: &[],
        keys: &[],
        foreign: &[
            cascade("guacamole_user_group_member_parent_id", "user_group_id", "guacamole_user_group", "user_group_id"),
            cascade("guacamole_user_group_member_entity_id", "member_entity_id", "guacamole_entity", "entity_id"),
        ],
    },
    Table {
        name: "guacamole_sharing_profile",
        columns: &[
            col("sharing_profile_id", Type::Serial),
            col("sharing_profile_name", Type::Name(128)),
            col("primary_connection_id", Type::Int),
        ],
        primary: &["sharing_profile_id"],
        unique: &[("sharing_profile_name_primary", &["sharing_profile_name", "primary_connection_id"])],
        keys: &[],
        foreign: &[cascade(
            "guacamole_sharing_profile_ibfk_1",
            "primary_connection_id",
            "guacamole_connection",
            "connection_id",
        )],
    },
    parameters!("guacamole_connection_parameter", "connection_id", "guacamole_connection"),
    parameters!("guacamole_sharing_profile_parameter", "sharing_profile_id", "guacamole_sharing_profile"),
    attributes!("guacamole_user_attribute", "user_id", "guacamole_user"),
    attributes!("guacamole_user_group_attribute", "user_group_id", "guacamole_user_group"),
    attributes!("guacamole_connection_attribute", "connection_id", "guacamole_connection"),
    attributes!("guacamole_connection_group_attribute", "connection_group_id", "guacamole_connection_group"),
    attributes!("guacamole_sharing_profile_attribute", "sharing_profile_id", "guacamole_sharing_profile"),
    permissions!(
        "guacamole_connection_permission",
        "connection_id",
        "guacamole_connection",
        "connection_id",
        "_ibfk_1"
    ),
    permissions!(
        "guacamole_connection_group_permission",
        "connection_group_id",
        "guacamole_connection_group",
        "connection_group_id",
        "_ibfk_1"
    ),
    permissions!(
        "guacamole_sharing_profile_permission",
        "sharing_profile_id",
        "guacamole_sharing_profile",
        "sharing_profile_id",
        "_ibfk_1"
    ),
    Table {
        name: "guacamole_system_permission",
        columns: &[col("entity_id", Type::Int), col("permission", Type::Enum(SYSTEM_PERMISSIONS))],
        primary: &["entity_id", "permission"],
        unique: &[],
        keys: &[],
        foreign: &[cascade("guacamole_system_permission_entity", "entity_id", "guacamole_entity", "entity_id")],
    },
    permissions!("guacamole_user_permission", "affected_user_id", "guacamole_user", "user_id", "_ibfk_1"),
    permissions!(
        "guacamole_user_group_permission",
        "affected_user_group_id",
        "guacamole_user_group",
        "user_group_id",
        "_affected_user_group"
    ),
    Table {
        name: "guacamole_connection_history",
        columns: &[
            col("history_id", Type::Serial),
            opt("user_id", Type::Int),
            col("username", Type::Name(128)),
            opt("remote_host", Type::Text(256)),
            opt("connection_id", Type::Int),
            col("connection_name", Type::Name(128)),
            opt("sharing_profile_id", Type::Int),
            opt("sharing_profile_name", Type::Text(128)),
            col("start_date", Type::DateTime),
            opt("end_date", Type::DateTime),
        ],
        primary: &["history_id"],
        unique: &[],
        keys: &[
            ("user_id", &["user_id"]),
            ("connection_id", &["connection_id"]),
            ("sharing_profile_id", &["sharing_profile_id"]),
            ("start_date", &["start_date"]),
            ("end_date", &["end_date"]),
            ("connection_start_date", &["connection_id", "start_date"]),
        ],
        foreign: &[
            set_null("guacamole_connection_history_ibfk_1", "user_id", "guacamole_user", "user_id"),
            set_null("guacamole_connection_history_ibfk_2", "connection_id", "guacamole_connection", "connection_id"),
            set_null(
                "guacamole_connection_history_ibfk_3",
                "sharing_profile_id",
                "guacamole_sharing_profile",
                "sharing_profile_id",
            ),
        ],
    },
    Table {
        name: "guacamole_user_history",
        columns: &[
            col("history_id", Type::Serial),
            opt("user_id", Type::Int),
            col("username", Type::Name(128)),
            opt("remote_host", Type::Text(256)),
            col("start_date", Type::DateTime),
            opt("end_date", Type::DateTime),
        ],
        primary: &["history_id"],
        unique: &[],
        keys: &[
            ("user_id", &["user_id"]),
            ("start_date", &["start_date"]),
            ("end_date", &["end_date"]),
            ("user_start_date", &["user_id", "start_date"]),
        ],
        foreign: &[set_null("guacamole_user_history_ibfk_1", "user_id", "guacamole_user", "user_id")],
    },
    Table {
        name: "guacamole_user_password_history",
        columns: &[
            col("password_history_id", Type::Serial),
            col("user_id", Type::Int),
            col("password_hash", Type::Hash),
            opt("password_salt", Type::Hash),
            col("password_date", Type::DateTime),
        ],
        primary: &["password_history_id"],
        unique: &[],
        keys: &[("user_id", &["user_id"])],
        foreign: &[cascade("guacamole_user_password_history_ibfk_1", "user_id", "guacamole_user", "user_id")],
    },
];
