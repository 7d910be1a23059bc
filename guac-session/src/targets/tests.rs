use std::sync::Mutex;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use tokio::net::TcpListener;

use super::*;

/// Answers from a list like a hosts file; a name with several lines has one after the other, the last one for good.
struct Hosts(Mutex<Vec<(&'static str, Vec<IpAddr>)>>);

impl Hosts {
    fn new(lines: &[(&'static str, &[&str])]) -> Arc<Self> {
        let parse = |address: &&str| address.parse().unwrap();
        Arc::new(Self(Mutex::new(
            lines.iter().map(|(name, addresses)| (*name, addresses.iter().map(parse).collect())).collect(),
        )))
    }
}

impl Resolver for Hosts {
    fn lookup<'a>(&'a self, host: &'a str, port: u16) -> BoxFuture<'a, io::Result<Vec<SocketAddr>>> {
        let mut lines = self.0.lock().unwrap();
        let of_host: Vec<usize> = (0..lines.len()).filter(|at| lines[*at].0 == host).collect();
        let found = match of_host.as_slice() {
            [] => Err(io::ErrorKind::NotFound.into()),
            [only] => Ok(lines[*only].1.clone()),
            [first, ..] => Ok(lines.remove(*first).1),
        };
        let found = found.map(|ips| ips.into_iter().map(|ip| SocketAddr::new(ip, port)).collect());
        std::future::ready(found).boxed()
    }
}

fn rule(text: &str) -> TargetRule {
    text.parse().unwrap()
}

fn strict() -> Targets {
    Targets::default().refuse_loopback()
}

async fn refused(targets: &Targets, host: &str, port: u16) -> bool {
    match targets.resolve(host, port).await {
        Ok(_) => false,
        Err(TargetError::Refused) => true,
        Err(error) => panic!("{host}: {error:?}"),
    }
}

#[tokio::test]
async fn platform_addresses_and_loopback_are_refused_in_every_spelling() {
    for host in [
        // As people write them.
        "169.254.169.254",
        "169.254.0.1",
        "169.254.170.2",
        "168.63.129.16",
        "100.100.100.200",
        "192.0.0.192",
        "127.0.0.1",
        "127.255.255.254",
        "0.0.0.0",
        "255.255.255.255",
        "224.0.0.1",
        "240.0.0.1",
        "localhost",
        "::1",
        "::",
        "fe80::1",
        "febf::1",
        "ff02::1",
        "fd00:ec2::254",
        "fd20:ce::254",
        // As the system's resolver reads them, too: one number, octal, hexadecimal, fewer parts.
        "2852039166",
        "0xa9fea9fe",
        "0251.0376.0251.0376",
        "0xa9.0xfe.0xa9.0xfe",
        "169.254.43518",
        "2130706433",
        "0x7f000001",
        "017700000001",
        "127.1",
        "0",
        "2822734096",
        // Inside of IPv6: mapped, compatible, translated, NAT64, 6to4, Teredo (client and server), ISATAP.
        "::ffff:169.254.169.254",
        "::ffff:a9fe:a9fe",
        "0:0:0:0:0:ffff:7f00:1",
        "::ffff:168.63.129.16",
        "::127.0.0.1",
        "::169.254.169.254",
        "::ffff:0:169.254.169.254",
        "64:ff9b::a9fe:a9fe",
        "64:ff9b:1::a9fe:a9fe",
        "64:ff9b:1:a9fe:a9:fe00::",
        "2002:a9fe:a9fe::1",
        "2002:7f00:1::",
        "2001:0:a9fe:a9fe::",
        "2001:0:808:808:0:0:5601:5601",
        "fd00::5efe:169.254.169.254",
        "2001:db8::200:5efe:127.0.0.1",
    ] {
        assert!(refused(&strict(), host, 80).await, "{host}");
    }
}

#[tokio::test]
async fn machines_are_permitted() {
    for host in [
        "10.0.0.4",
        "192.168.1.1",
        "172.16.0.9",
        "100.64.0.1",
        "203.0.113.9",
        "168.63.129.17",
        "169.253.0.1",
        "fd00::4",
        "2001:db8::1",
        "::ffff:10.0.0.4",
        "64:ff9b::a00:4",
        "2002:a00:4::1",
    ] {
        assert!(!refused(&strict(), host, 22).await, "{host}");
    }
}

#[tokio::test]
async fn the_default_leaves_loopback_to_the_embedder() {
    let targets = Targets::default();
    assert!(!refused(&targets, "127.0.0.1", 22).await);
    assert!(!refused(&targets, "::1", 22).await);
    assert!(refused(&targets, "169.254.169.254", 80).await);
    assert!(refused(&targets, "0.0.0.0", 22).await);
}

#[tokio::test]
async fn names_are_judged_by_what_they_resolve_to() {
    let hosts = Hosts::new(&[
        ("metadata.example", &["169.254.169.254"]),
        ("home.example", &["127.0.0.1", "::1"]),
        ("mixed.example", &["fe80::5", "10.0.0.5", "::ffff:127.0.0.1"]),
        ("fine.example", &["10.0.0.6"]),
        ("none.example", &[]),
    ]);
    let targets = strict().with_resolver(hosts);
    assert!(refused(&targets, "metadata.example", 80).await);
    assert!(refused(&targets, "home.example", 22).await);
    assert!(!refused(&targets, "fine.example", 22).await);
    let left = targets.resolve("mixed.example", 22).await.unwrap();
    assert_eq!(left, ["10.0.0.5:22".parse().unwrap()], "only what was judged and permitted is dialled");
    for unknown in ["none.example", "nowhere.example"] {
        assert!(matches!(targets.resolve(unknown, 22).await, Err(TargetError::Unknown { .. })), "{unknown}");
    }
}

#[tokio::test]
async fn a_name_that_means_something_else_the_next_time_is_asked_for_once() {
    let machine = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = machine.local_addr().unwrap().port();
    let hosts = || Hosts::new(&[("rebound.example", &["127.0.0.1"]), ("rebound.example", &["169.254.169.254"])]);
    // Good first: the good one is dialled, for nobody asks again.
    let targets = Targets::default().with_resolver(hosts());
    let socket = targets.connect("rebound.example", port).await.unwrap();
    assert_eq!(socket.peer_addr().unwrap(), machine.local_addr().unwrap());
    // The next attempt meets the other one, and is refused.
    assert!(matches!(targets.connect("rebound.example", port).await, Err(TargetError::Refused)));
    // And a name that was judged well before gives no right to what it means now.
    let targets = strict().with_resolver(hosts());
    assert!(matches!(targets.connect("rebound.example", port).await, Err(TargetError::Refused)));
    assert!(matches!(targets.connect("rebound.example", port).await, Err(TargetError::Refused)));
}

#[tokio::test]
async fn the_database_is_refused_at_its_port_by_name_and_address_and_while_it_can_not_be_looked_up() {
    let hosts = Hosts::new(&[
        ("db.example", &["10.0.0.9", "fd00::9"]),
        ("alias.example", &["10.0.0.9"]),
        ("web.example", &["10.0.0.8"]),
        ("10.0.0.9", &["10.0.0.9"]),
        ("fd00::9", &["fd00::9"]),
        ("::ffff:10.0.0.9", &["::ffff:10.0.0.9"]),
    ]);
    let database = TargetRule::host("db.example", Some(3306)).unwrap();
    let targets =
        strict().refuse(database, "it is the database").with_resolver(Arc::clone(&hosts) as Arc<dyn Resolver>);
    let spellings = ["db.example", "alias.example", "10.0.0.9", "fd00::9", "::ffff:10.0.0.9"];
    for host in spellings {
        assert!(refused(&targets, host, 3306).await, "{host}");
        assert!(!refused(&targets, host, 22).await, "{host} is a machine besides");
    }
    assert!(!refused(&targets, "web.example", 3306).await);
    hosts.0.lock().unwrap().retain(|(name, _)| *name != "db.example");
    assert!(refused(&targets, "10.0.0.9", 3306).await, "it has the addresses it had");
    // A whole network does not open it; its own address and port do.
    assert!(refused(&targets.clone().allow(rule("10.0.0.0/8")), "10.0.0.9", 3306).await);
    assert!(refused(&targets.clone().allow(rule("10.0.0.9")), "10.0.0.9", 3306).await);
    assert!(!refused(&targets.allow(rule("10.0.0.9:3306")), "10.0.0.9", 3306).await);
}

#[tokio::test]
async fn ports_of_the_gateway_are_refused_at_all_addresses_of_its_machine() {
    let targets = Targets::default().refuse_own_port(4822).allow(rule("127.0.0.0/8"));
    for host in ["127.0.0.1", "127.3.2.1", "localhost", "::ffff:127.0.0.1"] {
        assert!(refused(&targets, host, 4822).await, "{host}");
        assert!(!refused(&targets, host, 4823).await, "{host}");
    }
    assert!(!refused(&targets, "192.0.2.77", 4822).await, "other machines may have one of their own");
    assert!(!refused(&targets.allow(rule("127.0.0.1:4822")), "127.0.0.1", 4822).await);
}

#[tokio::test]
async fn the_most_precise_entry_decides() {
    let only = |targets: Targets| targets.deny(rule("0.0.0.0/0")).deny(rule("::/0"));
    let listed = only(strict()).allow(rule("10.0.0.0/8")).deny(rule("10.9.0.0/16")).allow(rule("192.0.2.1:22"));
    for (host, port, is_refused) in [
        ("10.0.0.4", 22, false),
        ("10.9.0.4", 22, true),
        ("192.0.2.1", 22, false),
        ("192.0.2.1", 23, true),
        ("203.0.113.1", 22, true),
        ("2001:db8::1", 22, true),
        ("::ffff:10.0.0.4", 22, true),
    ] {
        assert_eq!(refused(&listed, host, port).await, is_refused, "{host} {port}");
    }
    // Everything allowed is everything but what has a reason; the address itself opens that.
    let all = strict().allow(rule("0.0.0.0/0")).allow(rule("::/0"));
    assert!(refused(&all, "169.254.169.254", 80).await);
    assert!(!refused(&all.clone().allow(rule("169.254.169.254")), "169.254.169.254", 80).await);
    assert!(refused(&all.clone().allow(rule("169.254.169.254")), "169.254.169.253", 80).await);
    let twice = all.allow(rule("169.254.169.254")).deny(rule("169.254.169.254"));
    assert!(refused(&twice, "169.254.169.254", 80).await, "no beats yes");
    // Names, which stand for addresses.
    let hosts =
        Hosts::new(&[("ok.example", &["127.0.0.7"]), ("127.0.0.7", &["127.0.0.7"]), ("localhost", &["127.0.0.1"])]);
    let named = strict().allow(rule("ok.example:22")).with_resolver(hosts);
    assert!(!refused(&named, "ok.example", 22).await);
    assert!(!refused(&named, "127.0.0.7", 22).await);
    assert!(refused(&named, "ok.example", 23).await);
    assert!(refused(&named, "localhost", 22).await);
}

#[test]
fn packets_without_an_answer_may_go_to_many() {
    let permits = |address: &str| strict().permits_packet(address.parse().unwrap(), 9);
    for address in ["255.255.255.255", "10.0.0.255", "224.0.0.1", "ff02::1"] {
        assert!(permits(address), "{address}");
    }
    for address in ["127.0.0.1", "169.254.169.254", "168.63.129.16", "::1", "::ffff:127.0.0.1", "0.0.0.0"] {
        assert!(!permits(address), "{address}");
    }
}
