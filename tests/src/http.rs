//! HTTP as curl speaks it: one connection a request, nothing repeated, nothing followed.

use std::error::Error;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST};
use http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// A dead server's connection is refused or reset; this is for one that hangs.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// What a server answered.
#[derive(Debug)]
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its whole body.
    pub body: Bytes,
}

/// Why there is no answer: whether the request was carried out is not known.
pub type Lost = Box<dyn Error + Send + Sync>;

impl Answer {
    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error} in {} {:?}", self.status, self.body))
    }

    /// The `Stream-Next-Offset`.
    pub fn offset(&self) -> u64 {
        let offset = self.headers.get("stream-next-offset").expect("it names an offset");
        offset.to_str().unwrap().parse().unwrap()
    }

    /// Whether the request may be sent again as it is.
    pub fn is_retryable(&self) -> bool {
        self.status == StatusCode::SERVICE_UNAVAILABLE
    }
}

/// Sends a request without a body.
pub async fn get(server: SocketAddr, path: &str) -> Result<Answer, Lost> {
    send(server, Request::get(path).body(Full::default())?).await
}

/// Sends a JSON body, with more headers.
pub async fn post(
    server: SocketAddr,
    path: &str,
    headers: &[(&str, &str)],
    body: &Value,
) -> Result<Answer, Lost> {
    let mut request = Request::post(path).header(CONTENT_TYPE, "application/json");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    send(server, request.body(Full::new(body.to_string().into()))?).await
}

async fn send(server: SocketAddr, mut request: Request<Full<Bytes>>) -> Result<Answer, Lost> {
    request.headers_mut().insert(HOST, server.to_string().parse()?);
    let answer = async {
        let stream = TcpStream::connect(server).await?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        let connection = tokio::spawn(connection);
        let (head, body) = sender.send_request(request).await?.into_parts();
        let body = body.collect().await?.to_bytes();
        connection.abort();
        Ok(Answer { status: head.status, headers: head.headers, body })
    };
    timeout(REQUEST_TIMEOUT, answer).await?
}
