//! A guacd that knows no protocol: it floods, echoes or stays idle, as `select` says.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Payload a flood repeats: pictures of some kilobytes between small instructions, like a busy desktop.
pub(crate) fn corpus() -> Vec<u8> {
    let mut out = Vec::new();
    let mut timestamp = 1_700_000_000_000_u64;
    let mut random = 0x2545_F491_4F6C_DD1D_u64;
    let mut next = |below: u64| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random % below
    };
    while out.len() < 1 << 20 {
        for _ in 0..next(6) + 1 {
            let (x, y) = (next(1200) + 10, next(700) + 10);
            let (xs, ys) = (x.to_string(), y.to_string());
            let place = format!("{}.{xs},{}.{ys}", xs.len(), ys.len());
            out.extend(format!("3.img,1.1,2.14,1.0,10.image/webp,{place};").bytes());
            let base64 = next(6000) / 4 * 4 + 400;
            let text: String = (0..base64).map(|_| char::from(b'A' + u8::try_from(next(26)).unwrap_or(0))).collect();
            out.extend(format!("4.blob,1.1,{}.{text};3.end,1.1;", text.len()).bytes());
            out.extend(format!("4.copy,1.0,1.0,1.0,2.64,2.64,2.14,1.0,{place};").bytes());
        }
        timestamp += 40;
        out.extend(format!("4.sync,13.{timestamp};").bytes());
    }
    out
}

/// Serves until the process ends. `flood_bytes` are sent on each flooded connection, which then ends.
pub(crate) fn start(flood_bytes: u64) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = listener.local_addr().expect("an address").port();
    let corpus = Arc::new(corpus());
    let idle: Arc<Mutex<Vec<TcpStream>>> = Arc::default();
    let kept = Arc::clone(&idle);
    std::thread::spawn(move || {
        loop {
            std::thread::sleep(Duration::from_secs(5));
            let mut idle = kept.lock().expect("nobody panics here");
            idle.retain_mut(|stream| stream.write_all(b"3.nop;").is_ok());
        }
    });
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let (corpus, idle) = (Arc::clone(&corpus), Arc::clone(&idle));
            // A connection that fails has lost its relay, which the client notices.
            std::thread::spawn(move || drop(serve(stream, flood_bytes, &corpus, &idle)));
        }
    });
    port
}

fn serve(mut stream: TcpStream, flood: u64, corpus: &[u8], idle: &Mutex<Vec<TcpStream>>) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut said = String::new();
    let mut buffer = [0; 4096];
    let mut until = |stream: &mut TcpStream, word: &str| -> std::io::Result<String> {
        while !said.contains(word) {
            let read = stream.read(&mut buffer)?;
            if read == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
            said.push_str(&String::from_utf8_lossy(buffer.get(..read).unwrap_or_default()));
        }
        Ok(said.clone())
    };
    let mode = until(&mut stream, ";")?;
    stream.write_all(b"4.args,13.VERSION_1_5_0,8.hostname;")?;
    until(&mut stream, "7.connect")?;
    stream.write_all(b"5.ready,37.$01010101-0101-4101-8101-010101010101;")?;
    if mode.contains("flood") {
        let mut left = flood;
        let mut at = 0;
        // Ends where the corpus ends, between two instructions.
        while left > 0 || at != 0 {
            let end = (at + 64 * 1024).min(corpus.len());
            stream.write_all(corpus.get(at..end).unwrap_or_default())?;
            left = left.saturating_sub((end - at) as u64);
            at = end % corpus.len();
        }
        stream.write_all(b"10.disconnect;")
    } else if mode.contains("echo") {
        let mut buffer = [0; 4096];
        loop {
            let read = stream.read(&mut buffer)?;
            if read == 0 {
                return Ok(());
            }
            stream.write_all(buffer.get(..read).unwrap_or_default())?;
        }
    } else {
        idle.lock().expect("nobody panics here").push(stream);
        Ok(())
    }
}
