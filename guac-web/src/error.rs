//! Errors as the REST interface words them.

use std::borrow::Cow;

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use guac_auth_mysql::StoreError;
use guac_protocol::Status;
use guac_tunnel::{StreamError, TunnelError};
use serde::Serialize;

/// Kinds of errors that clients tell apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum ErrorType {
    BadRequest,
    InvalidCredentials,
    InsufficientCredentials,
    InternalError,
    NotFound,
    PermissionDenied,
    StreamError,
}

/// A field that a client is to ask its user for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Field {
    pub(crate) name: &'static str,
    #[serde(rename = "type")]
    pub(crate) kind: &'static str,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub(crate) options: &'static [&'static str],
}

impl Field {
    pub(crate) const fn new(name: &'static str, kind: &'static str) -> Self {
        Self { name, kind, options: &[] }
    }
}

/// An error response of the REST interface. Nothing in it tells more than the caller may know.
#[derive(Debug)]
pub(crate) struct ApiError {
    http: StatusCode,
    kind: ErrorType,
    message: Cow<'static, str>,
    key: Option<&'static str>,
    expected: Option<Vec<Field>>,
    /// Of a stream that failed.
    status: Option<Status>,
}

impl ApiError {
    fn new(http: StatusCode, kind: ErrorType, message: impl Into<Cow<'static, str>>) -> Self {
        Self { http, kind, message: message.into(), key: None, expected: None, status: None }
    }

    pub(crate) fn bad_request(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, ErrorType::BadRequest, message)
    }

    /// No login, or one that is over. 403 and not 401, as stock.
    pub(crate) fn denied() -> Self {
        Self::new(StatusCode::FORBIDDEN, ErrorType::PermissionDenied, "Permission Denied.")
    }

    pub(crate) fn not_found(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::NOT_FOUND, ErrorType::NotFound, message)
    }

    pub(crate) fn internal() -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, ErrorType::InternalError, "Internal server error.")
    }

    pub(crate) fn unsupported(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::NOT_IMPLEMENTED, ErrorType::InternalError, message)
    }

    pub(crate) fn method_not_allowed() -> Self {
        Self::new(StatusCode::METHOD_NOT_ALLOWED, ErrorType::BadRequest, "Method not allowed.")
    }

    pub(crate) fn too_large() -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, ErrorType::BadRequest, "Request entity too large.")
    }

    pub(crate) fn busy(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, ErrorType::InternalError, message)
    }

    pub(crate) fn timeout() -> Self {
        Self::new(StatusCode::REQUEST_TIMEOUT, ErrorType::BadRequest, "The request took too long.")
    }

    pub(crate) fn too_many_attempts() -> Self {
        let message = "Too many failed login attempts. Please try again later.";
        Self::new(StatusCode::TOO_MANY_REQUESTS, ErrorType::BadRequest, message)
    }

    /// Who asks is not known; the same words whatever was wrong.
    pub(crate) fn invalid_credentials() -> Self {
        let expected = vec![Field::new("username", "USERNAME"), Field::new("password", "PASSWORD")];
        Self {
            expected: Some(expected),
            ..Self::new(StatusCode::FORBIDDEN, ErrorType::InvalidCredentials, "Invalid login")
        }
    }

    /// A login that was right and is refused for a reason worth telling.
    pub(crate) fn refused(key: &'static str, message: &'static str) -> Self {
        Self { key: Some(key), ..Self::invalid_credentials() }.with_message(message)
    }

    /// More is needed than was sent.
    pub(crate) fn insufficient(key: &'static str, message: &'static str, expected: Vec<Field>) -> Self {
        Self {
            key: Some(key),
            expected: Some(expected),
            ..Self::new(StatusCode::FORBIDDEN, ErrorType::InsufficientCredentials, message)
        }
    }

    /// The same to a client that asks for a tunnel.
    pub(crate) fn of_tunnel(&self) -> ConnectError {
        if self.kind == ErrorType::PermissionDenied {
            ConnectError::new(Status::ClientUnauthorized, "Permission Denied.")
        } else {
            // Such as the database being away: clients come again.
            ConnectError::new(Status::ServerError, "Internal server error.")
        }
    }

    fn with_message(self, message: &'static str) -> Self {
        Self { message: message.into(), ..self }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Body<'a> {
    message: &'a str,
    translatable_message: Translatable<'a>,
    status_code: Option<u16>,
    expected: Option<&'a [Field]>,
    patches: Option<()>,
    #[serde(rename = "type")]
    kind: ErrorType,
}

#[derive(Serialize)]
struct Translatable<'a> {
    key: &'a str,
    variables: Option<Variables<'a>>,
}

#[derive(Serialize)]
struct Variables<'a> {
    #[serde(rename = "MESSAGE")]
    message: &'a str,
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let message = &*self.message;
        let translatable_message = match self.key {
            Some(key) => Translatable { key, variables: None },
            None => Translatable { key: "APP.TEXT_UNTRANSLATED", variables: Some(Variables { message }) },
        };
        let body = Body {
            message,
            translatable_message,
            status_code: self.status.map(Status::code),
            expected: self.expected.as_deref(),
            patches: None,
            kind: self.kind,
        };
        (self.http, Json(body)).into_response()
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        let text = || sentence(&error.to_string());
        match &error {
            StoreError::NotFound { .. } | StoreError::NoSuchRecord => Self::not_found(text()),
            StoreError::Denied => Self::denied(),
            StoreError::OwnAccount => Self::unsupported(text()),
            StoreError::TooLong { .. } | StoreError::ValueTooLong { .. } => {
                Self { message: text().into(), ..Self::too_large() }
            }
            StoreError::Duplicate { .. }
            | StoreError::BlankName { .. }
            | StoreError::Invalid { .. }
            | StoreError::TooMany { .. }
            | StoreError::Cycle { .. }
            | StoreError::UnsupportedText => Self::bad_request(text()),
            _ => {
                log_store_error(&error);
                Self::internal()
            }
        }
    }
}

/// T-062.
impl From<StreamError> for ApiError {
    fn from(error: StreamError) -> Self {
        let status = error.status();
        let http = StatusCode::from_u16(status.http()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        tracing::debug!(%error, "Stream failed");
        Self { status: Some(status), ..Self::new(http, ErrorType::StreamError, error.message().to_owned()) }
    }
}

/// What goes wrong between a tunnel request and an open session: a status for the client and a safe sentence.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message} ({status})")]
pub(crate) struct ConnectError {
    pub(crate) status: Status,
    pub(crate) message: Cow<'static, str>,
}

impl ConnectError {
    pub(crate) fn new(status: Status, message: impl Into<Cow<'static, str>>) -> Self {
        Self { status, message: message.into() }
    }

    pub(crate) fn internal() -> Self {
        Self::new(Status::ServerError, "Internal server error.")
    }
}

impl From<StoreError> for ConnectError {
    fn from(error: StoreError) -> Self {
        match &error {
            StoreError::NotFound { .. } | StoreError::NoSuchRecord => {
                Self::new(Status::ResourceNotFound, "No such connection.")
            }
            StoreError::Denied => Self::new(Status::ClientForbidden, "Permission denied."),
            _ => {
                log_store_error(&error);
                Self::new(Status::ServerError, "Internal server error.")
            }
        }
    }
}

impl From<TunnelError> for ConnectError {
    fn from(error: TunnelError) -> Self {
        Self::new(error.status(), error.message().to_owned())
    }
}

fn log_store_error(error: &StoreError) {
    let cause = std::error::Error::source(error).map(ToString::to_string).unwrap_or_default();
    tracing::error!(%error, cause, "Database failed");
}

/// "no such user" as a sentence.
fn sentence(text: &str) -> String {
    let mut characters = text.chars();
    let first = characters.next().map(|first| first.to_uppercase().to_string()).unwrap_or_default();
    format!("{first}{}.", characters.as_str())
}
