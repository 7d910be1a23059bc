//! Which machines sessions may reach, and the one way to reach them.
//!
//! Whoever may edit a connection chooses where this process connects to; the machines it can reach and the editor can
//! not are what has to be kept from him. So the name is resolved once, every address is judged, whatever its spelling,
//! and the address that was judged is the one that is dialled.

mod names;
mod rule;
mod special;
#[cfg(test)]
mod tests;

use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::Arc;

use guac_protocol::Status;
use tokio::net::TcpStream;

pub use names::Resolver;
pub use rule::{InvalidTargetRule, TargetRule};

use names::{Names, Resolved};
use rule::Precision;
use special::{Kind, SPECIAL};

/// Bytes of a host name that the log gets.
const MAX_LOGGED_CHARS: usize = 255;

/// Which machines sessions may reach. Cheap to clone.
///
/// Of all that speaks of an address the most precise decides: an address before a network, a longer prefix before a
/// shorter one, and then what names the port. Where two are as precise, a denial wins over a permission, and both win
/// over what is refused from the start. So `deny` of everything with `allow` of some networks permits just these, and
/// `allow` of everything opens no platform address.
///
/// The default refuses what can be no machine to work at: addresses of clouds' platforms (metadata above all),
/// link-local, unspecified, broadcast and multicast ones. The process's own machine is the embedder's to decide about:
/// [`refuse_loopback`](Self::refuse_loopback), [`refuse`](Self::refuse) and
/// [`refuse_own_port`](Self::refuse_own_port) keep sessions from it.
///
/// ```
/// use guac_session::Targets;
///
/// let targets = Targets::default().refuse_loopback().allow("127.0.0.1:22".parse()?);
/// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
/// # runtime.block_on(async {
/// assert!(targets.resolve("127.0.0.1", 22).await.is_ok());
/// assert!(targets.resolve("127.0.0.1", 3306).await.is_err());
/// assert!(targets.resolve("::ffff:169.254.169.254", 80).await.is_err());
/// # });
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct Targets {
    policy: Arc<Policy>,
}

#[derive(Debug, Clone, Default)]
struct Policy {
    loopback_refused: bool,
    refused: Vec<(TargetRule, &'static str)>,
    own_ports: Vec<u16>,
    allowed: Vec<TargetRule>,
    denied: Vec<TargetRule>,
    names: Names,
}

/// Why a machine was not reached.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TargetError {
    /// *Upstream.* The name has no address.
    #[error("the host name is unknown")]
    Unknown {
        /// The resolver's finding.
        #[source]
        source: io::Error,
    },
    /// *Caller.* None of its addresses may be connected to. The log says why and what would permit it.
    #[error("{}", Self::REFUSED)]
    Refused,
    /// *Upstream.* No address took the connection.
    #[error("the machine can not be reached")]
    Connect {
        /// The operating system's finding.
        #[source]
        source: io::Error,
    },
}

impl TargetError {
    /// What users read where a machine is refused.
    pub const REFUSED: &'static str = "connections to this machine are not allowed by the administrator";

    /// The status to report where a machine is refused: clients show that something is forbidden, and do not try again.
    pub const REFUSED_STATUS: Status = Status::ClientForbidden;
}

/// Why an address is refused, for the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reason {
    Special(Kind),
    BuiltIn(&'static str),
    Denied,
}

impl Reason {
    fn text(self) -> &'static str {
        match self {
            Self::Special(kind) => kind.reason(),
            Self::BuiltIn(reason) => reason,
            Self::Denied => "it is denied",
        }
    }
}

/// Ranks of what is equally precise.
const FROM_THE_START: u8 = 0;
const ALLOWED: u8 = 1;
const DENIED: u8 = 2;

impl Targets {
    /// Refuses 127.0.0.0/8 and ::1 in all their spellings.
    #[must_use]
    pub fn refuse_loopback(mut self) -> Self {
        Arc::make_mut(&mut self.policy).loopback_refused = true;
        self
    }

    /// Refuses a place that belongs to the gateway itself, such as its database, for that reason. Only permissions
    /// which are at least as precise open it.
    #[must_use]
    pub fn refuse(mut self, rule: TargetRule, reason: &'static str) -> Self {
        Arc::make_mut(&mut self.policy).refused.push((rule, reason));
        self
    }

    /// Refuses a port at every address of this machine, unless the very address and port are allowed.
    #[must_use]
    pub fn refuse_own_port(mut self, port: u16) -> Self {
        Arc::make_mut(&mut self.policy).own_ports.push(port);
        self
    }

    /// Permits what is refused otherwise.
    #[must_use]
    pub fn allow(mut self, rule: TargetRule) -> Self {
        Arc::make_mut(&mut self.policy).allowed.push(rule);
        self
    }

    /// Refuses what is permitted otherwise.
    #[must_use]
    pub fn deny(mut self, rule: TargetRule) -> Self {
        Arc::make_mut(&mut self.policy).denied.push(rule);
        self
    }

    /// Asks this resolver instead of the system's.
    #[must_use]
    pub fn with_resolver(mut self, resolver: Arc<dyn Resolver>) -> Self {
        Arc::make_mut(&mut self.policy).names = Names::new(resolver);
        self
    }

    /// Connects to the first address of the machine that may be connected to and answers. It takes as long as the
    /// system likes: callers set the time.
    ///
    /// # Errors
    /// See [`TargetError`].
    ///
    /// # Cancel safety
    /// If the future is dropped there is no connection.
    pub async fn connect(&self, host: &str, port: u16) -> Result<TcpStream, TargetError> {
        let mut last = io::Error::new(io::ErrorKind::NotFound, "no address");
        for address in self.resolve(host, port).await? {
            match TcpStream::connect(address).await {
                Ok(socket) => return Ok(socket),
                Err(error) => last = error,
            }
        }
        Err(TargetError::Connect { source: last })
    }

    /// The addresses of the machine that may be connected to. Whoever dials must dial these and not the name, which may
    /// mean others a moment later.
    ///
    /// # Errors
    /// [`TargetError::Unknown`], and [`TargetError::Refused`] if there is none left.
    pub async fn resolve(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>, TargetError> {
        let addresses = self.policy.names.lookup(host, port).await.map_err(|source| TargetError::Unknown { source })?;
        if addresses.is_empty() {
            return Err(TargetError::Unknown { source: io::Error::new(io::ErrorKind::NotFound, "no address") });
        }
        let named = self.policy.resolve_rules(port).await;
        let mut permitted = Vec::with_capacity(addresses.len());
        for address in addresses {
            match self.policy.judge(address.ip(), address.port(), &named) {
                None => permitted.push(address),
                Some(reason) => {
                    let host: String = host.chars().take(MAX_LOGGED_CHARS).collect();
                    let reason = reason.text();
                    tracing::warn!(host, %address, reason, setting = "[targets] allow", "Target refused");
                }
            }
        }
        if permitted.is_empty() { Err(TargetError::Refused) } else { Ok(permitted) }
    }

    /// Whether a packet that nobody answers may be sent there: broadcast and multicast are fine for that.
    pub(crate) fn permits_packet(&self, address: IpAddr, port: u16) -> bool {
        matches!(self.policy.judge(address, port, &Resolved::default()), None | Some(Reason::Special(Kind::Many)))
    }
}

impl Policy {
    /// The addresses of those names in rules that matter for the port.
    async fn resolve_rules(&self, port: u16) -> Resolved {
        let rules = self.refused.iter().map(|(rule, _)| rule).chain(&self.allowed).chain(&self.denied);
        let wanted = rules.filter_map(|rule| rule.name_for(port));
        self.names.resolve_all(wanted, port).await
    }

    /// Why the address is refused, if it is: by itself or for an address within it.
    fn judge(&self, address: IpAddr, port: u16, named: &Resolved) -> Option<Reason> {
        let inner = match address {
            IpAddr::V4(_) => Vec::new(),
            IpAddr::V6(v6) => special::inner_v4(v6),
        };
        let views = std::iter::once(address).chain(inner.into_iter().map(IpAddr::V4));
        views.filter_map(|view| self.judge_one(view, port, named)).next()
    }

    fn judge_one(&self, address: IpAddr, port: u16, named: &Resolved) -> Option<Reason> {
        let mut best: Option<((Precision, u8), Option<Reason>)> = None;
        let mut weigh = |precision: Option<Precision>, rank: u8, reason: Option<Reason>| {
            let Some(precision) = precision else { return };
            if best.is_none_or(|(strongest, _)| (precision, rank) > strongest) {
                best = Some(((precision, rank), reason));
            }
        };
        let precision = |rule: &TargetRule| rule.precision(address, port, named.of(rule));
        for (rule, kind) in &SPECIAL {
            if *kind != Kind::Loopback || self.loopback_refused {
                weigh(precision(rule), FROM_THE_START, Some(Reason::Special(*kind)));
            }
        }
        for (rule, reason) in &self.refused {
            weigh(precision(rule), FROM_THE_START, Some(Reason::BuiltIn(reason)));
        }
        if self.own_ports.contains(&port) && is_own(address) {
            let reason = Reason::BuiltIn("it is a port of the gateway itself");
            weigh(Some(Precision::EXACT), FROM_THE_START, Some(reason));
        }
        for rule in &self.allowed {
            weigh(precision(rule), ALLOWED, None);
        }
        for rule in &self.denied {
            weigh(precision(rule), DENIED, Some(Reason::Denied));
        }
        best.and_then(|(_, reason)| reason)
    }
}

/// Whether this machine has the address: only then can a socket be bound to it.
fn is_own(address: IpAddr) -> bool {
    address.is_loopback() || address.is_unspecified() || UdpSocket::bind((address, 0)).is_ok()
}
