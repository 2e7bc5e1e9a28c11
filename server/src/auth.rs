//! Who asks, and from where. Without a key the server believes who clients say they are, so it
//! answers only on this machine, to this machine's name, and to its own pages.

use durable_sessions_protocol::error::{ErrorCode, Problem};
use durable_sessions_protocol::event::{Principal, PrincipalKind};
use durable_sessions_protocol::id::Id;
use http::HeaderMap;
use http::header::{HOST, ORIGIN};

/// The HTTP header that names the principal: `user/ID` or `agent/ID`.
pub const SESSION_AS: &str = "session-as";

/// The id of who names nobody.
const ANONYMOUS: &str = "anonymous";

/// The principal a client claims to be: `user/ID`, `agent/ID`, or nobody.
pub fn claimed(name: Option<&str>) -> Result<Principal, Problem> {
    let invalid = || {
        Problem::new(
            ErrorCode::Invalid,
            "a principal is named `user/ID` or `agent/ID`, with an id of 1 to 128 bytes",
        )
    };
    match name {
        Some(name) => Principal::parse(name).ok_or_else(invalid),
        None => {
            let id = Id::parse(ANONYMOUS).map_err(|_| invalid())?;
            Ok(Principal { kind: PrincipalKind::User, id })
        }
    }
}

/// The principal an HTTP request claims in its `Session-As`.
pub fn of_request(headers: &HeaderMap) -> Result<Principal, Problem> {
    match headers.get(SESSION_AS) {
        // Not `to_str`: an id may have letters beyond ASCII.
        Some(value) => claimed(Some(std::str::from_utf8(value.as_bytes()).unwrap_or_default())),
        None => claimed(None),
    }
}

/// Which pages and names the server answers to.
#[derive(Debug, Clone)]
pub struct Borders {
    /// Origins beside the server's own, as browsers send them.
    pub allow_origins: Vec<String>,
    /// Whether `Host` may be any name.
    pub any_host: bool,
}

/// Where a request comes from, once it may pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// Not from a page of a browser, or from one that reads nothing.
    None,
    /// From the server's own page.
    Own,
    /// From another page, which needs CORS headers to read the answer.
    Allowed(String),
}

impl Borders {
    /// Lets a request pass, or says why not.
    ///
    /// The `Host` rule keeps out pages whose own name was pointed at this machine; the `Origin` rule
    /// keeps out all other pages, for WebSockets too, which browsers let every page open.
    pub fn check(&self, headers: &HeaderMap) -> Result<Origin, Problem> {
        let host = headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
        if !self.any_host && !is_loopback(host) {
            return Err(Problem::new(
                ErrorCode::Forbidden,
                "without a key the server answers only to localhost; start it with --insecure to answer to any host name",
            ));
        }
        let Some(origin) = headers.get(ORIGIN) else { return Ok(Origin::None) };
        let origin = origin.to_str().unwrap_or_default().to_ascii_lowercase();
        let authority = origin.split_once("://").map(|(_, authority)| authority);
        if authority.is_some_and(|authority| authority.eq_ignore_ascii_case(host)) {
            return Ok(Origin::Own);
        }
        if self.allow_origins.contains(&origin) {
            return Ok(Origin::Allowed(origin));
        }
        Err(Problem::new(
            ErrorCode::Forbidden,
            "pages of this origin may not connect; start the server with --allow-origin for it",
        ))
    }
}

/// Whether a `Host` names this machine, with or without a port.
fn is_loopback(host: &str) -> bool {
    let name = if let Some(rest) = host.strip_prefix('[') {
        let Some((name, port)) = rest.split_once(']') else { return false };
        if !(port.is_empty() || port.strip_prefix(':').is_some_and(is_port)) {
            return false;
        }
        return name.parse::<std::net::Ipv6Addr>().is_ok_and(|address| address.is_loopback());
    } else {
        match host.split_once(':') {
            Some((name, port)) if is_port(port) => name,
            Some(_) => return false,
            None => host,
        }
    };
    name.eq_ignore_ascii_case("localhost")
        || name.parse::<std::net::Ipv4Addr>().is_ok_and(|address| address.is_loopback())
}

fn is_port(text: &str) -> bool {
    !text.is_empty() && text.parse::<u16>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(host: &str, origin: Option<&str>) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(HOST, host.parse().unwrap());
        if let Some(origin) = origin {
            headers.insert(ORIGIN, origin.parse().unwrap());
        }
        headers
    }

    fn local() -> Borders {
        Borders { allow_origins: vec!["https://app.example".to_owned()], any_host: false }
    }

    #[test]
    fn only_this_machines_names_are_answered() {
        for host in ["localhost", "LOCALHOST:1", "127.0.0.1:8787", "127.9.9.9", "[::1]", "[::1]:80"]
        {
            assert_eq!(local().check(&headers(host, None)), Ok(Origin::None), "{host}");
        }
        for host in [
            "",
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1.evil.example:80",
            "localhost:80@evil.example",
            "10.0.0.1",
            "[::2]:80",
            "[::1]evil",
            "0.0.0.0",
        ] {
            assert!(local().check(&headers(host, None)).is_err(), "{host}");
        }
        let open = Borders { any_host: true, ..local() };
        assert!(open.check(&headers("evil.example", None)).is_ok());
    }

    #[test]
    fn only_own_and_allowed_pages_pass() {
        let check = |origin| local().check(&headers("localhost:8787", Some(origin)));
        assert_eq!(check("http://localhost:8787"), Ok(Origin::Own));
        assert_eq!(
            check("https://app.example"),
            Ok(Origin::Allowed("https://app.example".to_owned()))
        );
        for origin in [
            "null",
            "http://localhost:3000",
            "http://localhost",
            "https://app.example:8443",
            "https://app.example.evil",
            "http://evil.example",
            "localhost:8787",
        ] {
            assert!(check(origin).is_err(), "{origin}");
        }
    }

    #[test]
    fn who_names_nobody_is_anonymous() {
        assert_eq!(claimed(None).unwrap().to_string(), "user/anonymous");
        assert_eq!(claimed(Some("agent/a b")).unwrap().to_string(), "agent/a b");
        for wrong in ["", "ann", "root/ann", "user/"] {
            assert!(claimed(Some(wrong)).is_err(), "{wrong}");
        }
    }
}
