//! A guacd port that opens one machine, whatever is asked for, and writes down what every session shows.
//!
//! `recording_tee 127.0.0.1:4823 127.0.0.1 4822 RECORDINGS ssh hostname=server` listens at port 4823 for gateways, opens
//! the machine through the guacd at port 4822, and leaves a recording for each session that `guacenc` and players read.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use futures_util::{StreamExt as _, stream};
use guac_protocol::{Selection, Status};
use guac_tunnel::{GuacdHost, Link, OpenError, OpenRequest, Opened, SessionHost, TunnelLimits, serve_guacd};
use tokio::fs::File;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// A session host around another one: the place for rules, records and counters of your own.
pub(crate) struct Tee {
    pub(crate) guacd: GuacdHost,
    pub(crate) folder: PathBuf,
    pub(crate) protocol: String,
    pub(crate) params: BTreeMap<String, String>,
}

impl SessionHost for Tee {
    fn parameters(&self, _selected: &str) -> Option<Vec<String>> {
        // Clients have nothing to choose.
        Some(Vec::new())
    }

    fn open(&self, request: OpenRequest) -> BoxFuture<'_, Result<Opened, OpenError>> {
        Box::pin(async move {
            let selection = match request.selection {
                Selection::Protocol(_) => Selection::Protocol(self.protocol.clone()),
                join @ Selection::Join(_) => join,
            };
            let opened = self.guacd.open(OpenRequest { selection, info: request.info, params: self.params.clone() });
            let Opened { connection_id, link } = opened.await?;
            let path = self.folder.join(connection_id.as_str().trim_start_matches('$'));
            let file = File::create_new(path).await;
            let file = file.map_err(|_| OpenError::new(Status::ServerError, "The recording cannot be written."))?;
            Ok(Opened { connection_id, link: tee(link, file) })
        })
    }
}

/// The same link, with everything the session says written down first. A disk that is slow, or full, holds up this
/// session and no other: nothing is shown that is not recorded.
fn tee(link: Link, file: File) -> Link {
    let source = stream::unfold((link.source, file), |(mut source, mut file)| async move {
        let item = source.next().await?;
        file.write_all(&item).await.ok()?;
        file.flush().await.ok()?;
        Some((item, (source, file)))
    });
    Link { source: source.boxed(), sink: link.sink }
}

/// Serves gateways until the listener fails.
pub(crate) async fn serve(listener: TcpListener, tee: Tee) -> io::Result<()> {
    let (tee, limits, mut connections) = (Arc::new(tee), TunnelLimits::default(), JoinSet::new());
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let (tee, limits) = (Arc::clone(&tee), limits.clone());
        connections.spawn(async move { drop(serve_guacd(stream, &*tee, &limits).await) });
        while connections.try_join_next().is_some() {}
    }
}

#[tokio::main]
async fn main() -> io::Result<()> {
    let [listen, host, port, folder, protocol, params @ ..] = &*std::env::args().skip(1).collect::<Vec<_>>() else {
        return Err(io::Error::other(
            "usage: recording_tee LISTEN GUACD-HOST GUACD-PORT FOLDER PROTOCOL [NAME=VALUE]...",
        ));
    };
    let params = params.iter().filter_map(|pair| pair.split_once('=').map(|(name, value)| (name.into(), value.into())));
    let guacd = GuacdHost::new(host, port.parse().map_err(io::Error::other)?, TunnelLimits::default());
    let tee = Tee { guacd, folder: folder.into(), protocol: protocol.clone(), params: params.collect() };
    serve(TcpListener::bind(listen).await?, tee).await
}
