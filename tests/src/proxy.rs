//! A TCP proxy that breaks connections.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// How many bytes of one connection pass; then both sides are cut off in the middle of whatever
/// they were saying.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// From client to server.
    pub up_bytes: usize,
    /// From server to client.
    pub down_bytes: usize,
}

impl Budget {
    /// A connection that is never cut.
    pub const WHOLE: Self = Self { up_bytes: usize::MAX, down_bytes: usize::MAX };
    /// A connection that is cut as soon as it is there.
    pub const NONE: Self = Self { up_bytes: 0, down_bytes: 0 };
}

/// A proxy before a server. It ends, with all its connections, with its handle.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    accepted: Arc<AtomicUsize>,
    cut: watch::Sender<u64>,
    accepting: JoinHandle<()>,
}

impl Proxy {
    /// Listens on a free port. Each connection's budget is asked of `budget`, by its number from 0.
    pub async fn start(
        server: SocketAddr,
        mut budget: impl FnMut(usize) -> Budget + Send + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let accepted = Arc::new(AtomicUsize::new(0));
        let (cut, cuts) = watch::channel(0);
        let count = accepted.clone();
        let accepting = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let number = count.fetch_add(1, Ordering::Relaxed);
                tokio::spawn(connect(client, server, budget(number), cuts.clone()));
            }
        });
        Self { address, accepted, cut, accepting }
    }

    /// Where clients connect.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// How many connections there were.
    pub fn connections(&self) -> usize {
        self.accepted.load(Ordering::Relaxed)
    }

    /// Cuts every open connection.
    pub fn cut(&self) {
        self.cut.send_modify(|times| *times += 1);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
        self.cut();
    }
}

async fn connect(
    client: TcpStream,
    server: SocketAddr,
    budget: Budget,
    mut cuts: watch::Receiver<u64>,
) {
    cuts.mark_unchanged();
    let Ok(server) = TcpStream::connect(server).await else { return };
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    // The one that ends first drops the other, and with it both sockets.
    tokio::select! {
        () = pass(from_client, to_server, budget.up_bytes) => {}
        () = pass(from_server, to_client, budget.down_bytes) => {}
        _ = cuts.changed() => {}
    }
}

async fn pass(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut budget: usize) {
    let mut buffer = vec![0; 16 * 1024];
    while budget > 0 {
        let room = buffer.len().min(budget);
        let Ok(read) = from.read(&mut buffer[..room]).await else { return };
        if read == 0 || to.write_all(&buffer[..read]).await.is_err() {
            return;
        }
        budget -= read;
    }
}
