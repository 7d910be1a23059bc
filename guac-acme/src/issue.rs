//! One order, from the account to the certificate (RFC 8555 §7).

use std::time::Duration;

use instant_acme::{
    Account, AccountCredentials, AuthorizationStatus, ChallengeType, Identifier, NewAccount, NewOrder, Order,
    OrderStatus, RetryPolicy,
};
use rcgen::{CertificateParams, CustomExtension, DistinguishedName, DnType, KeyPair, PKCS_ECDSA_P256_SHA256};
use rustls::RootCertStore;
use rustls::crypto::ring::sign::any_supported_type;
use rustls::sign::CertifiedKey;
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use secrecy::SecretString;
use sha2::{Digest as _, Sha256};

use crate::client::Client;
use crate::manager::Challenge;
use crate::store::Store;
use crate::{AcmeConfig, AcmeError, Certificate};

/// How long the authority may take to check names, and to sign.
const PATIENCE: Duration = Duration::from_secs(90);

/// Name of the account's value: its address and key.
const ACCOUNT: &str = "account";

/// Name under which a challenge's answer is stored.
pub(crate) fn answer_name(challenge: Challenge, about: &str) -> String {
    match challenge {
        Challenge::TlsAlpn01 => format!("tls-{about}"),
        Challenge::Http01 => format!("http-{about}"),
    }
}

/// Orders a certificate.
pub(crate) async fn issue(
    config: &AcmeConfig,
    roots: RootCertStore,
    store: &dyn Store,
) -> Result<Certificate, AcmeError> {
    let account = account(config, Client::new(roots), store).await?;
    let names: Vec<Identifier> = config.domains.iter().cloned().map(Identifier::Dns).collect();
    let mut order = account.new_order(&NewOrder::new(&names)).await?;
    let mut answers = Vec::new();
    let result = finish(config, &mut order, store, &mut answers).await;
    for name in answers {
        // What is left over is of no use to anybody, and the next order replaces it.
        if let Err(error) = store.remove(&name).await {
            tracing::debug!(%error, name, "An answer to a challenge stays behind");
        }
    }
    result
}

/// The account, made where there is none. Another authority has another account.
async fn account(config: &AcmeConfig, client: Client, store: &dyn Store) -> Result<Account, AcmeError> {
    if let Some(stored) = store.load(ACCOUNT).await? {
        let stored: Option<(String, AccountCredentials)> = serde_json::from_slice(&stored).ok();
        if let Some((_, credentials)) = stored.filter(|(directory, _)| *directory == config.directory) {
            return Ok(Account::builder_with_http(Box::new(client)).from_credentials(credentials).await?);
        }
    }
    let contact: Vec<&str> = config.contact.iter().map(String::as_str).collect();
    let new = NewAccount {
        contact: &contact,
        terms_of_service_agreed: config.terms_of_service_agreed,
        only_return_existing: false,
    };
    let builder = Account::builder_with_http(Box::new(client));
    let (account, credentials) = builder.create(&new, config.directory.clone(), None).await?;
    let stored = serde_json::to_vec(&(&config.directory, &credentials));
    store.save(ACCOUNT, &stored.map_err(|error| AcmeError::Store(error.into()))?).await?;
    tracing::info!(account = account.id(), "Account at the certificate authority made");
    Ok(account)
}

async fn finish(
    config: &AcmeConfig,
    order: &mut Order,
    store: &dyn Store,
    answers: &mut Vec<String>,
) -> Result<Certificate, AcmeError> {
    answer(config.challenge, order, store, answers).await?;
    let retries = RetryPolicy::new().timeout(PATIENCE);
    if order.poll_ready(&retries).await? != OrderStatus::Ready {
        return Err(refusal(order).await?);
    }
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(generator)?;
    let mut request = CertificateParams::new(config.domains.clone()).map_err(generator)?;
    request.distinguished_name = DistinguishedName::new();
    order.finalize_csr(request.serialize_request(&key).map_err(generator)?.der()).await?;
    let chain = order.poll_certificate(&retries).await?;
    Certificate::from_pem(SecretString::from(key.serialize_pem() + &chain))
}

/// Stores what any node has to answer, then tells the authority to ask.
async fn answer(
    challenge: Challenge,
    order: &mut Order,
    store: &dyn Store,
    answers: &mut Vec<String>,
) -> Result<(), AcmeError> {
    let kind = match challenge {
        Challenge::TlsAlpn01 => ChallengeType::TlsAlpn01,
        Challenge::Http01 => ChallengeType::Http01,
    };
    let mut authorizations = order.authorizations();
    while let Some(authorization) = authorizations.next().await {
        let mut authorization = authorization?;
        if authorization.status == AuthorizationStatus::Valid {
            continue;
        }
        let mut asked = authorization.challenge(kind.clone()).ok_or_else(|| {
            AcmeError::Config(format!("the authority does not check names by {challenge}; choose another challenge"))
        })?;
        let about = match challenge {
            Challenge::TlsAlpn01 => asked.identifier().to_string(),
            Challenge::Http01 => asked.token.clone(),
        };
        let name = answer_name(challenge, &about);
        store.save(&name, asked.key_authorization().as_str().as_bytes()).await?;
        answers.push(name);
        asked.set_ready().await?;
    }
    Ok(())
}

/// Why an order failed, in the authority's words.
async fn refusal(order: &mut Order) -> Result<AcmeError, AcmeError> {
    let mut authorizations = order.authorizations();
    while let Some(authorization) = authorizations.next().await {
        let mut authorization = authorization?;
        let state = authorization.refresh().await?;
        let problem = state.challenges.iter().find_map(|challenge| challenge.error.as_ref());
        if let Some(problem) = problem {
            let name = state.identifier().to_string();
            return Ok(AcmeError::Refused { name, reason: problem.to_string() });
        }
    }
    let reason = order.state().error.as_ref().map_or_else(|| "no reason given".to_owned(), ToString::to_string);
    Ok(AcmeError::Refused { name: "the order".to_owned(), reason })
}

/// The certificate by which TLS-ALPN-01 is answered (RFC 8737 §3).
pub(crate) fn answer_certificate(domain: &str, key_authorization: &[u8]) -> Result<CertifiedKey, AcmeError> {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(generator)?;
    let digest = Sha256::digest(key_authorization);
    let mut params = named(domain)?;
    params.custom_extensions = vec![CustomExtension::new_acme_identifier(&digest)];
    let certificate = params.self_signed(&key).map_err(generator)?;
    let private = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let signing = any_supported_type(&private).map_err(|error| AcmeError::Certificate(error.to_string()))?;
    // Not checked as others are: its extension is critical, and known to nobody but authorities.
    Ok(CertifiedKey::new(vec![certificate.der().clone()], signing))
}

/// A certificate nobody has to trust, to be served until there is a real one: a balancer's probe wants TLS.
pub(crate) fn stopgap(domain: &str) -> Result<Certificate, AcmeError> {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(generator)?;
    let certificate = named(domain)?.self_signed(&key).map_err(generator)?;
    Certificate::from_pem(SecretString::from(key.serialize_pem() + &certificate.pem()))
}

fn named(domain: &str) -> Result<CertificateParams, AcmeError> {
    let mut params = CertificateParams::new(vec![domain.to_owned()]).map_err(generator)?;
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, "certificate not there yet");
    Ok(params)
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn generator(error: rcgen::Error) -> AcmeError {
    AcmeError::Certificate(error.to_string())
}
