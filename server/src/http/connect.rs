//! `GET /v1/connect`: from an HTTP request to a WebSocket.

use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use durable_sessions_protocol::frame::SUBPROTOCOL;
use http::header::{
    CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL,
    SEC_WEBSOCKET_VERSION, UPGRADE,
};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use super::problem::{Refused, invalid};
use super::{App, socket};

/// The WebSocket version of RFC 6455.
const VERSION: &str = "13";

/// Accepts a WebSocket. A client that offers subprotocols must offer ours; one that offers none, as
/// a command-line tool does, is taken at its word.
pub(super) async fn connect(
    State(app): State<App>,
    mut request: Request,
) -> Result<Response, Refused> {
    let headers = request.headers();
    if !lists(headers, &CONNECTION, "upgrade") || !lists(headers, &UPGRADE, "websocket") {
        return Err(upgrade_required("this address takes WebSockets only"));
    }
    if !lists(headers, &SEC_WEBSOCKET_VERSION, VERSION) {
        return Err(upgrade_required("this server speaks WebSocket version 13"));
    }
    let key = headers.get(SEC_WEBSOCKET_KEY).ok_or_else(|| invalid("no `Sec-WebSocket-Key`"))?;
    let accept = derive_accept_key(key.as_bytes());
    let offers_protocols = headers.contains_key(SEC_WEBSOCKET_PROTOCOL);
    if offers_protocols && !lists(headers, &SEC_WEBSOCKET_PROTOCOL, SUBPROTOCOL) {
        return Err(invalid(format!("the subprotocol is `{SUBPROTOCOL}`")).into());
    }

    let upgrade = hyper::upgrade::on(&mut request);
    tokio::spawn(async move {
        let _open = app.enter();
        // A client that goes before the upgrade is done never was here.
        if let Ok(upgraded) = upgrade.await {
            socket::run(&app, upgraded).await;
        }
    });

    let mut response = StatusCode::SWITCHING_PROTOCOLS.into_response();
    let headers = response.headers_mut();
    headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    if let Ok(accept) = HeaderValue::from_str(&accept) {
        headers.insert(SEC_WEBSOCKET_ACCEPT, accept);
    }
    if offers_protocols {
        headers.insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(SUBPROTOCOL));
    }
    Ok(response)
}

fn upgrade_required(detail: &str) -> Refused {
    let problem = invalid(detail).with_status(StatusCode::UPGRADE_REQUIRED.as_u16());
    Refused::from(problem)
        .with(UPGRADE, HeaderValue::from_static("websocket"))
        .with(SEC_WEBSOCKET_VERSION, HeaderValue::from_static(VERSION))
}

/// Whether a comma-separated header has a token, in any case.
fn lists(headers: &HeaderMap, name: &HeaderName, token: &str) -> bool {
    headers
        .get_all(name)
        .iter()
        .flat_map(|value| value.as_bytes().split(|&b| b == b','))
        .any(|item| item.trim_ascii().eq_ignore_ascii_case(token.as_bytes()))
}
