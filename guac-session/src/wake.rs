//! Waking a machine before connecting to it.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::time::{sleep, timeout};

use crate::{Params, Targets};

/// Times the machine is looked for after the packet.
const TRIES: u32 = 5;

/// How long each look may take, addresses and all.
const LOOK: Duration = Duration::from_secs(10);

/// Longest `wol-wait-time`. A machine that needs more than ten minutes to start is not waited for in a browser.
const MAX_WAIT_S: u64 = 600;

/// Where packets go if nothing else is said.
const DEFAULT_BROADCAST: IpAddr = IpAddr::V4(Ipv4Addr::BROADCAST);

/// The port that is called "discard": nobody answers.
const DEFAULT_PORT: u16 = 9;

/// Times the hardware address stands in a packet, and the bytes of all of it.
const REPEATS: usize = 16;
const PACKET_BYTES: usize = 6 + REPEATS * 6;

/// A magic packet for a sleeping machine, as the parameters `wol-*` ask for it.
///
/// # Specification
/// Row CM-004 of the list of parameters; the packet is six bytes of ones and sixteen times the hardware address.
#[derive(Debug, Clone)]
pub struct WakeOnLan {
    mac: [u8; 6],
    broadcast: IpAddr,
    port: u16,
    wait: Duration,
    targets: Targets,
}

impl WakeOnLan {
    /// What the parameters ask for; `None` if no packet is wanted, or, with a warning, if it has no usable address.
    #[must_use]
    pub fn from_params(params: &Params) -> Option<Self> {
        if !params.bool("wol-send-packet", false) {
            return None;
        }
        let Some(mac) = params.get("wol-mac-addr").and_then(parse_mac) else {
            tracing::warn!(parameter = "wol-mac-addr", "Parameter is no hardware address, waking nobody");
            return None;
        };
        let broadcast = params.get("wol-broadcast-addr").map_or(Ok(DEFAULT_BROADCAST), str::parse);
        let Ok(broadcast) = broadcast else {
            tracing::warn!(parameter = "wol-broadcast-addr", "Parameter is no IP address, waking nobody");
            return None;
        };
        let port = params.number("wol-udp-port", DEFAULT_PORT);
        let wait = Duration::from_secs(params.number::<u64>("wol-wait-time", 0).min(MAX_WAIT_S));
        let targets = params.targets().clone();
        if !targets.permits_packet(broadcast, port) {
            let setting = "[targets] allow";
            tracing::warn!(%broadcast, port, setting, "No packets may be sent there, waking nobody");
            return None;
        }
        Some(Self { mac, broadcast, port, wait, targets })
    }

    /// Wakes the machine that should listen on this TCP port. With a time to wait, it is left alone if it listens
    /// already, and else looked for five times after that time. Without, the packet is sent and that is all.
    ///
    /// There is no error: whether the machine is there shows when it is connected to, and so does why not.
    ///
    /// # Cancel safety
    /// If the future is dropped the packet may have been sent or not.
    pub async fn wake(&self, host: &str, port: u16) {
        if !self.wait.is_zero() && self.listens(host, port).await {
            return;
        }
        match self.send().await {
            Ok(()) => tracing::info!(host, "Sent a packet to wake the machine"),
            Err(error) => tracing::warn!(%error, host, "Packet to wake the machine not sent"),
        }
        if self.wait.is_zero() {
            return;
        }
        for _ in 0..TRIES {
            sleep(self.wait).await;
            if self.listens(host, port).await {
                return;
            }
        }
        tracing::warn!(host, "Machine did not wake");
    }

    /// Whether one of the host's addresses takes connections.
    async fn listens(&self, host: &str, port: u16) -> bool {
        timeout(LOOK, self.targets.connect(host, port)).await.is_ok_and(|looked| looked.is_ok())
    }

    async fn send(&self) -> io::Result<()> {
        let any = match self.broadcast {
            IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        };
        let socket = UdpSocket::bind((any, 0)).await?;
        if self.broadcast.is_ipv4() {
            socket.set_broadcast(true)?;
        }
        // Multicast stays on the link: one hop is the default of both protocols.
        let sent = socket.send_to(&self.packet(), (self.broadcast, self.port)).await?;
        if sent == PACKET_BYTES { Ok(()) } else { Err(io::ErrorKind::WriteZero.into()) }
    }

    fn packet(&self) -> [u8; PACKET_BYTES] {
        let mut packet = [0xFF; PACKET_BYTES];
        for copy in packet.as_chunks_mut::<6>().0.iter_mut().skip(1) {
            *copy = self.mac;
        }
        packet
    }
}

/// Six bytes in hexadecimal with colons or dashes between.
fn parse_mac(text: &str) -> Option<[u8; 6]> {
    let mut mac = [0; 6];
    let mut words = text.trim().split([':', '-']);
    for byte in &mut mac {
        let word = words.next().filter(|word| (1..=2).contains(&word.len()) && !word.starts_with('+'))?;
        *byte = u8::from_str_radix(word, 16).ok()?;
    }
    words.next().is_none().then_some(mac)
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    const MAC: [u8; 6] = [0x02, 0x00, 0x5E, 0x10, 0xAB, 0xCD];

    fn parse(pairs: &[(&str, &str)]) -> Option<WakeOnLan> {
        WakeOnLan::from_params(&[("wol-send-packet", "true")].iter().chain(pairs).copied().collect())
    }

    async fn heard(listener: &UdpSocket) -> Vec<u8> {
        let mut packet = [0; 200];
        let len = listener.recv(&mut packet).await.unwrap();
        packet[..len].to_vec()
    }

    fn to(listener: &UdpSocket, wait: Duration) -> WakeOnLan {
        let address = listener.local_addr().unwrap();
        WakeOnLan { mac: MAC, broadcast: address.ip(), port: address.port(), wait, targets: Targets::default() }
    }

    #[test]
    fn nothing_is_woken_unless_asked_for_with_a_hardware_address() {
        assert!(WakeOnLan::from_params(&[("wol-mac-addr", "02:00:5e:10:ab:cd")].into_iter().collect()).is_none());
        assert!(parse(&[]).is_none());
        for mac in ["02:00:5e:10:ab", "02:00:5e:10:ab:cd:ef", "02:00:5e:10:ab:xy", "02:00:5e:10:ab:1cd", "0:0:0:0:0:+1"]
        {
            assert!(parse(&[("wol-mac-addr", mac)]).is_none(), "{mac}");
        }
        for broadcast in ["a lan", "169.254.169.254", "0.0.0.0"] {
            let pairs = [("wol-mac-addr", "02:00:5e:10:ab:cd"), ("wol-broadcast-addr", broadcast)];
            assert!(parse(&pairs).is_none(), "{broadcast}");
        }
    }

    #[test]
    fn defaults_are_guacds_and_values_are_bounded() {
        let told = |wake: Option<WakeOnLan>| wake.map(|wake| (wake.mac, wake.broadcast, wake.port, wake.wait));
        let expected = (MAC, IpAddr::V4(Ipv4Addr::BROADCAST), 9, Duration::ZERO);
        for mac in ["02:00:5e:10:ab:cd", "02-00-5E-10-AB-CD", "2:0:5e:10:ab:cd"] {
            assert_eq!(told(parse(&[("wol-mac-addr", mac)])), Some(expected), "{mac}");
        }
        let all = [
            ("wol-mac-addr", "02:00:5e:10:ab:cd"),
            ("wol-broadcast-addr", "ff02::1"),
            ("wol-udp-port", "7"),
            ("wol-wait-time", "999999"),
        ];
        let (broadcast, wait) = ("ff02::1".parse().unwrap(), Duration::from_secs(MAX_WAIT_S));
        assert_eq!(told(parse(&all)), Some((MAC, broadcast, 7, wait)));
    }

    #[tokio::test]
    async fn a_packet_has_six_bytes_of_ones_and_the_address_16_times_over_both_protocols() {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let Ok(listener) = UdpSocket::bind(address).await else { continue };
            to(&listener, Duration::ZERO).wake("host.invalid", 1).await;
            assert_eq!(heard(&listener).await, [[0xFF; 6].as_slice(), &MAC.repeat(16)].concat());
        }
    }

    #[tokio::test]
    async fn a_machine_that_listens_is_left_alone_if_there_is_time_to_look() {
        let machine = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let listener = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        to(&listener, Duration::from_secs(600)).wake("127.0.0.1", machine.local_addr().unwrap().port()).await;
        assert_eq!(listener.try_recv(&mut [0; 200]).unwrap_err().kind(), io::ErrorKind::WouldBlock);
    }

    #[tokio::test]
    async fn a_machine_is_looked_for_until_it_is_awake() {
        let listener = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let machine = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = machine.local_addr().unwrap();
        drop(machine);
        let wake = to(&listener, Duration::from_millis(200));
        let awakes = async {
            heard(&listener).await;
            let machine = TcpListener::bind(address).await.unwrap();
            machine.accept().await.unwrap();
        };
        tokio::join!(wake.wake("127.0.0.1", address.port()), awakes);
    }

    #[tokio::test]
    async fn a_machine_that_never_wakes_is_given_up_on() {
        let listener = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let machine = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = machine.local_addr().unwrap().port();
        drop(machine);
        to(&listener, Duration::from_millis(1)).wake("127.0.0.1", port).await;
        heard(&listener).await;
    }
}
