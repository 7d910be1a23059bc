//! Peers that send rubbish, fall silent, or vanish.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::thread;

use testsuite::{Daemon, Home, PATIENCE, Sshd, wait_until};

/// Bytes of garbage per connection.
const GARBAGE_BYTES: usize = 10_000_000;

/// Bytes that look random, always the same.
fn noise(len: usize) -> Vec<u8> {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let next = |state: &mut u64| {
        *state ^= *state << 13;
        *state ^= *state >> 7;
        *state ^= *state << 17;
        state.to_le_bytes()
    };
    (0..len.div_ceil(8)).flat_map(|_| next(&mut state)).take(len).collect()
}

/// Sends all of it, or as much as is taken, and waits until the daemon has closed.
fn send_and_be_cut_off(address: SocketAddr, prefix: &[u8], garbage: &[u8]) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    let mut sender = stream.try_clone().unwrap();
    thread::scope(|scope| {
        scope.spawn(move || {
            // Cut off in the middle is what we want.
            let _ = sender.write_all(prefix).and_then(|()| sender.write_all(garbage));
            let _ = sender.shutdown(Shutdown::Write);
        });
        let mut answer = Vec::new();
        match stream.read_to_end(&mut answer) {
            Ok(_) => {}
            Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "the daemon closes"),
        }
    });
}

fn resident_kib(daemon: &Daemon) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", daemon.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[test]
fn ten_megabytes_of_garbage_on_each_port_are_cut_off_and_cost_nothing() {
    let home = Home::new();
    let daemon = home.start();
    let before = daemon.idle_usage();
    let resident_before = resident_kib(&daemon);
    let garbage = [
        noise(GARBAGE_BYTES),
        vec![b'9'; GARBAGE_BYTES],
        vec![0; GARBAGE_BYTES],
        b"GET / HTTP/1.1\r\n".repeat(GARBAGE_BYTES / 16),
        b"1.,".repeat(GARBAGE_BYTES / 3),
    ];
    // Beginnings that get further in: a handshake under way, a request whose body, headers or chunks never end.
    let starts: [(SocketAddr, &[u8]); 6] = [
        (daemon.guacd, b""),
        (daemon.guacd, b"6.select,3.ssh;"),
        (daemon.web, b""),
        (daemon.web, b"POST /api/tokens HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n\r\n"),
        (daemon.web, b"POST /api/tokens HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"),
        (daemon.web, b"GET / HTTP/1.1\r\nX: "),
    ];
    for garbage in &garbage {
        thread::scope(|scope| {
            for (address, prefix) in starts {
                scope.spawn(move || send_and_be_cut_off(address, prefix, garbage));
            }
        });
    }
    assert_eq!(daemon.http("GET", "/readyz", &[], "").status, 200);
    daemon.settles(&before);
    let grown = resident_kib(&daemon).saturating_sub(resident_before);
    assert!(grown < 32 * 1024, "300 MB of garbage left {grown} KiB behind");
    daemon.stops_clean();
}

#[test]
fn garbage_inside_of_a_session_ends_that_session_only() {
    let Some(sshd) = Sshd::start() else { return };
    let home = Home::new();
    let params = sshd.command("echo rea''dy; cat");
    let shell = home.add_connection("shell", "ssh", &params);
    let daemon = home.start();
    let before = daemon.idle_usage();
    let mut bystander = daemon.open("ssh", &params);
    bystander.reads("ready");
    for mut client in [daemon.open("ssh", &params), daemon.browse(&shell)] {
        client.reads("ready");
        client.say(&["key", "this is no number", "1"]);
        let (message, status) = client.end();
        assert_eq!((status, message.is_empty()), (0x0300, false), "{message}");
    }
    bystander.write("still here\n");
    bystander.reads("still here\nstill here");
    drop(bystander);
    daemon.settles(&before);
    daemon.stops_clean();
}

#[test]
fn half_a_handshake_half_a_request_and_whoever_falls_silent_or_deaf_are_given_up() {
    let Some(sshd) = Sshd::start() else { return };
    let home = Home::new();
    let shell = home.add_connection("shell", "ssh", &sshd.command("echo rea''dy; cat"));
    let daemon = home.start();
    let before = daemon.idle_usage();

    // Two that open something that never stops talking, and then read nothing.
    let flood = sshd.command("yes this goes on and on");
    let deaf_gateway = daemon.open("ssh", &flood);
    let deaf_browser = daemon.browse(&home.add_connection("flood", "ssh", &flood));
    // A browser whose network is gone: it neither answers nor closes.
    let mut silent = daemon.browse(&shell);
    silent.reads("ready");
    let mut gateways: Vec<TcpStream> = [&b""[..], b"6.sel", b"6.select,3.ssh;", b"6.select,3.ssh;4.size,4.1024,3.768;"]
        .iter()
        .map(|half| {
            let mut stream = TcpStream::connect(daemon.guacd).unwrap();
            stream.write_all(half).unwrap();
            stream
        })
        .collect();
    let mut request = TcpStream::connect(daemon.web).unwrap();
    request.write_all(b"GET / HTTP/1.1\r\nHost:").unwrap();

    for stream in gateways.iter_mut().chain([&mut request]) {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut said = String::new();
        stream.read_to_string(&mut said).unwrap();
        assert!(!said.contains("5.ready"), "{said}");
    }
    wait_until("the end of both browsers' tunnels", || {
        daemon.data("activeConnections").as_object().unwrap().is_empty()
    });
    // All is closed while they still hold their ends.
    daemon.settles(&before);
    drop((deaf_gateway, deaf_browser, silent, gateways, request));
    daemon.stops_clean();
}

#[test]
fn a_browser_that_vanishes_with_a_reset_leaves_its_session_and_nothing_else() {
    let Some(sshd) = Sshd::start() else { return };
    let home = Home::new();
    // Output without end, so that there is always something unread.
    let params = sshd.command("echo rea''dy; yes this goes on and on");
    let shell = home.add_connection("shell", "ssh", &params);
    let daemon = home.start();
    let before = daemon.idle_usage();
    for _ in 0..3 {
        let socket = testsuite::web_socket(daemon.web, &daemon.tunnel_query(&shell));
        let stream = socket.get_ref();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        // Closing with unread input resets the connection instead of ending it in order.
        assert!(stream.peek(&mut [0]).unwrap() > 0);
        drop(socket);
        let mut gateway = daemon.open("ssh", &params);
        gateway.sees_a_picture();
        drop(gateway);
    }
    daemon.settles(&before);
    assert_eq!(daemon.data("history/connections").as_array().unwrap().len(), 3);
    daemon.stops_clean();
}
