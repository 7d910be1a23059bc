//! From names to addresses.

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;

use super::rule::{Place, TargetRule};

/// Finds the addresses of a name. Names that are addresses in any spelling are its business too.
pub trait Resolver: Send + Sync + 'static {
    /// The addresses of `host`, each with `port`.
    fn lookup<'a>(&'a self, host: &'a str, port: u16) -> BoxFuture<'a, io::Result<Vec<SocketAddr>>>;
}

/// The operating system's.
struct System;

impl Resolver for System {
    fn lookup<'a>(&'a self, host: &'a str, port: u16) -> BoxFuture<'a, io::Result<Vec<SocketAddr>>> {
        async move { Ok(tokio::net::lookup_host((host, port)).await?.collect()) }.boxed()
    }
}

/// A resolver, and what names in rules were found to be the last time.
#[derive(Clone)]
pub(super) struct Names {
    resolver: Arc<dyn Resolver>,
    /// Only names of rules, so it does not grow.
    last: Arc<Mutex<HashMap<String, Vec<IpAddr>>>>,
}

impl Default for Names {
    fn default() -> Self {
        Self::new(Arc::new(System))
    }
}

impl fmt::Debug for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Names")
    }
}

/// Addresses of names in rules.
#[derive(Debug, Default)]
pub(super) struct Resolved(HashMap<String, Vec<IpAddr>>);

impl Resolved {
    pub(super) fn of(&self, rule: &TargetRule) -> &[IpAddr] {
        match &rule.place {
            Place::Name(name) => self.0.get(name).map_or(&[], Vec::as_slice),
            Place::Network { .. } => &[],
        }
    }
}

impl Names {
    pub(super) fn new(resolver: Arc<dyn Resolver>) -> Self {
        Self { resolver, last: Arc::default() }
    }

    pub(super) async fn lookup(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        self.resolver.lookup(host, port).await
    }

    /// Looks up names of rules. One that can not be found now has the addresses it had: a database is refused also
    /// while the resolver is away.
    pub(super) async fn resolve_all(&self, names: impl Iterator<Item = &str>, port: u16) -> Resolved {
        let mut resolved = HashMap::new();
        for name in names {
            if resolved.contains_key(name) {
                continue;
            }
            let found = match self.lookup(name, port).await {
                Ok(addresses) => {
                    let found: Vec<IpAddr> = addresses.iter().map(SocketAddr::ip).collect();
                    self.last.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned(), found.clone());
                    found
                }
                Err(error) => {
                    tracing::warn!(name, %error, "Name in [targets] or of the database not resolved");
                    let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
                    last.get(name).cloned().unwrap_or_default()
                }
            };
            resolved.insert(name.to_owned(), found);
        }
        Resolved(resolved)
    }
}
