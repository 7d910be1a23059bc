//! Greetings, security types and refusals of every protocol version.

use guac_vnc::rfb::{Config, Credentials, Event, RfbError, Security};

use crate::support::{Peer, server_init};

fn peer(security: Security) -> Peer {
    Peer::new(Config { security, ..Config::default() })
}

fn with_password() -> Security {
    Security { has_password: true, vencrypt: true, ..Security::default() }
}

fn credentials() -> Credentials {
    Credentials { username: "ann".into(), password: "Password".into(), seed: [1; 32] }
}

/// DES of 16 zero bytes with the key of "Password", by OpenSSL.
const RESPONSE: [u8; 16] =
    [0xd9, 0x4b, 0xb7, 0x47, 0x98, 0xa1, 0x07, 0xc7, 0xd9, 0x4b, 0xb7, 0x47, 0x98, 0xa1, 0x07, 0xc7];

fn assert_opens(peer: &mut Peer) {
    peer.feed(&server_init(320, 200, "desk")).unwrap();
    assert_eq!(peer.events.last(), Some(&Event::Connected { name: "desk".into() }));
    assert_eq!(peer.connection.size(), (320, 200));
    assert_eq!((peer.picture.width, peer.picture.height), (320, 200));
}

#[test]
fn answers_each_version_with_one_it_knows() {
    for (greeting, answer) in [
        ("003.003", "003.003"),
        ("003.005", "003.003"),
        ("003.006", "003.003"),
        ("003.007", "003.007"),
        ("003.008", "003.008"),
        ("003.889", "003.008"),
        ("004.001", "003.008"),
        ("005.000", "003.008"),
    ] {
        let mut peer = peer(Security::default());
        peer.feed(format!("RFB {greeting}\n").as_bytes()).unwrap();
        assert_eq!(peer.sent, format!("RFB {answer}\n").as_bytes());
    }
}

#[test]
fn refuses_what_is_not_rfb() {
    for garbage in ["SSH-2.0-Open", "RFB 003.008 ", "RFB 3.8     ", "RFB 002.002\n", "RFB 000.000\n", "HTTP/1.1 400"] {
        assert!(matches!(peer(Security::default()).feed(garbage.as_bytes()), Err(RfbError::NotRfb)), "{garbage}");
    }
}

#[test]
fn opens_version_3_3_without_authentication() {
    let mut peer = peer(Security::default());
    peer.feed(b"RFB 003.003\n\0\0\0\x01").unwrap();
    assert_eq!(peer.sent, b"RFB 003.003\n\x01");
    assert_opens(&mut peer);
}

#[test]
fn opens_version_3_7_without_waiting_for_a_result() {
    let mut peer = peer(Security::default());
    peer.feed(b"RFB 003.007\n\x01\x01").unwrap();
    assert_eq!(peer.sent, b"RFB 003.007\n\x01\x01");
    assert_opens(&mut peer);
}

#[test]
fn answers_the_challenge_in_every_version() {
    let cases: [(&[u8], &[u8]); 3] = [
        (b"RFB 003.003\n\0\0\0\x02", b"RFB 003.003\n"),
        (b"RFB 003.007\n\x01\x02", b"RFB 003.007\n\x02"),
        (b"RFB 003.008\n\x02\x02\x10", b"RFB 003.008\n\x02"),
    ];
    for (hello, answer) in cases {
        let mut peer = peer(with_password());
        peer.feed(&[hello, &[0; 16]].concat()).unwrap();
        assert_eq!(peer.events, [Event::CredentialsNeeded { username: false }]);
        assert_eq!(peer.sent, answer);
        peer.sent.clear();
        peer.connection.provide_credentials(&credentials());
        peer.feed(&[0; 4]).unwrap();
        assert_eq!(peer.sent, [&RESPONSE[..], &[1]].concat());
        assert_opens(&mut peer);
    }
}

#[test]
fn a_rejected_password_is_told_with_the_servers_reason() {
    let mut peer = peer(with_password());
    peer.feed(&[&b"RFB 003.008\n\x01\x02"[..], &[0; 16]].concat()).unwrap();
    peer.connection.provide_credentials(&credentials());
    let error = peer.feed(b"\0\0\0\x01\0\0\0\x0aNo entry\x07\n").err().unwrap();
    assert!(matches!(&error, RfbError::AuthenticationFailed { reason } if reason.as_str() == "No entry"), "{error}");
}

#[test]
fn a_rejected_password_without_a_reason_is_told_as_well() {
    for (hello, ending) in
        [(&b"RFB 003.003\n\0\0\0\x02"[..], &b"\0\0\0\x01"[..]), (b"RFB 003.007\n\x01\x02", b"\0\0\0\x02")]
    {
        let mut peer = peer(with_password());
        peer.feed(&[hello, &[0; 16]].concat()).unwrap();
        peer.connection.provide_credentials(&credentials());
        assert!(matches!(peer.connection.handle_end(), RfbError::AuthenticationFailed { .. }));
        assert!(matches!(peer.feed(ending), Err(RfbError::AuthenticationFailed { .. })));
    }
}

#[test]
fn a_refused_connection_is_told_with_the_servers_reason() {
    for hello in [&b"RFB 003.003\n\0\0\0\0"[..], b"RFB 003.008\n\0"] {
        let error = peer(Security::default()).feed(&[hello, b"\0\0\0\x04full"].concat()).err().unwrap();
        assert!(matches!(&error, RfbError::Refused { reason } if reason.as_str() == "full"), "{error}");
    }
}

#[test]
fn an_endless_reason_is_not_waited_for() {
    let error = peer(Security::default()).feed(b"RFB 003.008\n\0\xff\xff\xff\xff").err().unwrap();
    assert!(matches!(error, RfbError::Refused { .. }));
}

#[test]
fn a_password_at_hand_is_used_where_the_server_would_do_without() {
    let choose = |security: Security| {
        let mut peer = peer(security);
        peer.feed(b"RFB 003.008\n\x02\x01\x02").unwrap();
        peer.sent[12]
    };
    assert_eq!(choose(Security::default()), 1);
    assert_eq!(choose(with_password()), 2);
}

#[test]
fn vencrypt_with_a_certificate_comes_first_and_waits_for_tls() {
    for (subtype, events) in [
        (260_u32, vec![]),
        (261, vec![Event::CredentialsNeeded { username: false }]),
        (262, vec![Event::CredentialsNeeded { username: true }]),
    ] {
        let mut peer = peer(with_password());
        peer.feed(b"RFB 003.008\n\x02\x02\x13").unwrap();
        peer.feed(&[0, 2, 0, 3]).unwrap();
        // TLS without a certificate (258) is offered too, and cannot be had.
        peer.feed(&[258_u32.to_be_bytes(), 2_u32.to_be_bytes(), subtype.to_be_bytes()].concat()).unwrap();
        peer.feed(&[1]).unwrap();
        assert_eq!(peer.sent, [b"RFB 003.008\n\x13\0\x02", &subtype.to_be_bytes()[..]].concat());
        assert_eq!(peer.events, [Event::StartTls]);
        peer.events.clear();
        peer.sent.clear();
        peer.connection.tls_established();
        peer.drain();
        if subtype == 261 {
            peer.feed(&[0; 16]).unwrap();
        }
        assert_eq!(peer.events, events);
        peer.connection.provide_credentials(&credentials());
        peer.feed(&[0; 4]).unwrap();
        let expected = match subtype {
            260 => b"\x01".to_vec(),
            261 => [&RESPONSE[..], &[1]].concat(),
            _ => b"\0\0\0\x03\0\0\0\x08annPassword\x01".to_vec(),
        };
        assert_eq!(peer.sent, expected);
        assert_opens(&mut peer);
    }
}

#[test]
fn what_comes_in_the_clear_before_tls_is_not_taken_for_protected() {
    let mut peer = peer(with_password());
    peer.feed(b"RFB 003.008\n\x01\x13\0\x02\0\x01\0\0\x01\x04\x01\0\0\0\0").unwrap();
    assert_eq!(peer.events, [Event::StartTls]);
    peer.connection.tls_established();
    peer.feed(&[]).unwrap();
    peer.sent.clear();
    peer.feed(&[0, 0, 0]).unwrap();
    assert!(peer.sent.is_empty());
    peer.feed(&[0]).unwrap();
    assert_eq!(peer.sent, [1]);
}

#[test]
fn vencrypt_falls_back_to_plain_vnc_authentication_inside_it() {
    let mut peer = peer(with_password());
    peer.feed(b"RFB 003.008\n\x01\x13\0\x02\0\x02\0\0\x01\x02\0\0\0\x02").unwrap();
    peer.feed(&[0; 16]).unwrap();
    assert_eq!(peer.events, [Event::CredentialsNeeded { username: false }]);
}

#[test]
fn anonymous_tls_alone_is_refused_and_told() {
    let mut peer = peer(with_password());
    let error = peer.feed(b"RFB 003.008\n\x01\x13\0\x02\0\x01\0\0\x01\x02").err().unwrap();
    assert!(matches!(error, RfbError::NoUsableSecurity { offered, vencrypt: true } if offered == [258]));
}

#[test]
fn plain_credentials_go_in_the_clear_only_on_request() {
    let hello = b"RFB 003.008\n\x01\x13\0\x02\0\x01\0\0\x01\0";
    assert!(peer(with_password()).feed(hello).is_err());
    let mut peer = peer(Security { plain_without_tls: true, ..with_password() });
    peer.feed(hello).unwrap();
    assert_eq!(peer.events, [Event::CredentialsNeeded { username: true }]);
}

#[test]
fn logins_of_apple_and_ultravnc_are_used_with_a_user_name_or_where_nothing_else_is() {
    let choose = |has_username, offered: &[u8]| {
        let mut peer = peer(Security { has_username, ..with_password() });
        peer.feed(&[b"RFB 003.889\n", &[u8::try_from(offered.len()).unwrap()][..], offered].concat()).unwrap();
        peer.sent[12]
    };
    assert_eq!(choose(false, &[30, 113, 2]), 2);
    assert_eq!(choose(true, &[2, 113, 30]), 30);
    assert_eq!(choose(true, &[2, 113]), 113);
    assert_eq!(choose(false, &[35, 30, 36]), 30);
    let challenges: [(u8, Vec<u8>, usize); 2] = [
        (30, [&[0, 2, 0, 16][..], &[0xFF; 16], &[3; 16]].concat(), 128 + 16),
        (113, [[0, 0, 0, 0, 0, 0, 0, 5], [0xFF; 8], [3; 8]].concat(), 8 + 256 + 64),
    ];
    for (kind, challenge, answer) in challenges {
        let mut peer = peer(Security { has_username: true, ..with_password() });
        peer.feed(&[b"RFB 003.008\n\x01", &[kind][..], &challenge].concat()).unwrap();
        assert_eq!(peer.events, [Event::CredentialsNeeded { username: true }]);
        peer.sent.clear();
        peer.connection.provide_credentials(&credentials());
        peer.drain();
        assert_eq!(peer.sent.len(), answer);
        peer.feed(&[0; 4]).unwrap();
        assert_opens(&mut peer);
    }
}

#[test]
fn a_repeater_is_told_whom_to_connect() {
    let mut peer = peer(Security { repeater_target: Some("inner:5901".into()), ..Security::default() });
    peer.feed(b"RFB 000.000\n").unwrap();
    assert_eq!(peer.sent.len(), 250);
    assert!(peer.sent.starts_with(b"inner:5901\0"));
    peer.sent.clear();
    peer.feed(b"RFB 003.008\n\x01\x01\0\0\0\0").unwrap();
    assert_opens(&mut peer);
}
