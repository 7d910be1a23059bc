//! Logins that any node may take up: who has the token opens them, wherever he comes to.

use std::sync::Arc;

use guac_auth_mysql::cluster::NewClusterLogin;
use guac_auth_mysql::{AuthenticatedUser, LoginHistoryKey, StoreError};
use guac_tunnel::OwnerKey;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize as _, Zeroizing};

use super::{Cluster, ClusterError, SealKey};
use crate::auth::{Seal, Session, Token};
use crate::error::ApiError;
use crate::shares::ShareKey;
use crate::state::App;

/// What is sealed of a login.
#[derive(Serialize, Deserialize)]
struct Sealed {
    /// As typed.
    #[serde(rename = "p")]
    password: String,
    /// Links followed.
    #[serde(rename = "s")]
    shares: Vec<String>,
}

impl Drop for Sealed {
    fn drop(&mut self) {
        self.password.zeroize();
        self.shares.zeroize();
    }
}

/// What a sealed login is about: nobody can hang it onto another account.
fn about(key: OwnerKey, user: Option<&AuthenticatedUser>) -> Vec<u8> {
    let user = user.map_or_else(|| "-".to_owned(), |user| format!("{} {}", user.key, user.name));
    [&key.0[..], user.as_bytes()].concat()
}

fn seal(
    seal: &SealKey,
    key: OwnerKey,
    user: Option<&AuthenticatedUser>,
    password: &SecretString,
    shares: &[ShareKey],
) -> Result<Vec<u8>, ClusterError> {
    let sealed = Sealed {
        password: password.expose_secret().to_owned(),
        shares: shares.iter().map(|share| share.expose().to_owned()).collect(),
    };
    let text = Zeroizing::new(serde_json::to_vec(&sealed).map_err(|_| ClusterError::Crypto)?);
    seal.seal(&about(key, user), &text)
}

fn unseal(
    seal: &SealKey,
    key: OwnerKey,
    user: Option<&AuthenticatedUser>,
    sealed: &[u8],
) -> Option<(SecretString, Vec<ShareKey>)> {
    let text = Zeroizing::new(seal.open(&about(key, user), sealed)?);
    let sealed: Sealed = serde_json::from_slice(&text).ok()?;
    Some((sealed.password.as_str().into(), sealed.shares.iter().map(|share| ShareKey::given(share)).collect()))
}

impl From<ClusterError> for ApiError {
    fn from(error: ClusterError) -> Self {
        tracing::error!(%error, "Cluster failed");
        Self::internal()
    }
}

impl Cluster {
    /// Notes a login that begins, with its row of history.
    pub(crate) async fn open_login(
        &self,
        token: &Token,
        user: Option<&AuthenticatedUser>,
        password: &SecretString,
        remote_host: &str,
    ) -> Result<(Option<LoginHistoryKey>, Seal), ApiError> {
        let (key, seal_key) = (token.key(), self.0.keys.of_token(token.expose())?);
        let sealed = seal(&seal_key, key, user, password, &[])?;
        let new = NewClusterLogin { hash: key.0, user, remote_host: Some(remote_host), sealed: &sealed };
        let record = self.0.store.open_login(&new).await?;
        Ok((record, Seal { key: seal_key, version: 1 }))
    }

    /// Writes down what has changed about a login. `None`: it is over.
    async fn change_login(
        &self,
        session: &Session,
        seal_key: &SealKey,
        user: Option<&AuthenticatedUser>,
        password: &SecretString,
    ) -> Result<Option<i64>, ApiError> {
        let sealed = seal(seal_key, session.key, user, password, &session.shares())?;
        Ok(self.0.store.change_login(&session.key.0, user, &sealed).await?)
    }

    /// Notes that a login is over.
    pub(crate) fn end_login(&self, key: OwnerKey) {
        self.open().end_login(key);
        self.0.wake.notify_one();
    }

    /// A login as the database has it.
    async fn load_login(&self, key: OwnerKey, seal_key: SealKey) -> Result<Option<Session>, StoreError> {
        if self.open().has_ended(key) {
            return Ok(None);
        }
        let Some(login) = self.0.store.login(&key.0).await? else { return Ok(None) };
        let Some((password, shares)) = unseal(&seal_key, key, login.user.as_ref(), &login.sealed) else {
            tracing::warn!("A login of the cluster was not sealed by its secret");
            return Ok(None);
        };
        let seal = Seal { key: seal_key, version: login.version };
        Ok(Some(Session::new(key, login.user, password, login.record, Some(seal), shares)))
    }
}

impl App {
    /// The login of a token, wherever it began. It counts as used by this.
    pub(crate) async fn find_login(&self, token: &Token) -> Result<Option<Arc<Session>>, ApiError> {
        if let Some(session) = self.sessions.find(token) {
            return Ok(Some(session));
        }
        let Some(cluster) = self.config.cluster.as_ref().filter(|_| token.is_sound()) else {
            return Ok(None);
        };
        let loaded = cluster.load_login(token.key(), cluster.0.keys.of_token(token.expose())?).await?;
        Ok(loaded.map(|session| self.sessions.adopt(session)))
    }

    /// The links that a login has followed, on whichever node.
    pub(crate) async fn links_of(&self, session: &Session) -> Result<Vec<ShareKey>, StoreError> {
        let (Some(cluster), Some(seal)) = (&self.config.cluster, &session.seal) else { return Ok(session.shares()) };
        match cluster.load_login(session.key, seal.key.clone()).await? {
            Some(loaded) => Ok(self.sessions.replace(loaded).shares()),
            None => Ok(Vec::new()),
        }
    }

    /// Takes over what another node has changed about a login.
    pub(super) async fn reload_login(&self, session: &Session) -> Result<(), StoreError> {
        if let (Some(cluster), Some(seal)) = (&self.config.cluster, &session.seal)
            && let Some(loaded) = cluster.load_login(session.key, seal.key.clone()).await?
        {
            self.sessions.replace(loaded);
        }
        Ok(())
    }

    /// Adds what a link leads to to a login, on all nodes.
    pub(crate) async fn follow_link(&self, session: Arc<Session>, link: ShareKey) -> Result<Arc<Session>, ApiError> {
        if session.shares().contains(&link) {
            return Ok(session);
        }
        session.add_share(link);
        let (Some(cluster), Some(seal)) = (&self.config.cluster, &session.seal) else { return Ok(session) };
        let (user, password) = (session.user.as_ref(), &session.password);
        match cluster.change_login(&session, &seal.key, user, password).await? {
            Some(version) => Ok(self.sessions.replace(session.at_version(version))),
            None => Err(ApiError::denied()),
        }
    }

    /// Replaces what is known of a login that authenticated anew, on all nodes; its token stays.
    pub(crate) async fn renew_login(
        &self,
        session: &Arc<Session>,
        user: AuthenticatedUser,
        password: SecretString,
    ) -> Result<Arc<Session>, ApiError> {
        if let (Some(cluster), Some(seal)) = (&self.config.cluster, &session.seal)
            && cluster.change_login(session, &seal.key, Some(&user), &password).await?.is_none()
        {
            return Err(ApiError::denied());
        }
        // The version is that of before: the next look finds another, and loads what is the same.
        Ok(self.sessions.renew(session, user, password))
    }
}
