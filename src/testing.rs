//! A server on loopback that answers what a test says, byte by byte: also what no decent server would.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

/// What a server does with a request.
pub enum Reply {
    /// Sends these bytes and ends the connection.
    Bytes(Vec<u8>),
    /// Never answers.
    Silence,
    /// Answers once the test says so.
    Once(watch::Receiver<bool>, Vec<u8>),
}

/// A server, and what it was asked.
pub struct Server {
    /// Where it listens.
    pub address: SocketAddr,
    /// Requests as they came, whole.
    pub asked: Arc<Mutex<Vec<String>>>,
    /// Server names under which connections with TLS were opened; empty for one without.
    pub names: Arc<Mutex<Vec<String>>>,
}

impl Server {
    /// Answers each request with what `reply` says.
    pub async fn start(reply: impl Fn(&str) -> Reply + Send + Sync + 'static) -> Self {
        Self::listen(None, reply).await
    }

    /// The same with TLS and nothing else, by a certificate that nobody signed.
    pub async fn start_tls(reply: impl Fn(&str) -> Reply + Send + Sync + 'static) -> Self {
        let made = rcgen::generate_simple_self_signed(vec!["of.nobody.example".to_owned()]).unwrap();
        let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
        let config = ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .unwrap();
        Self::listen(Some(TlsAcceptor::from(Arc::new(config))), reply).await
    }

    async fn listen(tls: Option<TlsAcceptor>, reply: impl Fn(&str) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (asked, names) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Mutex::new(Vec::new())));
        let (seen, hosts, reply) = (asked.clone(), names.clone(), Arc::new(reply));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (seen, hosts, reply, tls) = (seen.clone(), hosts.clone(), reply.clone(), tls.clone());
                tokio::spawn(async move {
                    let Some(tls) = tls else { return serve(stream, reply, seen).await };
                    // Who does not speak it, or does not trust the certificate, goes away here.
                    let Ok(stream) = tls.accept(stream).await else { return };
                    let name = stream.get_ref().1.server_name().unwrap_or_default().to_owned();
                    hosts.lock().unwrap().push(name);
                    serve(stream, reply, seen).await;
                });
            }
        });
        Self { address, asked, names }
    }

    /// How many requests came so far.
    pub fn count(&self) -> usize {
        self.asked.lock().unwrap().len()
    }
}

async fn serve(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    reply: Arc<impl Fn(&str) -> Reply>,
    seen: Arc<Mutex<Vec<String>>>,
) {
    let request = read(&mut stream).await;
    seen.lock().unwrap().push(request.clone());
    let bytes = match reply(&request) {
        Reply::Bytes(bytes) => bytes,
        Reply::Silence => return std::future::pending().await,
        Reply::Once(mut go, bytes) => {
            let _ = go.wait_for(|go| *go).await;
            bytes
        }
    };
    // The client may have hung up: that is what some tests are about.
    let _ = stream.write_all(&bytes).await;
    let _ = stream.shutdown().await;
}

/// A request whole: its head, and as much body as it announces.
async fn read(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut bytes = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let announced = head.lines().find_map(|line| {
                let (name, value) = line.split_once(':')?;
                name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
            });
            if body.len() >= announced.unwrap_or(0) {
                return text;
            }
        }
        match stream.read(&mut buffer).await {
            Ok(0) | Err(_) => return text,
            Ok(n) => bytes.extend_from_slice(&buffer[..n]),
        }
    }
}

/// A response with a body.
pub fn response(status: &str, headers: &str, body: &str) -> Reply {
    Reply::Bytes(
        format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n{headers}\r\n{body}", body.len()).into_bytes(),
    )
}
