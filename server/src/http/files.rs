//! Static files: the demo page and the browser package.

use std::path::{Path, PathBuf};

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use durable_sessions_protocol::error::{ErrorCode, Problem};
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use percent_encoding::percent_decode_str;
use xxhash_rust::xxh3::xxh3_128;

use super::App;
use super::problem::{Refused, method_not_allowed};
use crate::limits::STATIC_FILE_MAX_BYTES;

const INDEX: &str = "index.html";
/// Nothing but the server's own files and sockets. The client's WebAssembly needs one exception.
const PAGE_POLICY: &str = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; \
     style-src 'self'; img-src 'self' data:; connect-src 'self'; font-src 'self'; \
     base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Answers every path that is no route of its own.
pub(super) async fn serve(
    State(app): State<App>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Refused> {
    let missing = || Problem::new(ErrorCode::NotFound, format!("there is no {}", uri.path()));
    let path = app.www.as_deref().and_then(|www| locate(www, uri.path())).ok_or_else(missing)?;
    if method != Method::GET && method != Method::HEAD {
        let allow = HeaderValue::from_static("GET,HEAD");
        return Err(method_not_allowed(method, uri).await.with(http::header::ALLOW, allow));
    }
    let content_type = content_type(&path);
    let read = tokio::task::spawn_blocking(move || read(&path)).await.ok().flatten();
    let bytes = read.ok_or_else(missing)?;

    let tag = format!("\"{:032x}\"", xxh3_128(&bytes));
    let is_known = headers.get_all(IF_NONE_MATCH).iter().any(|known| names(known, &tag));
    let mut response =
        if is_known { StatusCode::NOT_MODIFIED.into_response() } else { bytes.into_response() };
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    // A file may change at any time: ask each time, and get 304 as long as it has not.
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        headers.insert(ETAG, tag);
    }
    if content_type.starts_with("text/html") {
        headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(PAGE_POLICY));
    }
    Ok(response)
}

/// The file below `root` that a URL path names; `None` for any path that is not plain, so that
/// nothing outside `root` and no hidden file is ever opened.
fn locate(root: &Path, url_path: &str) -> Option<PathBuf> {
    let path = percent_decode_str(url_path.strip_prefix('/')?).decode_utf8().ok()?;
    let path = if path.is_empty() || path.ends_with('/') {
        format!("{path}{INDEX}")
    } else {
        path.into_owned()
    };
    let mut file = root.to_owned();
    for segment in path.split('/') {
        let is_plain = !segment.is_empty()
            && !segment.starts_with('.')
            && !segment.contains(|c: char| c.is_control() || matches!(c, '\\' | ':'));
        if !is_plain {
            return None;
        }
        file.push(segment);
    }
    Some(file)
}

fn read(path: &Path) -> Option<Vec<u8>> {
    let metadata = std::fs::metadata(path).ok()?;
    if !metadata.is_file() || metadata.len() > STATIC_FILE_MAX_BYTES {
        return None;
    }
    std::fs::read(path).ok()
}

fn content_type(path: &Path) -> &'static str {
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("html") => "text/html; charset=utf-8",
        Some("js" | "mjs") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("wasm") => "application/wasm",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("ico") => "image/x-icon",
        Some("json" | "map") => "application/json",
        Some("txt" | "md" | "ts") => "text/plain; charset=utf-8",
        Some("woff2") => "font/woff2",
        _ => "application/octet-stream",
    }
}

/// Whether an `If-None-Match` names the tag.
fn names(header: &HeaderValue, tag: &str) -> bool {
    let Ok(list) = header.to_str() else { return false };
    list.split(',')
        .map(str::trim)
        .any(|known| known == "*" || known.trim_start_matches("W/") == tag)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_never_leaves_its_root() {
        let root = Path::new("/www");
        assert_eq!(locate(root, "/").unwrap(), Path::new("/www/index.html"));
        assert_eq!(locate(root, "/a/").unwrap(), Path::new("/www/a/index.html"));
        assert_eq!(locate(root, "/a%20b/c.js").unwrap(), Path::new("/www/a b/c.js"));
        for path in [
            "/../etc/passwd",
            "/%2e%2e/etc/passwd",
            "/a/..%2f..%2fetc/passwd",
            "/a/%2e%2e/%2e%2e/etc",
            "//etc/passwd",
            "/.git/config",
            "/a/.env",
            "/a\\..\\b",
            "/a%5c..%5cb",
            "/c:%5cb",
            "/%00",
            "/%ff",
        ] {
            assert_eq!(locate(root, path), None, "{path}");
        }
    }
}
