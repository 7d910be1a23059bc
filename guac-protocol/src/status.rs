//! Status codes and what they become over HTTP and WebSocket.

use std::fmt;
use std::str::FromStr;

macro_rules! statuses {
    ($($(#[$doc:meta])* $variant:ident = $code:literal, $name:literal, $http:literal, $websocket:literal;)*) => {
        /// Outcome of an operation as the protocol words it. Sent in decimal.
        ///
        /// # Specification
        /// Guacamole manual, "Status codes"; HTTP and WebSocket numbers as the stock gateway maps them.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        #[repr(u16)]
        pub enum Status { $($(#[$doc])* $variant = $code,)* }

        impl Status {
            /// Every status, by number.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The number on the wire.
            #[must_use]
            pub fn code(self) -> u16 {
                match self { $(Self::$variant => $code,)* }
            }

            /// The status with this number, if there is one.
            #[must_use]
            pub fn from_code(code: u16) -> Option<Self> {
                match code { $($code => Some(Self::$variant),)* _ => None }
            }

            /// The name in the protocol reference, such as `UPSTREAM_TIMEOUT`.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// HTTP status code of a response that reports this.
            #[must_use]
            pub fn http(self) -> u16 {
                match self { $(Self::$variant => $http,)* }
            }

            /// WebSocket close code of a tunnel that ends with this.
            #[must_use]
            pub fn websocket(self) -> u16 {
                match self { $(Self::$variant => $websocket,)* }
            }
        }
    };
}

statuses! {
    /// It worked, or ended as asked.
    Success = 0x0000, "SUCCESS", 200, 1000;
    /// Not offered here.
    Unsupported = 0x0100, "UNSUPPORTED", 501, 1011;
    /// Our fault, or our environment's.
    ServerError = 0x0200, "SERVER_ERROR", 500, 1011;
    /// No room just now.
    ServerBusy = 0x0201, "SERVER_BUSY", 503, 1008;
    /// The machine behind did not answer in time.
    UpstreamTimeout = 0x0202, "UPSTREAM_TIMEOUT", 504, 1011;
    /// The machine behind reported an error or broke its protocol.
    UpstreamError = 0x0203, "UPSTREAM_ERROR", 502, 1011;
    /// No such connection, file or object.
    ResourceNotFound = 0x0204, "RESOURCE_NOT_FOUND", 404, 1002;
    /// Someone else has it.
    ResourceConflict = 0x0205, "RESOURCE_CONFLICT", 409, 1008;
    /// It was closed meanwhile.
    ResourceClosed = 0x0206, "RESOURCE_CLOSED", 404, 1002;
    /// The machine behind has no such name or cannot be reached.
    UpstreamNotFound = 0x0207, "UPSTREAM_NOT_FOUND", 502, 1011;
    /// The machine behind refuses connections.
    UpstreamUnavailable = 0x0208, "UPSTREAM_UNAVAILABLE", 502, 1011;
    /// Another login took the session.
    SessionConflict = 0x0209, "SESSION_CONFLICT", 409, 1008;
    /// The session was idle for too long.
    SessionTimeout = 0x020A, "SESSION_TIMEOUT", 408, 1002;
    /// The session was ended by force.
    SessionClosed = 0x020B, "SESSION_CLOSED", 404, 1002;
    /// The client broke the protocol.
    ClientBadRequest = 0x0300, "CLIENT_BAD_REQUEST", 400, 1002;
    /// Not logged in, or the login was refused. Over HTTP this is 403, as stock, never 401.
    ClientUnauthorized = 0x0301, "CLIENT_UNAUTHORIZED", 403, 1008;
    /// Logged in, and not allowed.
    ClientForbidden = 0x0303, "CLIENT_FORBIDDEN", 403, 1008;
    /// The client was silent for too long.
    ClientTimeout = 0x0308, "CLIENT_TIMEOUT", 408, 1002;
    /// The client sent more than is accepted.
    ClientOverrun = 0x030D, "CLIENT_OVERRUN", 413, 1009;
    /// The client sent a kind of data that is not accepted.
    ClientBadType = 0x030F, "CLIENT_BAD_TYPE", 415, 1003;
    /// The client has as many as it may.
    ClientTooMany = 0x031D, "CLIENT_TOO_MANY", 429, 1008;
}

impl Status {
    /// Whether this is one of the errors, that is anything but [`Status::Success`].
    #[must_use]
    pub fn is_error(self) -> bool {
        self != Self::Success
    }
}

/// Reading a status from what carried it over HTTP or a WebSocket.
impl Status {
    /// What a client makes of an HTTP response without the gateway's own status header; `None` is no response at all.
    ///
    /// Fewer statuses come back than go out: several share one HTTP status.
    ///
    /// ```
    /// use guac_protocol::Status;
    ///
    /// assert_eq!(Status::from_http(Some(429)), Status::ClientTooMany);
    /// assert_eq!(Status::from_http(None), Status::UpstreamNotFound);
    /// ```
    #[must_use]
    pub fn from_http(http: Option<u16>) -> Self {
        match http {
            None => Self::UpstreamNotFound,
            Some(200..=299) => Self::Success,
            Some(400) => Self::ClientBadRequest,
            Some(403) => Self::ClientForbidden,
            Some(404) => Self::ResourceNotFound,
            Some(429) => Self::ClientTooMany,
            Some(503) => Self::ServerBusy,
            Some(_) => Self::ServerError,
        }
    }

    /// What a client makes of a WebSocket's end: the reason holds the status in decimal, if the gateway told one, and
    /// the close code stands in for it otherwise.
    ///
    /// ```
    /// use guac_protocol::Status;
    ///
    /// assert_eq!(Status::from_websocket(1008, "769"), Status::ClientUnauthorized);
    /// assert_eq!(Status::from_websocket(1006, ""), Status::UpstreamNotFound);
    /// ```
    #[must_use]
    pub fn from_websocket(close_code: u16, reason: &str) -> Self {
        let told = reason.parse().ok().and_then(Self::from_code);
        told.unwrap_or(match close_code {
            1000 => Self::Success,
            1006 | 1015 => Self::UpstreamNotFound,
            1001 | 1012..=1014 => Self::UpstreamUnavailable,
            _ => Self::ServerError,
        })
    }
}

/// Text that is no status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not the name or number of a status")]
pub struct StatusError;

impl FromStr for Status {
    type Err = StatusError;

    /// From the number in decimal, as on the wire, or from the name.
    fn from_str(text: &str) -> Result<Self, StatusError> {
        let by_name = || Self::ALL.iter().copied().find(|status| status.name() == text);
        text.parse().ok().and_then(Self::from_code).or_else(by_name).ok_or(StatusError)
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (0x{:04X})", self.name(), self.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_statuses_map_both_ways() {
        assert_eq!(Status::ALL.len(), 21);
        for &status in Status::ALL {
            assert_eq!(Status::from_code(status.code()), Some(status));
        }
        assert_eq!(Status::from_code(0x0302), None);
    }

    #[test]
    fn every_status_has_the_http_status_and_close_code_of_the_stock_gateway() {
        let table = [
            (0x0000, 200, 1000),
            (0x0100, 501, 1011),
            (0x0200, 500, 1011),
            (0x0201, 503, 1008),
            (0x0202, 504, 1011),
            (0x0203, 502, 1011),
            (0x0204, 404, 1002),
            (0x0205, 409, 1008),
            (0x0206, 404, 1002),
            (0x0207, 502, 1011),
            (0x0208, 502, 1011),
            (0x0209, 409, 1008),
            (0x020A, 408, 1002),
            (0x020B, 404, 1002),
            (0x0300, 400, 1002),
            (0x0301, 403, 1008),
            (0x0303, 403, 1008),
            (0x0308, 408, 1002),
            (0x030D, 413, 1009),
            (0x030F, 415, 1003),
            (0x031D, 429, 1008),
        ];
        let ours: Vec<_> =
            Status::ALL.iter().map(|status| (status.code(), status.http(), status.websocket())).collect();
        assert_eq!(ours, table);
    }

    #[test]
    fn http_statuses_become_what_the_stock_client_makes_of_them() {
        for (http, code) in [(400, 0x0300), (403, 0x0303), (404, 0x0204), (429, 0x031D), (503, 0x0201)] {
            assert_eq!(Status::from_http(Some(http)).code(), code);
        }
        for other in [401, 408, 500, 502, 504, 301, 0, 999] {
            assert_eq!(Status::from_http(Some(other)), Status::ServerError, "{other}");
        }
        assert_eq!((Status::from_http(Some(200)).code(), Status::from_http(None).code()), (0, 0x0207));
    }

    #[test]
    fn close_codes_become_what_the_stock_client_makes_of_them() {
        for (close_code, code) in
            [(1000, 0), (1006, 0x0207), (1015, 0x0207), (1001, 0x0208), (1012, 0x0208), (1013, 0x0208), (1014, 0x0208)]
        {
            assert_eq!(Status::from_websocket(close_code, "").code(), code);
        }
        assert_eq!(Status::from_websocket(1011, ""), Status::ServerError);
        for &status in Status::ALL {
            assert_eq!(Status::from_websocket(status.websocket(), &status.code().to_string()), status);
        }
        assert_eq!(Status::from_websocket(1006, "no status"), Status::UpstreamNotFound);
    }

    #[test]
    fn names_and_decimal_numbers_are_read() {
        for &status in Status::ALL {
            assert_eq!((status.name().parse(), status.code().to_string().parse()), (Ok(status), Ok(status)));
        }
        assert_eq!(Status::ClientUnauthorized.to_string(), "CLIENT_UNAUTHORIZED (0x0301)");
        for wrong in ["", "0x0301", "770", "client_unauthorized", "-1", "99999999"] {
            assert_eq!(wrong.parse::<Status>(), Err(StatusError), "{wrong}");
        }
    }

    #[test]
    fn unauthorized_is_http_403_as_in_the_stock_gateway() {
        assert_eq!(Status::ClientUnauthorized.http(), 403);
        assert_eq!(Status::ClientUnauthorized.websocket(), 1008);
        assert_eq!(Status::UpstreamNotFound.code(), 519);
    }
}
