//! A guacd that says what the test wants.

use guac_client::{Client, Guacd, Options};
use guac_protocol::{Decoder, InstructionWriter};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// The server's side of a session.
pub(crate) struct Scripted {
    socket: TcpStream,
    decoder: Decoder,
}

impl Scripted {
    /// A client and what it is connected to.
    pub(crate) async fn pair(options: Options) -> (Client, Self) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let target = Guacd::open("127.0.0.1", listener.local_addr().unwrap().port(), "test").param("colour", "blue");
        let accept = async {
            let (socket, _) = listener.accept().await.unwrap();
            let mut server = Self { socket, decoder: Decoder::new() };
            assert_eq!(server.hear("select").await, ["test"]);
            server.say("args", &["VERSION_1_5_0", "colour", "shape"]).await;
            assert_eq!(server.hear("connect").await, ["VERSION_1_5_0", "blue", ""]);
            server.say("ready", &["$5c1f8e6e-0000-4000-8000-000000000000"]).await;
            server
        };
        let (client, server) = tokio::join!(Client::connect(target, options), accept);
        (client.unwrap(), server)
    }

    pub(crate) async fn say(&mut self, opcode: &str, arguments: &[&str]) {
        let mut out = Vec::new();
        arguments.iter().fold(InstructionWriter::new(&mut out, opcode), |writer, text| writer.text(text)).end();
        self.write(&out).await;
    }

    /// Any bytes at all.
    pub(crate) async fn write(&mut self, bytes: &[u8]) {
        self.socket.write_all(bytes).await.unwrap();
    }

    pub(crate) async fn blob(&mut self, stream: u32, data: &[u8]) {
        let mut out = Vec::new();
        InstructionWriter::new(&mut out, "blob").arg(&stream).base64(data).end();
        self.write(&out).await;
    }

    /// The next instruction.
    pub(crate) async fn next(&mut self) -> Option<(String, Vec<String>)> {
        loop {
            if let Some(instruction) = self.decoder.next_instruction().unwrap() {
                return Some((instruction.opcode().to_owned(), instruction.args().map(str::to_owned).collect()));
            }
            let mut buffer = [0; 4096];
            let len = self.socket.read(&mut buffer).await.unwrap_or_default();
            if len == 0 {
                return None;
            }
            self.decoder.feed(&buffer[..len]).unwrap();
        }
    }

    /// The arguments of the next instruction of this opcode.
    pub(crate) async fn hear(&mut self, opcode: &str) -> Vec<String> {
        loop {
            let (heard, arguments) = self.next().await.expect("the client is still there");
            if heard == opcode {
                return arguments;
            }
        }
    }
}
