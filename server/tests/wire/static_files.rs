//! Files of `--www`.

use crate::support::{Request, TestServer};

fn www() -> tempfile::TempDir {
    let www = tempfile::tempdir().unwrap();
    std::fs::create_dir(www.path().join("pkg")).unwrap();
    for (name, content) in [
        ("index.html", "<!doctype html>"),
        ("app.js", "export {}"),
        ("pkg/client.wasm", "\0asm"),
        (".secret", "no"),
    ] {
        std::fs::write(www.path().join(name), content).unwrap();
    }
    www
}

#[tokio::test]
async fn files_have_their_type_and_pages_their_policy() {
    let www = www();
    let server = TestServer::start(&["--www", www.path().to_str().unwrap()]).await;
    for (path, content_type, body) in [
        ("/", "text/html; charset=utf-8", "<!doctype html>"),
        ("/?session=abc", "text/html; charset=utf-8", "<!doctype html>"),
        ("/app.js", "text/javascript; charset=utf-8", "export {}"),
        ("/pkg/client.wasm", "application/wasm", "\0asm"),
    ] {
        let reply = Request::get(path).send(server.address).await;
        assert_eq!(reply.status, 200, "{path}");
        assert_eq!(reply.header("content-type"), content_type);
        assert_eq!(reply.text(), body);
        assert_eq!(reply.header("cache-control"), "no-cache");
        assert_eq!(reply.header("x-content-type-options"), "nosniff");
        assert_eq!(reply.header("referrer-policy"), "no-referrer");
        let is_page = content_type.starts_with("text/html");
        let policy = reply.header("content-security-policy");
        assert_eq!(policy.contains("script-src 'self' 'wasm-unsafe-eval'"), is_page, "{path}");
        assert!(!policy.contains("'unsafe-inline'") && !policy.contains("'unsafe-eval'"));
    }
    let head = Request::new("HEAD", "/app.js").send(server.address).await;
    assert_eq!((head.status.as_u16(), head.body.len()), (200, 0));
    assert_eq!(head.header("content-length"), "9");
}

#[tokio::test]
async fn an_unchanged_file_is_not_sent_again() {
    let www = www();
    let server = TestServer::start(&["--www", www.path().to_str().unwrap()]).await;
    let first = Request::get("/app.js").send(server.address).await;
    let ask = || Request::get("/app.js").header("if-none-match", first.header("etag"));
    let second = ask().send(server.address).await;
    assert_eq!((second.status.as_u16(), second.body.len()), (304, 0));
    std::fs::write(www.path().join("app.js"), "export default 1").unwrap();
    assert_eq!(ask().send(server.address).await.text(), "export default 1");
}

#[tokio::test]
async fn nothing_else_is_served() {
    let www = www();
    let server = TestServer::start(&["--www", www.path().to_str().unwrap()]).await;
    for path in ["/.secret", "/../Cargo.toml", "/%2e%2e/Cargo.toml", "/pkg", "/pkg/", "/none.js"] {
        let reply = Request::get(path).send(server.address).await;
        assert_eq!((reply.status.as_u16(), reply.problem().as_str()), (404, "not_found"), "{path}");
    }
    let post = Request::new("POST", "/app.js").send(server.address).await;
    assert_eq!((post.status.as_u16(), post.header("allow")), (405, "GET,HEAD"));
    let bare = TestServer::start(&[]).await;
    assert_eq!(Request::get("/").send(bare.address).await.problem(), "not_found");
}
