//! The little of the network that the demo needs.

use std::{
    io::{BufRead, BufReader, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    time::Duration,
};

use anyhow::{Context, Result, ensure};

const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// An error that says what to do, if something listens there already.
pub(crate) fn check_free(port: u16) -> Result<()> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port))
        .map(drop)
        .with_context(|| format!("cannot listen on port {port}: choose another with --port N"))
}

/// An error, unless the server there answers a GET of that path with 200.
pub(crate) fn check_serves(address: SocketAddr, path: &str) -> Result<()> {
    let status = status_of(address, path).with_context(|| format!("GET http://{address}{path}"))?;
    ensure!(status.contains(" 200 "), "GET http://{address}{path} was answered `{status}`");
    Ok(())
}

fn status_of(address: SocketAddr, path: &str) -> Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, ANSWER_TIMEOUT)?;
    stream.set_read_timeout(Some(ANSWER_TIMEOUT))?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line)?;
    Ok(format!("{} ", line.trim_end()))
}
