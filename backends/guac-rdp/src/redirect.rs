//! Where a broker sends us ([MS-RDPBCGR] 2.2.13).

use std::net::IpAddr;

use ironrdp_pdu::rdp::server_redirection::{ServerRedirectionFlags, ServerRedirectionPdu};

use crate::{RdpError, argv::Login, connect::Target};

/// Brokers send once, to a machine of their farm; a second time only while that one goes away.
pub(crate) const MAX_REDIRECTIONS: u32 = 3;

/// The target after `redirection`.
///
/// A broker's token goes to the address that we came by, where its balancer stands; without one the machine itself is
/// named, by address. The server is hostile until proven otherwise: addresses that lead back to us or to a cloud's
/// own services are refused.
pub(crate) fn follow(
    redirection: &ServerRedirectionPdu,
    target: &Target,
    login: &mut Login,
) -> Result<Target, RdpError> {
    let mut next = target.clone();
    next.session_id = Some(redirection.session_id);
    next.load_balance_info = None;
    next.password_cookie = None;
    match &redirection.load_balance_info {
        Some(info) => {
            next.load_balance_info = Some(String::from_utf8(info.clone()).map_err(|_| RdpError::BadRedirection)?);
        }
        None => {
            let address = redirection.target_net_address.as_deref().unwrap_or_default();
            let address: IpAddr = address.parse().map_err(|_| RdpError::BadRedirection)?;
            if !may_be_followed(address) {
                return Err(RdpError::BadRedirection);
            }
            next.host = address.to_string();
        }
    }
    if let Some(username) = &redirection.username {
        login.username = Some(username.clone());
        login.domain.clone_from(&redirection.domain);
    }
    if redirection.flags.contains(ServerRedirectionFlags::PASSWORD_IS_PK_ENCRYPTED) {
        // It is for RDSTLS, which is not spoken here; our own credentials may still do.
        return Ok(next);
    }
    next.password_cookie.clone_from(&redirection.password);
    Ok(next)
}

/// Whether it may be a machine of a farm.
fn may_be_followed(address: IpAddr) -> bool {
    // Azure's platform address is public by its number, and answers from inside only.
    const AZURE_PLATFORM: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(168, 63, 129, 16));
    let address = address.to_canonical();
    let local = match address {
        IpAddr::V4(address) => address.is_link_local() || address.is_broadcast() || address.octets()[0] == 0,
        IpAddr::V6(address) => address.is_unicast_link_local(),
    };
    !(local || address.is_loopback() || address.is_unspecified() || address.is_multicast() || address == AZURE_PLATFORM)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target() -> Target {
        Target {
            host: "broker".to_owned(),
            port: 3389,
            load_balance_info: Some("old".to_owned()),
            session_id: None,
            password_cookie: None,
        }
    }

    fn redirection(address: Option<&str>, token: Option<&[u8]>) -> ServerRedirectionPdu {
        ServerRedirectionPdu {
            session_id: 7,
            flags: ServerRedirectionFlags::empty(),
            target_net_address: address.map(str::to_owned),
            load_balance_info: token.map(<[u8]>::to_vec),
            username: None,
            domain: None,
            password: None,
            target_fqdn: None,
            target_netbios_name: None,
            tsv_url: None,
            redirection_guid: None,
            target_certificate: None,
            target_net_addresses: None,
        }
    }

    #[test]
    fn a_token_goes_to_where_we_came_by() {
        let next = follow(&redirection(Some("10.0.0.9"), Some(b"tsv://x")), &target(), &mut Login::default()).unwrap();
        assert_eq!((next.host.as_str(), next.load_balance_info.as_deref()), ("broker", Some("tsv://x")));
        assert_eq!(next.session_id, Some(7));
    }

    #[test]
    fn without_a_token_the_machine_is_named() {
        let next = follow(&redirection(Some("10.0.0.9"), None), &target(), &mut Login::default()).unwrap();
        assert_eq!((next.host.as_str(), next.load_balance_info), ("10.0.0.9", None));
    }

    #[test]
    fn a_hostile_server_cannot_send_us_to_our_own_machine_or_the_clouds_services() {
        let refused = [
            "127.0.0.1",
            "::1",
            "::ffff:127.0.0.1",
            "169.254.169.254",
            "::ffff:169.254.169.254",
            "168.63.129.16",
            "0.0.0.0",
            "fe80::1",
            "255.255.255.255",
            "metadata.internal",
            "",
        ];
        for address in refused {
            let followed = follow(&redirection(Some(address), None), &target(), &mut Login::default());
            assert!(matches!(followed, Err(RdpError::BadRedirection)), "{address}");
        }
    }
}
