//! Passes TCP connections on, so that an address inside the cluster's namespaces can be reached from the host.

use std::io;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::thread;

use crate::error::{Error, Result};

/// Listens and passes every connection on to `target`, for as long as the process lives.
///
/// # Errors
/// If it cannot listen.
pub fn serve(listen: SocketAddr, target: SocketAddr) -> Result<()> {
    let listener = TcpListener::bind(listen).map_err(|error| {
        Error::other(format!("could not listen on {listen}: {error}; end the program that uses that address"))
    })?;
    accept(&listener, target);
    Ok(())
}

fn accept(listener: &TcpListener, target: SocketAddr) {
    for inside in listener.incoming().flatten() {
        thread::spawn(move || {
            if let Err(error) = pass(&inside, target) {
                eprintln!("a connection to {target} ended: {error}");
            }
        });
    }
}

/// Copies both ways until both sides have said all.
fn pass(client: &TcpStream, target: SocketAddr) -> io::Result<()> {
    let server = TcpStream::connect(target)?;
    thread::scope(|scope| {
        let up = scope.spawn(|| copy(client, &server));
        let down = copy(&server, client);
        // A panic in the other direction is no different from its connection ending.
        up.join().unwrap_or(Ok(())).and(down)
    })
}

fn copy(mut from: &TcpStream, mut to: &TcpStream) -> io::Result<()> {
    let copied = io::copy(&mut from, &mut to);
    // The other side may already be gone.
    to.shutdown(Shutdown::Write).ok();
    copied.map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read as _, Write as _};

    #[test]
    fn both_directions_pass_and_the_end_is_passed_on() {
        let target = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = target.local_addr().unwrap();
        let server = thread::spawn(move || {
            let (mut stream, _) = target.accept().unwrap();
            let mut asked = String::new();
            stream.read_to_string(&mut asked).unwrap();
            stream.write_all(format!("heard {asked}").as_bytes()).unwrap();
        });
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let entrance = listener.local_addr().unwrap();
        thread::spawn(move || accept(&listener, address));
        let mut client = TcpStream::connect(entrance).unwrap();
        client.write_all(b"hello").unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).unwrap();
        assert_eq!(answer, "heard hello");
        server.join().unwrap();
    }
}
