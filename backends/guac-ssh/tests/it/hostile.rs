//! Machines that are not there, say nothing sensible, or say too much.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use crate::person::open;
use crate::sshd::free_port;

async fn end_of(params: &[(&str, &str)]) -> (u32, String) {
    let mut person = open(params);
    let status = person.end().await;
    (status, person.error.map(|(message, _)| message).unwrap_or_default())
}

#[tokio::test]
async fn each_way_not_to_be_there_has_its_status() {
    let closed = free_port().to_string();
    let local = |port: &str| [("hostname", "127.0.0.1"), ("port", port)].map(|(n, v)| (n.to_owned(), v.to_owned()));
    let params = local(&closed);
    let params: Vec<(&str, &str)> = params.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    let (status, message) = end_of(&params).await;
    assert_eq!(status, 0x0208);
    assert!(message.contains("refused"), "{message}");
    let (status, message) = end_of(&[("hostname", "no-such-host.invalid")]).await;
    assert_eq!(status, 0x0207, "{message}");
    assert_eq!(end_of(&[("hostname", " ")]).await.0, 0x0300);
}

/// A server that sends this and then nothing more until it is left.
async fn saying(bytes: Vec<u8>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    crate::talker::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let _ = stream.write_all(&bytes).await;
        let _ = stream.shutdown().await;
        let _ = stream.read_to_end(&mut Vec::new()).await;
    });
    port
}

#[tokio::test]
async fn what_is_no_ssh_is_an_upstream_error() {
    for bytes in [
        Vec::new(),
        b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec(),
        vec![0xFF; 1 << 20],
        b"line\r\n".repeat(100_000),
        [b"SSH-2.0-x\r\n".to_vec(), vec![0xFF; 4096]].concat(),
        [b"SSH-2.0-x\r\n".to_vec(), vec![0; 1 << 21]].concat(),
    ] {
        let port = saying(bytes).await;
        let (status, message) = end_of(&[("hostname", "127.0.0.1"), ("port", &port)]).await;
        assert_eq!(status, 0x0203, "{message}");
    }
}
