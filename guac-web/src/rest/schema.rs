//! Which fields objects and protocols have.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use serde::Serialize;

use super::data::Asked;
use crate::error::{ApiError, Field};
use crate::state::App;

/// Fields under one heading.
#[derive(Serialize)]
pub(crate) struct Form {
    name: &'static str,
    fields: Vec<Field>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ProtocolShape {
    name: String,
    connection_forms: Vec<Form>,
    sharing_profile_forms: Vec<Form>,
}

type FormTable = [(&'static str, &'static [Field])];

const TRUE: &[&str] = &["true"];

const fn text(name: &'static str) -> Field {
    Field::new(name, "TEXT")
}
const fn password(name: &'static str) -> Field {
    Field::new(name, "PASSWORD")
}
const fn number(name: &'static str) -> Field {
    Field::new(name, "NUMERIC")
}
const fn multiline(name: &'static str) -> Field {
    Field::new(name, "MULTILINE")
}
const fn flag(name: &'static str) -> Field {
    Field { name, kind: "BOOLEAN", options: TRUE }
}
const fn choice(name: &'static str, options: &'static [&'static str]) -> Field {
    Field { name, kind: "ENUM", options }
}

const CLIPBOARD: &[Field] = &[
    choice("clipboard-encoding", &["", "ISO8859-1", "UTF-8", "UTF-16", "CP1252"]),
    flag("disable-copy"),
    flag("disable-paste"),
];

const RECORDING: &[Field] = &[
    text("recording-path"),
    text("recording-name"),
    flag("recording-exclude-output"),
    flag("recording-exclude-mouse"),
    flag("recording-exclude-touch"),
    flag("recording-include-keys"),
    flag("recording-include-clipboard"),
    flag("create-recording-path"),
    flag("recording-write-existing"),
];

const SFTP: &[Field] = &[
    flag("enable-sftp"),
    text("sftp-hostname"),
    number("sftp-port"),
    number("sftp-timeout"),
    text("sftp-host-key"),
    text("sftp-username"),
    password("sftp-password"),
    multiline("sftp-private-key"),
    password("sftp-passphrase"),
    multiline("sftp-public-key"),
    text("sftp-root-directory"),
    text("sftp-directory"),
    number("sftp-server-alive-interval"),
    flag("sftp-disable-download"),
    flag("sftp-disable-upload"),
];

const WAKE: &[Field] = &[
    flag("wol-send-packet"),
    text("wol-mac-addr"),
    text("wol-broadcast-addr"),
    number("wol-udp-port"),
    number("wol-wait-time"),
];

const VNC: &FormTable = &[
    ("network", &[text("hostname"), number("port")]),
    ("authentication", &[Field::new("username", "USERNAME"), password("password")]),
    (
        "display",
        &[
            flag("read-only"),
            flag("disable-display-resize"),
            flag("swap-red-blue"),
            choice("cursor", &["", "local", "remote"]),
            choice("color-depth", &["", "8", "16", "24", "32"]),
            flag("force-lossless"),
            choice("compress-level", &["", "0", "1", "2", "3", "4", "5", "6", "7", "8", "9"]),
            choice("quality-level", &["", "0", "1", "2", "3", "4", "5", "6", "7", "8", "9"]),
            text("encodings"),
        ],
    ),
    ("clipboard", CLIPBOARD),
    ("repeater", &[text("dest-host"), number("dest-port")]),
    ("recording", RECORDING),
    ("sftp", SFTP),
    ("audio", &[flag("enable-audio"), text("audio-servername")]),
    ("wol", WAKE),
];

const SSH: &FormTable = &[
    ("network", &[text("hostname"), number("port"), number("timeout"), text("host-key")]),
    (
        "authentication",
        &[
            Field::new("username", "USERNAME"),
            password("password"),
            multiline("private-key"),
            password("passphrase"),
            multiline("public-key"),
        ],
    ),
    (
        "display",
        &[
            Field {
                name: "color-scheme",
                kind: "TERMINAL_COLOR_SCHEME",
                options: &["", "black-white", "gray-black", "green-black", "white-black"],
            },
            text("font-name"),
            choice(
                "font-size",
                &["", "8", "9", "10", "11", "12", "14", "18", "24", "30", "36", "48", "60", "72", "96"],
            ),
            number("scrollback"),
            flag("read-only"),
        ],
    ),
    ("clipboard", CLIPBOARD),
    (
        "session",
        &[text("command"), text("locale"), Field::new("timezone", "TIMEZONE"), number("server-alive-interval")],
    ),
    (
        "behavior",
        &[
            choice("backspace", &["", "127", "8"]),
            choice("terminal-type", &["", "xterm", "xterm-256color", "vt220", "vt100", "ansi", "linux"]),
        ],
    ),
    (
        "typescript",
        &[
            text("typescript-path"),
            text("typescript-name"),
            flag("create-typescript-path"),
            flag("typescript-write-existing"),
        ],
    ),
    ("recording", RECORDING),
    ("sftp", SFTP),
    ("wol", WAKE),
];

/// In guacd's order; the first is what no choice means.
const RDP_LAYOUTS: &[&str] = &[
    "",
    "cs-cz-qwertz",
    "da-dk-qwerty",
    "de-ch-qwertz",
    "de-de-qwertz",
    "en-gb-qwerty",
    "en-us-qwerty",
    "es-es-qwerty",
    "es-latam-qwerty",
    "failsafe",
    "fr-be-azerty",
    "fr-ca-qwerty",
    "fr-ch-qwertz",
    "fr-fr-azerty",
    "hu-hu-qwertz",
    "it-it-qwerty",
    "ja-jp-qwerty",
    "no-no-qwerty",
    "pl-pl-qwerty",
    "pt-br-qwerty",
    "pt-pt-qwerty",
    "ro-ro-qwerty",
    "sv-se-qwerty",
    "tr-tr-qwerty",
];

const RDP: &FormTable = &[
    ("network", &[text("hostname"), number("port"), number("timeout")]),
    (
        "authentication",
        &[
            Field::new("username", "USERNAME"),
            password("password"),
            text("domain"),
            choice("security", &["", "any", "nla", "nla-ext", "tls", "rdp", "vmconnect"]),
            flag("disable-auth"),
            flag("ignore-cert"),
            flag("cert-tofu"),
            text("cert-fingerprints"),
        ],
    ),
    (
        "gateway",
        &[
            text("gateway-hostname"),
            number("gateway-port"),
            Field::new("gateway-username", "USERNAME"),
            password("gateway-password"),
            text("gateway-domain"),
        ],
    ),
    (
        "basic-parameters",
        &[
            text("initial-program"),
            text("client-name"),
            choice("server-layout", RDP_LAYOUTS),
            Field::new("timezone", "TIMEZONE"),
            flag("console"),
        ],
    ),
    (
        "display",
        &[
            number("width"),
            number("height"),
            number("dpi"),
            choice("color-depth", &["", "8", "16", "24", "32"]),
            flag("force-lossless"),
            choice("resize-method", &["", "display-update", "reconnect"]),
            flag("read-only"),
        ],
    ),
    (
        "clipboard",
        &[
            choice("normalize-clipboard", &["", "preserve", "unix", "windows"]),
            number("clipboard-buffer-size"),
            flag("disable-copy"),
            flag("disable-paste"),
        ],
    ),
    (
        "device-redirection",
        &[
            flag("console-audio"),
            flag("disable-audio"),
            flag("enable-audio-input"),
            flag("enable-touch"),
            flag("enable-printing"),
            text("printer-name"),
            flag("enable-drive"),
            text("drive-name"),
            flag("disable-download"),
            flag("disable-upload"),
            text("drive-path"),
            flag("create-drive-path"),
            text("static-channels"),
        ],
    ),
    (
        "performance",
        &[
            flag("enable-wallpaper"),
            flag("enable-theming"),
            flag("enable-font-smoothing"),
            flag("enable-full-window-drag"),
            flag("enable-desktop-composition"),
            flag("enable-menu-animations"),
            flag("disable-bitmap-caching"),
            flag("disable-offscreen-caching"),
            flag("disable-glyph-caching"),
            flag("disable-gfx"),
        ],
    ),
    ("remoteapp", &[text("remote-app"), text("remote-app-dir"), text("remote-app-args")]),
    ("preconnection-pdu", &[number("preconnection-id"), text("preconnection-blob")]),
    ("load-balancing", &[text("load-balance-info")]),
    ("recording", RECORDING),
    ("sftp", SFTP),
    ("wol", WAKE),
];

/// Forms of the protocols known here; which of them can be opened the session host says.
const PROTOCOLS: &[(&str, &FormTable)] = &[("rdp", RDP), ("ssh", SSH), ("vnc", VNC)];

/// What a sharing profile may set.
const SHARING: &FormTable = &[("display", &[flag("read-only")])];

const PROFILE: &FormTable = &[(
    "profile",
    &[
        text("guac-full-name"),
        Field::new("guac-email-address", "EMAIL"),
        text("guac-organization"),
        text("guac-organizational-role"),
    ],
)];

const RESTRICTIONS: &FormTable = &[(
    "restrictions",
    &[
        flag("expired"),
        Field::new("access-window-start", "TIME"),
        Field::new("access-window-end", "TIME"),
        Field::new("valid-from", "DATE"),
        Field::new("valid-until", "DATE"),
        Field::new("timezone", "TIMEZONE"),
    ],
)];

const CONNECTION: &FormTable = &[
    ("concurrency", &[number("max-connections"), number("max-connections-per-user")]),
    ("load-balancing", &[number("weight"), flag("failover-only")]),
    ("guacd", &[text("guacd-hostname"), number("guacd-port"), choice("guacd-encryption", &["", "none", "ssl"])]),
];

const CONNECTION_GROUP: &FormTable = &[(
    "concurrency",
    &[number("max-connections"), number("max-connections-per-user"), flag("enable-session-affinity")],
)];

fn forms(table: &FormTable, mut wanted: impl FnMut(&str) -> bool) -> Vec<Form> {
    let forms = table.iter().map(|(name, fields)| {
        let fields = fields.iter().filter(|field| wanted(field.name)).cloned().collect();
        Form { name, fields }
    });
    forms.filter(|form| !form.fields.is_empty()).collect()
}

/// A protocol with those fields that its back end takes.
pub(super) fn protocol(app: &App, name: &str) -> ProtocolShape {
    let taken = app.host.parameters(name);
    let table = PROTOCOLS.iter().find(|(known, _)| *known == name).map_or(&[] as &FormTable, |(_, table)| table);
    let wanted = |field: &str| taken.as_ref().is_none_or(|taken| taken.iter().any(|name| name == field));
    ProtocolShape {
        name: name.to_owned(),
        connection_forms: forms(table, wanted),
        sharing_profile_forms: forms(SHARING, |_| true),
    }
}

pub(crate) async fn protocols(State(app): State<App>, _asked: Asked) -> Json<BTreeMap<&'static str, ProtocolShape>> {
    let here = PROTOCOLS.iter().filter(|(name, _)| app.host.parameters(name).is_some());
    Json(here.map(|(name, _)| (*name, protocol(&app, name))).collect())
}

pub(crate) async fn attributes(asked: Asked) -> Result<Json<Vec<Form>>, ApiError> {
    let all = |table: &FormTable| forms(table, |_| true);
    Ok(Json(match asked.path("kind") {
        "userAttributes" => {
            let mut both = all(PROFILE);
            both.extend(all(RESTRICTIONS));
            both
        }
        "userPreferenceAttributes" => all(PROFILE),
        "connectionAttributes" => all(CONNECTION),
        "connectionGroupAttributes" => all(CONNECTION_GROUP),
        "userGroupAttributes" | "sharingProfileAttributes" => Vec::new(),
        _ => return Err(ApiError::not_found("No such schema.")),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_protocol_asks_for_no_parameter_twice() {
        for (protocol, table) in PROTOCOLS {
            let mut names: Vec<_> = table.iter().flat_map(|(_, fields)| *fields).map(|field| field.name).collect();
            let all = names.len();
            names.sort_unstable();
            names.dedup();
            assert_eq!(names.len(), all, "{protocol}");
        }
    }

    #[test]
    fn every_choice_offers_the_default_first_and_nothing_twice() {
        for field in PROTOCOLS.iter().flat_map(|(_, table)| *table).flat_map(|(_, fields)| *fields) {
            if field.kind == "ENUM" {
                let mut options = field.options.to_vec();
                assert_eq!(options.first(), Some(&""), "{}", field.name);
                options.sort_unstable();
                options.dedup();
                assert_eq!(options.len(), field.options.len(), "{}", field.name);
            }
        }
    }

    #[test]
    fn rdp_offers_all_keyboards_of_guacd() {
        assert_eq!(RDP_LAYOUTS.len(), 1 + 23);
    }
}
