//! Which sessions there are, without starting any.

use serde_json::{Value, json};

use crate::support::{Request, TestServer, note};

async fn list(server: &TestServer, query: &str) -> Value {
    let reply = Request::get(&format!("/v1/sessions{query}")).send(server.address).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.json()
}

fn ids(listed: &Value) -> Vec<&str> {
    listed["sessions"].as_array().unwrap().iter().map(|it| it["id"].as_str().unwrap()).collect()
}

async fn post(server: &TestServer, session: &str, event: &Value) {
    let path = format!("/v1/sessions/{session}/events");
    let reply = Request::post(&path, event).send(server.address).await;
    assert!(reply.status.is_success(), "{}", reply.text());
}

#[tokio::test]
async fn a_session_is_listed_with_its_title_tail_log_and_time() {
    let server = TestServer::start(&[]).await;
    assert_eq!(list(&server, "").await, json!({"sessions": []}));
    post(&server, "s", &note("m1", "x")).await;
    let listed = list(&server, "").await;
    assert_eq!(listed["sessions"][0]["title"], Value::Null, "no field without a title");
    for title in ["first", "second"] {
        let id = format!("u-{title}");
        let update = json!({"kind": "session.updated", "id": id, "title": title});
        post(&server, "s", &update).await;
    }
    post(&server, "s", &note("m2", "x")).await;
    let listed = list(&server, "").await;
    let glance = Request::get("/v1/sessions/s").send(server.address).await.json();
    let events = Request::get("/v1/sessions/s/events").send(server.address).await.json();
    let expected = json!({
        "id": "s", "title": "second", "tail": 4, "log": glance["log"], "updated_at": events[3]["at"],
    });
    assert_eq!(listed, json!({"sessions": [expected]}));
}

#[tokio::test]
async fn pages_of_a_listing_join_without_loss_or_repetition() {
    let server = TestServer::start(&[]).await;
    let mut expected = Vec::new();
    for number in 0..7 {
        let session = format!("shop-{number}");
        post(&server, &session, &note("m", "x")).await;
        expected.push(session);
    }
    post(&server, "other", &note("m", "x")).await;
    let (mut found, mut after) = (Vec::new(), String::new());
    loop {
        let page = list(&server, &format!("?prefix=shop-&limit=3{after}")).await;
        assert!(ids(&page).len() <= 3);
        found.extend(ids(&page).into_iter().map(str::to_owned));
        let Some(next) = page["next"].as_str() else { break };
        after = format!("&after={next}");
    }
    assert_eq!(found, expected);
    assert_eq!(list(&server, "?limit=8").await.get("next"), None, "the last page has no next");
}

#[tokio::test]
async fn a_page_ends_early_when_its_titles_are_large() {
    let server = TestServer::start(&[]).await;
    let title = "x".repeat(200 * 1024);
    for number in 0..7 {
        let update = json!({"kind": "session.updated", "id": "u", "title": title});
        post(&server, &format!("s{number}"), &update).await;
    }
    let page = list(&server, "").await;
    assert_eq!(ids(&page), ["s0", "s1", "s2", "s3", "s4"], "a MiB");
    assert_eq!(page["next"], "s4");
    let rest = list(&server, "?after=s4").await;
    assert_eq!(ids(&rest), ["s5", "s6"]);
    assert_eq!(rest.get("next"), None);
}

// More than are read from the store at a time.
#[tokio::test]
async fn a_page_has_as_many_sessions_as_were_asked_for() {
    let server = TestServer::start(&[]).await;
    for number in 0..130 {
        post(&server, &format!("s{number:03}"), &note("m", "x")).await;
    }
    for (limit, found) in [(63, 63), (64, 64), (65, 65), (128, 128), (129, 129)] {
        let page = list(&server, &format!("?limit={limit}")).await;
        assert_eq!(ids(&page).len(), found);
        assert_eq!(page["next"], format!("s{:03}", found - 1));
    }
    for limit in [130, 131, 1000] {
        let page = list(&server, &format!("?limit={limit}")).await;
        assert_eq!((ids(&page).len(), page.get("next")), (130, None));
    }
}

#[tokio::test]
async fn a_session_that_only_readers_asked_for_is_not_listed() {
    let server = TestServer::start(&[]).await;
    let mut client = server.client("user/ann").await;
    client.attach("empty").await;
    client.attach("written").await;
    client.publish("written", note("m", "x")).await;
    assert_eq!(ids(&list(&server, "").await), ["written"]);
}

#[tokio::test]
async fn a_listing_shows_nothing_before_it_is_durable() {
    let server = TestServer::start(&[]).await;
    let mut client = server.client("user/ann").await;
    server.store.hold_sync();
    let publish =
        json!({"type": "publish", "request": 1, "session": "s", "events": [note("m", "x")]});
    client.send(&publish).await;
    server.store.until_waiting(1).await;
    assert_eq!(list(&server, "").await, json!({"sessions": []}));
    server.store.release_sync();
    client.frame_of("ack").await;
    assert_eq!(ids(&list(&server, "").await), ["s"]);
}

#[tokio::test]
async fn a_query_that_makes_no_sense_is_refused_with_the_field_that_does_not() {
    let server = TestServer::start(&[]).await;
    for (query, field) in [
        ("limit=0", "limit"),
        ("limit=1001", "limit"),
        ("limit=-1", "limit"),
        ("limit=many", "limit"),
        ("limit=", "limit"),
        ("after=a/b", "after"),
        ("after=", "after"),
        ("prefix=a%20b", "prefix"),
        ("limit=1&limit=2", "limit"),
    ] {
        let path = format!("/v1/sessions?{query}");
        let reply = Request::get(&path).send(server.address).await;
        assert_eq!((reply.status.as_u16(), reply.problem().as_str()), (400, "invalid"), "{query}");
        let detail = reply.json()["detail"].as_str().unwrap().to_owned();
        assert!(detail.contains(&format!("`{field}`")), "{query}: {detail}");
    }
    assert_eq!(list(&server, "?prefix=&limit=1000&other=1").await, json!({"sessions": []}));
}

#[tokio::test]
async fn who_claims_to_be_nobody_possible_may_not_list() {
    let server = TestServer::start(&[]).await;
    let request = Request::get("/v1/sessions").header("session-as", "robot/x");
    assert_eq!(request.send(server.address).await.problem(), "invalid");
}
