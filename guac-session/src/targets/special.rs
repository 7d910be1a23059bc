//! Addresses that are no machines to work at, and addresses inside of others.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::rule::TargetRule;

/// What is known about an address without being told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Platform,
    Loopback,
    Unspecified,
    Many,
}

impl Kind {
    /// For the log.
    pub(super) fn reason(self) -> &'static str {
        match self {
            Self::Platform => "it belongs to the cloud's platform or to the link itself",
            Self::Loopback => "it is the gateway's own machine",
            Self::Unspecified => "it is no machine's address",
            Self::Many => "it is a broadcast, multicast or reserved address",
        }
    }
}

const fn v4(a: u8, b: u8, c: u8, d: u8, prefix: u8, kind: Kind) -> (TargetRule, Kind) {
    (TargetRule::network(IpAddr::V4(Ipv4Addr::new(a, b, c, d)), prefix), kind)
}

const fn v6(bits: u128, prefix: u8, kind: Kind) -> (TargetRule, Kind) {
    (TargetRule::network(IpAddr::V6(Ipv6Addr::from_bits(bits)), prefix), kind)
}

/// The built-in refusals. Loopback is among them only for who asks for it.
pub(super) static SPECIAL: [(TargetRule, Kind); 14] = [
    // "This network": Linux takes 0.0.0.0 for itself.
    v4(0, 0, 0, 0, 8, Kind::Unspecified),
    v4(127, 0, 0, 0, 8, Kind::Loopback),
    // Link-local. Metadata of Azure, AWS, GCP, OpenStack and others is at 169.254.169.254, of ECS at 169.254.170.2.
    v4(169, 254, 0, 0, 16, Kind::Platform),
    // Azure's DHCP, DNS, probes and agent.
    v4(168, 63, 129, 16, 32, Kind::Platform),
    // Metadata of Alibaba's cloud and of Oracle's older machines.
    v4(100, 100, 100, 200, 32, Kind::Platform),
    v4(192, 0, 0, 192, 32, Kind::Platform),
    v4(224, 0, 0, 0, 4, Kind::Many),
    // Reserved, and 255.255.255.255 in it.
    v4(240, 0, 0, 0, 4, Kind::Many),
    v6(0, 128, Kind::Unspecified),
    v6(1, 128, Kind::Loopback),
    v6(0xFE80 << 112, 10, Kind::Platform),
    // Metadata of AWS and of GCP over IPv6; ordinary addresses anywhere else, and still no machines there.
    v6((0xFD00_0EC2 << 96) | 0x254, 128, Kind::Platform),
    v6((0xFD20_00CE << 96) | 0x254, 128, Kind::Platform),
    v6(0xFF << 120, 8, Kind::Many),
];

/// IPv4 addresses that a packet to this one may reach in the end: mapped, compatible, 6to4, NAT64, Teredo, ISATAP.
pub(super) fn inner_v4(address: Ipv6Addr) -> Vec<Ipv4Addr> {
    let bits = address.to_bits();
    let [a, b, c, d, e, f, g, h] = address.segments();
    let join = |high: u16, low: u16| Ipv4Addr::from_bits((u32::from(high) << 16) | u32::from(low));
    let mut found = Vec::new();
    match (a, b, c, d, e, f) {
        // Compatible; :: and ::1 are themselves.
        (0, 0, 0, 0, 0, 0) if bits > 1 => found.push(join(g, h)),
        // Mapped, and "translated" (::ffff:0:a.b.c.d).
        (0, 0, 0, 0, 0, 0xFFFF) | (0, 0, 0, 0, 0xFFFF, 0) => found.push(join(g, h)),
        // NAT64 with the prefix that everybody knows.
        (0x64, 0xFF9B, 0, 0, 0, 0) => found.push(join(g, h)),
        // NAT64 with prefixes for local use: the address lies where the length of the prefix puts it (RFC 6052).
        (0x64, 0xFF9B, 1, _, _, _) => {
            let [.., b6, b7, b8, b9, b10, b11, b12, b13, b14, b15] = address.octets();
            found.push(Ipv4Addr::new(b6, b7, b9, b10));
            found.push(Ipv4Addr::new(b7, b9, b10, b11));
            found.push(Ipv4Addr::new(b9, b10, b11, b12));
            found.push(Ipv4Addr::new(b12, b13, b14, b15));
            // The byte between is zero where these prefixes are used as they should be; it does not matter here.
            let _ = b8;
        }
        // 6to4.
        (0x2002, high, low, ..) => found.push(join(high, low)),
        // Teredo: the client's address has its bits turned over; its server's stands in clear.
        (0x2001, 0, high, low, ..) => found.extend([join(!g, !h), join(high, low)]),
        // ISATAP.
        (_, _, _, _, 0 | 0x0200, 0x5EFE) => found.push(join(g, h)),
        _ => {}
    }
    found
}
