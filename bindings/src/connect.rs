//! Opening sessions, at a guacd or a gateway.

use guac_client::{ConnectionKind, ConnectionRef, Endpoint, Gateway, Guacd, Login, Options, SecretString, Tls};
use pyo3::prelude::*;

use crate::client::{Client, seconds};
use crate::errors::{self, Failure};
use crate::wait::run;

/// What a connection is opened with: width and height in pixels, dpi, time zone, name, most seconds to connect.
type Settings = (u32, u32, u32, Option<String>, Option<String>, f64);

/// How TLS is checked: not at all if there is none; else PEM of more authorities, and whether nothing is checked.
type TlsSettings = Option<(Option<Vec<u8>>, bool)>;

/// Opens a session at a guacd: a protocol with its parameters, or the id of a session to join.
#[pyfunction]
pub(crate) fn connect_guacd(
    py: Python<'_>,
    blocking: bool,
    address: (String, u16),
    selection: &str,
    params: Vec<(String, String)>,
    tls: TlsSettings,
    settings: Settings,
) -> PyResult<Py<PyAny>> {
    let (host, port) = address;
    let guacd = if selection.starts_with('$') {
        let id = selection.parse().map_err(|_| errors::misuse(py, "not a connection id"))?;
        Guacd::join(host, port, id)
    } else {
        Guacd::open(host, port, selection)
    };
    let guacd = guacd.params(params.into_iter().map(|(name, value)| (name, SecretString::from(value))));
    let guacd = match tls {
        Some(_) => guacd.tls(tls_of(py, tls)?),
        None => guacd,
    };
    connect(py, blocking, guacd.into(), settings)
}

/// Opens a connection of a gateway: by identifier or name, with a name and password or a token.
#[pyfunction]
pub(crate) fn connect_gateway(
    py: Python<'_>,
    blocking: bool,
    url: &str,
    connection: (String, bool, &str, Option<String>),
    login: (Option<String>, String),
    tls: TlsSettings,
    settings: Settings,
) -> PyResult<Py<PyAny>> {
    let login = match login {
        (Some(username), password) => Login::Password { username, password: password.into() },
        (None, token) => Login::Token(token.into()),
    };
    let (connection, by_identifier, kind, data_source) = connection;
    let connection =
        if by_identifier { ConnectionRef::Identifier(connection) } else { ConnectionRef::Name(connection) };
    let kind = match kind {
        "connection" => ConnectionKind::Connection,
        "group" => ConnectionKind::Group,
        "active" => ConnectionKind::Active,
        _ => return Err(errors::misuse(py, "kind is \"connection\", \"group\" or \"active\"")),
    };
    let gateway = Gateway::new(url, login, connection).kind(kind).tls(tls_of(py, tls)?);
    let gateway = match data_source {
        Some(name) => gateway.data_source(name),
        None => gateway,
    };
    connect(py, blocking, gateway.into(), settings)
}

fn connect(py: Python<'_>, blocking: bool, endpoint: Endpoint, settings: Settings) -> PyResult<Py<PyAny>> {
    let (width_px, height_px, dpi, timezone, name, limit) = settings;
    let mut options = Options::with_size(width_px, height_px);
    options.dpi = dpi;
    options.timezone = timezone;
    options.name = name;
    options.connect_timeout = seconds(py, limit)?;
    let opening = Box::pin(guac_client::Client::connect(endpoint, options));
    run(py, blocking, async move { Ok(Client::new(opening.await?)) })
}

fn tls_of(py: Python<'_>, settings: TlsSettings) -> PyResult<Tls> {
    let Some((authorities, anything)) = settings else { return Ok(Tls::default()) };
    let tls = match authorities {
        Some(pem) => Tls::default().with_authorities(&pem).map_err(|error| Failure::Client(error).exception(py))?,
        None => Tls::default(),
    };
    Ok(if anything { tls.danger_accept_any_certificate() } else { tls })
}
