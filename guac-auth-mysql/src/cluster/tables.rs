//! The tables of a cluster, beside Guacamole's and never in them. Moments are milliseconds of the database's clock.

use crate::schema::{Column, Table, Type, col, flag, opt};

const NODE: Column = col("node", Type::Text(36));

/// Every table. None refers to another by a key: rows of a node that was declared dead come back one by one.
pub(super) const TABLES: &[Table] = &[
    Table {
        name: "guacd_lite_node",
        columns: &[
            NODE,
            col("name", Type::Text(128)),
            col("address", Type::Text(300)),
            col("certificate", Type::Hash),
            col("mac", Type::Hash),
            col("heartbeat", Type::BigInt),
        ],
        primary: &["node"],
        unique: &[],
        keys: &[],
        foreign: &[],
    },
    Table {
        name: "guacd_lite_login",
        columns: &[
            col("login_hash", Type::Hash),
            opt("user_id", Type::Int),
            col("username", Type::Name(128)),
            col("sealed", Type::Blob),
            col("version", Type::Int),
            opt("history_id", Type::Int),
            col("last_used", Type::BigInt),
        ],
        primary: &["login_hash"],
        unique: &[],
        keys: &[("last_used", &["last_used"])],
        foreign: &[],
    },
    Table {
        name: "guacd_lite_tunnel",
        columns: &[
            col("tunnel", Type::Text(36)),
            NODE,
            col("login_hash", Type::Hash),
            col("data_source", Type::Text(128)),
            col("connection_id", Type::Int),
            col("protocol", Type::Text(32)),
            opt("session_id", Type::Text(130)),
            flag("joined"),
            col("started", Type::BigInt),
            opt("remote_host", Type::Text(256)),
            col("username", Type::Name(128)),
            col("history_id", Type::Int),
            opt("share_hash", Type::Hash),
            flag("stop_requested"),
        ],
        primary: &["tunnel"],
        unique: &[],
        keys: &[("node", &["node"]), ("login_hash", &["login_hash"]), ("share_hash", &["share_hash"])],
        foreign: &[],
    },
    Table {
        name: "guacd_lite_seat",
        columns: &[col("seat", Type::Text(36)), NODE, col("place", Type::Text(32)), col("user_id", Type::Int)],
        primary: &["seat"],
        unique: &[],
        keys: &[("node", &["node"]), ("place", &["place"])],
        foreign: &[],
    },
    Table {
        name: "guacd_lite_share",
        columns: &[
            col("share_hash", Type::Hash),
            col("tunnel", Type::Text(36)),
            col("connection_id", Type::Int),
            col("sharing_profile_id", Type::Int),
        ],
        primary: &["share_hash"],
        unique: &[],
        keys: &[("tunnel", &["tunnel"])],
        foreign: &[],
    },
    Table {
        name: "guacd_lite_value",
        columns: &[
            col("name", Type::Text(200)),
            opt("value", Type::Blob),
            opt("holder", Type::Text(36)),
            opt("held_until", Type::BigInt),
        ],
        primary: &["name"],
        unique: &[],
        keys: &[],
        foreign: &[],
    },
];
