//! Stands between clients and the gateway: counts connections, and cuts them.

use super::Gateway;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

pub struct Relay {
    /// Leads to the gateway.
    pub url: String,
    /// Connections so far.
    pub opened: Arc<AtomicU64>,
    cut: watch::Sender<()>,
    accepting: JoinHandle<()>,
}

impl Relay {
    pub async fn to(gateway: &Gateway) -> Self {
        let address =
            gateway.url.strip_prefix("http://").unwrap().strip_suffix("/prefix").unwrap().to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/prefix", listener.local_addr().unwrap());
        let (opened, (cut, cuts)) = (Arc::new(AtomicU64::new(0)), watch::channel(()));
        let counted = Arc::clone(&opened);
        let accepting = tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                counted.fetch_add(1, Ordering::Relaxed);
                let (address, mut cuts) = (address.clone(), cuts.clone());
                tokio::spawn(async move {
                    let mut gateway = TcpStream::connect(address).await.unwrap();
                    tokio::select! {
                        _ = copy_bidirectional(&mut client, &mut gateway) => {}
                        _ = cuts.changed() => {}
                    }
                });
            }
        });
        Self { url, opened, cut, accepting }
    }

    /// Ends all connections, whatever is under way on them, and takes no other.
    pub fn kill(&self) {
        self.accepting.abort();
        self.cut.send_replace(());
    }
}
