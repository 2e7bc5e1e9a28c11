//! Safe by default: this machine only, its own pages only.

use std::net::SocketAddr;
use std::sync::Arc;

use durable_sessions_server::log::MemoryStore;
use durable_sessions_server::server::{Server, StartError};
use tokio::net::TcpStream;
use tokio_tungstenite::client_async;
use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

use crate::support::{Request, TestServer, config, note};

const EVENTS: &str = "/v1/sessions/s/events";

/// Opens a WebSocket with headers of its own; the status it was answered with.
async fn connect(address: SocketAddr, headers: &[(&'static str, &str)]) -> u16 {
    let stream = TcpStream::connect(address).await.unwrap();
    let mut request = format!("ws://{address}/v1/connect").into_client_request().unwrap();
    for (name, value) in headers {
        request.headers_mut().insert(*name, value.parse().unwrap());
    }
    match client_async(request, stream).await {
        Ok((_, response)) => response.status().as_u16(),
        Err(Error::Http(response)) => response.status().as_u16(),
        Err(error) => panic!("{error}"),
    }
}

#[tokio::test]
async fn without_a_key_others_machines_are_not_listened_to() {
    for (flags, is_refused) in [
        (&["--listen", "0.0.0.0:0"][..], true),
        (&["--listen", "[::]:0"], true),
        (&["--listen", "0.0.0.0:0", "--insecure"], false),
        (&["--listen", "127.0.0.1:0"], false),
    ] {
        let mut config = config(&[]);
        let changed = super::safety::with(&mut config, flags);
        let started = Server::start_on(changed, Arc::new(MemoryStore::new())).await;
        assert_eq!(matches!(started, Err(StartError::NotLoopback(_))), is_refused, "{flags:?}");
    }
}

/// The configuration with other flags; `--listen` may stand only once.
fn with(
    config: &mut durable_sessions_server::config::Config,
    flags: &[&str],
) -> durable_sessions_server::config::Config {
    config.listen = flags[1].parse().unwrap();
    config.insecure = flags.contains(&"--insecure");
    config.clone()
}

#[tokio::test]
async fn a_foreign_host_name_is_refused() {
    let server = TestServer::start(&[]).await;
    let port = server.address.port();
    for host in [format!("localhost:{port}"), "127.0.0.1".to_owned(), "[::1]:9".to_owned()] {
        let reply = Request::get("/healthz").header("host", &host).send(server.address).await;
        assert_eq!(reply.status, 200, "{host}");
        assert_eq!(connect(server.address, &[("host", &host)]).await, 101, "{host}");
    }
    for host in ["evil.example", "127.0.0.1.evil.example", "10.1.2.3"] {
        let reply = Request::get("/healthz").header("host", host).send(server.address).await;
        assert_eq!((reply.status.as_u16(), reply.problem().as_str()), (403, "forbidden"));
        assert_eq!(connect(server.address, &[("host", host)]).await, 403, "{host}");
    }
    // On events 403 means that a producer is fenced.
    let reply = Request::get(EVENTS).header("host", "evil.example").send(server.address).await;
    assert_eq!((reply.status.as_u16(), reply.problem().as_str()), (422, "forbidden"));

    let open = TestServer::start(&["--insecure"]).await;
    assert_eq!(connect(open.address, &[("host", "any.example")]).await, 101);
}

#[tokio::test]
async fn a_foreign_page_can_neither_connect_nor_write() {
    let server = TestServer::start(&["--allow-origin", "https://app.example"]).await;
    let own = format!("http://{}", server.address);
    for origin in [own.as_str(), "https://app.example"] {
        assert_eq!(connect(server.address, &[("origin", origin)]).await, 101, "{origin}");
    }
    for origin in ["https://evil.example", "null", "http://localhost:1"] {
        assert_eq!(connect(server.address, &[("origin", origin)]).await, 403, "{origin}");
        let written = Request::post(EVENTS, &note("m", "x")).header("origin", origin);
        assert_eq!(written.send(server.address).await.problem(), "forbidden");
    }
    assert_eq!(Request::get(EVENTS).send(server.address).await.status, 404, "nothing was written");
}

#[tokio::test]
async fn an_allowed_page_gets_what_its_browser_asks_for() {
    let server = TestServer::start(&["--allow-origin", "https://app.example"]).await;
    let preflight = Request::new("OPTIONS", EVENTS)
        .header("origin", "https://app.example")
        .header("access-control-request-method", "POST")
        .header("access-control-request-headers", "content-type,session-as")
        .send(server.address)
        .await;
    assert_eq!(preflight.status, 204);
    assert_eq!(preflight.header("access-control-allow-origin"), "https://app.example");
    assert!(preflight.header("access-control-allow-methods").contains("POST"));
    assert!(preflight.header("access-control-allow-headers").contains("Session-As"));
    let posted = Request::post(EVENTS, &note("m", "x"))
        .header("origin", "https://app.example")
        .send(server.address)
        .await;
    assert_eq!(posted.status, 204);
    assert_eq!(posted.header("access-control-allow-origin"), "https://app.example");
    assert!(posted.header("access-control-expose-headers").contains("Stream-Next-Offset"));
    assert_eq!(posted.header("vary"), "origin");

    let foreign = Request::new("OPTIONS", EVENTS)
        .header("origin", "https://evil.example")
        .header("access-control-request-method", "POST")
        .send(server.address)
        .await;
    assert_eq!(foreign.status, 422);
    assert_eq!(foreign.header("access-control-allow-origin"), "");
}

#[tokio::test]
async fn a_foreign_subprotocol_is_refused_and_none_is_fine() {
    let server = TestServer::start(&[]).await;
    let offer = |protocol| [("sec-websocket-protocol", protocol)];
    assert_eq!(connect(server.address, &offer("mqtt")).await, 400);
    assert_eq!(connect(server.address, &offer("mqtt, durable-sessions.v1")).await, 101);
    assert_eq!(connect(server.address, &[]).await, 101);
}
