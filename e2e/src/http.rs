//! A plain HTTP GET, enough to ask a part of the cluster whether it is there.

use std::io::{Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

use crate::error::{Error, Result};

/// Longer answers are cut: they are health pages and small JSON.
const MOST_BYTES: u64 = 16 << 20;

/// Fetches `url` (`http://address:port/path`) and returns status and body.
///
/// # Errors
/// If there is no connection or no HTTP answer within `deadline`; the text names the address.
pub fn get(url: &str, deadline: Duration) -> Result<(u16, String)> {
    let fail = |detail: String| Error::other(format!("GET {url}: {detail}"));
    let rest = url.strip_prefix("http://").ok_or_else(|| fail("only http:// is spoken here".into()))?;
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let address = if host.contains(':') { host.to_owned() } else { format!("{host}:80") };
    let socket = address.to_socket_addrs().ok().and_then(|mut found| found.next());
    let socket = socket.ok_or_else(|| fail("no such address".into()))?;
    let exchange = || -> std::io::Result<Vec<u8>> {
        let mut stream = TcpStream::connect_timeout(&socket, deadline)?;
        stream.set_read_timeout(Some(deadline))?;
        stream.set_write_timeout(Some(deadline))?;
        // Envoy refuses HTTP/1.0; with `close` the answer ends with the connection.
        let request =
            format!("GET /{path} HTTP/1.1\r\nHost: {host}\r\nAccept: */*\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes())?;
        let mut answer = Vec::new();
        stream.take(MOST_BYTES).read_to_end(&mut answer)?;
        Ok(answer)
    };
    let answer = exchange().map_err(|error| fail(error.to_string()))?;
    parse(&String::from_utf8_lossy(&answer)).ok_or_else(|| fail("the answer is not HTTP".into()))
}

/// Fetches `url` and returns the body if the status is 200.
///
/// # Errors
/// As [`get`], and on any other status.
pub fn body(url: &str, deadline: Duration) -> Result<String> {
    match get(url, deadline)? {
        (200, body) => Ok(body),
        (status, body) => Err(Error::other(format!(
            "GET {url}: status {status}: {}",
            body.chars().take(200).collect::<String>().trim()
        ))),
    }
}

fn parse(answer: &str) -> Option<(u16, String)> {
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let status = head.split_whitespace().nth(1)?.parse().ok()?;
    let chunked = head.lines().any(|line| line.eq_ignore_ascii_case("transfer-encoding: chunked"));
    Some((status, if chunked { unchunk(body)? } else { body.to_owned() }))
}

/// The content of a body that comes in chunks, each after a line with its length in hex.
fn unchunk(mut body: &str) -> Option<String> {
    let mut content = String::new();
    loop {
        let (length, rest) = body.split_once("\r\n")?;
        let length = usize::from_str_radix(length.split(';').next()?.trim(), 16).ok()?;
        if length == 0 {
            return Some(content);
        }
        content.push_str(rest.get(..length)?);
        body = rest.get(length..)?.strip_prefix("\r\n")?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    #[test]
    fn status_and_body_come_back() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/healthz?full=1", listener.local_addr().unwrap());
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut asked = [0; 256];
            let read = stream.read(&mut asked).unwrap();
            stream.write_all(b"HTTP/1.1 503 No\r\nA: b\r\n\r\nnot yet").unwrap();
            String::from_utf8_lossy(&asked[..read]).into_owned()
        });
        let error = body(&url, Duration::from_secs(5)).unwrap_err().to_string();
        assert!(error.contains("503") && error.contains("not yet"), "{error}");
        assert!(server.join().unwrap().starts_with("GET /healthz?full=1 HTTP/1.1\r\n"));
    }

    #[test]
    fn chunks_are_put_together_and_a_cut_one_is_no_answer() {
        let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        let whole = parse(&format!("{head}4\r\nab\r\n\r\nA;x=y\r\n0123456789\r\n0\r\n\r\n"));
        assert_eq!(whole, Some((200, "ab\r\n0123456789".to_owned())));
        assert_eq!(parse(&format!("{head}4\r\nab")), None);
    }

    #[test]
    fn a_closed_port_is_an_error_that_names_the_address() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        drop(listener);
        assert!(get(&url, Duration::from_secs(1)).unwrap_err().to_string().contains(&url));
    }
}
