//! Reading and writing sessions with nothing but HTTP.

use serde_json::json;

use crate::support::{Request, TestServer, note};

const EVENTS: &str = "/v1/sessions/s/events";

#[tokio::test]
async fn what_was_posted_is_read_back() {
    let server = TestServer::start(&[]).await;
    let posted = Request::post(EVENTS, &note("m1", "hä\u{2028}"))
        .header("session-as", "user/ann")
        .send(server.address)
        .await;
    assert_eq!(posted.status, 204);
    assert_eq!(posted.header("stream-next-offset"), "00000000000000000001");
    let log = posted.header("session-log").to_owned();
    assert!(!log.is_empty());
    Request::post(EVENTS, &note("m2", "two")).send(server.address).await;

    let read = Request::get(EVENTS).header("session-log", &log).send(server.address).await;
    assert_eq!(read.status, 200);
    assert_eq!(read.header("stream-next-offset"), "00000000000000000002");
    assert_eq!(read.header("stream-up-to-date"), "true");
    assert_eq!(read.header("session-log"), log);
    let events = read.json();
    assert_eq!(events[0]["offset"], 1);
    assert_eq!(events[0]["from"], json!({"kind": "user", "id": "ann"}));
    assert_eq!(events[0]["text"], "hä\u{2028}");
    assert_eq!(events[1]["from"]["id"], "anonymous");

    let rest = Request::get(&format!("{EVENTS}?offset={}", posted.header("stream-next-offset")))
        .send(server.address)
        .await;
    assert_eq!(rest.json().as_array().unwrap().len(), 1);
    for offset in ["now", "2"] {
        let none = Request::get(&format!("{EVENTS}?offset={offset}")).send(server.address).await;
        assert_eq!(none.text(), "[]");
        assert_eq!(none.header("stream-next-offset"), "00000000000000000002");
        assert_eq!(none.header("stream-up-to-date"), "true");
    }

    let head = Request::new("HEAD", EVENTS).send(server.address).await;
    assert_eq!(head.status, 200);
    assert_eq!(head.header("stream-next-offset"), "00000000000000000002");
    assert_eq!(head.header("content-type"), "application/json");
    assert_eq!(head.header("session-log"), log);
}

#[tokio::test]
async fn the_same_message_again_is_answered_with_the_first_offset() {
    let server = TestServer::start(&[]).await;
    for _ in 0..2 {
        let posted = Request::post(EVENTS, &note("m1", "one")).send(server.address).await;
        assert_eq!(posted.status, 204);
        assert_eq!(posted.header("stream-next-offset"), "00000000000000000001");
    }
    let other = Request::post(EVENTS, &note("m1", "another")).send(server.address).await;
    assert_eq!((other.status.as_u16(), other.problem().as_str()), (422, "id_conflict"));
}

#[tokio::test]
async fn a_producer_is_told_new_from_duplicate_from_gap_from_fenced() {
    let server = TestServer::start(&[]).await;
    let publish = async |epoch: &str, seq: &str| {
        let run = format!("r{epoch}{seq}");
        let events = json!([
            {"kind": "run.started", "run": run, "agent": "a"},
            {"kind": "run.ended", "run": run, "outcome": "completed"},
        ]);
        Request::post(EVENTS, &events)
            .header("session-as", "agent/a")
            .header("producer-id", "p")
            .header("producer-epoch", epoch)
            .header("producer-seq", seq)
            .send(server.address)
            .await
    };
    let new = publish("1", "0").await;
    assert_eq!(new.status, 200, "{}", new.text());
    assert_eq!(new.header("stream-next-offset"), "00000000000000000002");
    assert_eq!((new.header("producer-epoch"), new.header("producer-seq")), ("1", "0"));
    let again = publish("1", "0").await;
    assert_eq!(again.status, 204);
    assert_eq!(again.header("stream-next-offset"), "00000000000000000002");
    assert_eq!((again.header("producer-epoch"), again.header("producer-seq")), ("1", "0"));
    let gap = publish("1", "5").await;
    assert_eq!((gap.status.as_u16(), gap.problem().as_str()), (409, "sequence_gap"));
    assert_eq!(gap.header("producer-expected-seq"), "1");
    assert_eq!(gap.header("producer-received-seq"), "5");
    assert_eq!(publish("2", "0").await.status, 200);
    let fenced = publish("1", "1").await;
    assert_eq!((fenced.status.as_u16(), fenced.problem().as_str()), (403, "fenced"));
    assert_eq!(fenced.header("producer-epoch"), "2");
}

// DS-11.8
#[tokio::test]
async fn a_duplicate_is_told_how_far_its_producer_has_come() {
    let server = TestServer::start(&[]).await;
    let publish = async |seq: &str, run: &str| {
        let started = json!({"kind": "run.started", "run": run, "agent": "a"});
        Request::post(EVENTS, &started)
            .header("session-as", "agent/a")
            .header("producer-id", "p")
            .header("producer-epoch", "4")
            .header("producer-seq", seq)
            .send(server.address)
            .await
    };
    // A run starts once; the refusal uses its number up: who goes on behind 2 would repeat 3.
    for (seq, run, status) in
        [("0", "r0", 200), ("1", "r1", 200), ("2", "r2", 200), ("3", "r0", 422)]
    {
        assert_eq!(publish(seq, run).await.status, status, "{seq}");
    }
    for (seq, run) in [("0", "r0"), ("1", "r1"), ("2", "r2")] {
        let again = publish(seq, run).await;
        assert_eq!(again.status, 204);
        assert_eq!((again.header("producer-epoch"), again.header("producer-seq")), ("4", "3"));
        let offset = seq.parse::<u64>().unwrap() + 1;
        assert_eq!(again.header("stream-next-offset"), format!("{offset:020}"));
    }
}

#[tokio::test]
async fn a_refused_event_is_named_by_its_index() {
    let server = TestServer::start(&[]).await;
    let events = json!([
        {"kind": "run.started", "run": "r", "agent": "a"},
        {"kind": "delta", "run": "no", "message": "m", "text": "x"},
    ]);
    let refused = Request::post(EVENTS, &events)
        .header("session-as", "agent/a")
        .header("producer-id", "p")
        .header("producer-epoch", "1")
        .header("producer-seq", "0")
        .send(server.address)
        .await;
    assert_eq!(refused.status, 422);
    assert_eq!(refused.json()["index"], 1);
    assert_eq!(refused.json()["side_effects"], "none");
}

#[tokio::test]
async fn a_large_log_is_read_in_pages() {
    let server = TestServer::start(&[]).await;
    let text = "x".repeat(100_000);
    for n in 0..25 {
        Request::post(EVENTS, &note(&format!("m{n}"), &text)).send(server.address).await;
    }
    let (mut offset, mut pages, mut read) = ("-1".to_owned(), 0, 0);
    loop {
        let page = Request::get(&format!("{EVENTS}?offset={offset}")).send(server.address).await;
        assert!(page.body.len() <= 1024 * 1024);
        for event in page.json().as_array().unwrap() {
            read += 1;
            assert_eq!(event["offset"], read);
        }
        pages += 1;
        offset = page.header("stream-next-offset").to_owned();
        if page.header("stream-up-to-date") == "true" {
            break;
        }
    }
    assert_eq!(read, 25);
    assert!(pages >= 3, "{pages}");
}

#[tokio::test]
async fn a_page_of_small_events_keeps_its_limit() {
    let server = TestServer::start(&[]).await;
    let mut writer = server.client("agent/a").await;
    let attach = json!({"type": "attach", "session": "s", "last": 0, "producer": {"id": "p"}});
    assert_eq!(writer.ask(attach).await["type"], "attached");
    let events = vec![json!({"kind": "data", "name": "n", "data": "x".repeat(400)}); 1024];
    for seq in 0..3 {
        let producer = json!({"id": "p", "epoch": 1, "seq": seq});
        let publish =
            json!({"type": "publish", "session": "s", "producer": producer, "events": events});
        assert_eq!(writer.ask(publish).await["type"], "ack");
    }
    let page = Request::get(EVENTS).send(server.address).await;
    assert!(page.body.len() <= 1024 * 1024, "{}", page.body.len());
    assert!(page.body.len() > 1024 * 1024 - 1024, "{}", page.body.len());
}

#[tokio::test]
async fn a_stop_over_http_keeps_the_limit_of_an_event() {
    let server = TestServer::start(&[]).await;
    Request::post(EVENTS, &note("m1", "one")).send(server.address).await;
    let stop = json!({"id": "st", "all": true, "reason": "r".repeat(256 * 1024)});
    let refused = Request::post("/v1/sessions/s/stop", &stop).send(server.address).await;
    assert_eq!((refused.status.as_u16(), refused.problem().as_str()), (413, "too_large"));
    let head = Request::new("HEAD", EVENTS).send(server.address).await;
    assert_eq!(head.header("stream-next-offset"), "00000000000000000001");
}

#[tokio::test]
async fn a_stop_over_http_has_a_receipt() {
    let server = TestServer::start(&[]).await;
    let started = json!({"kind": "run.started", "run": "r", "agent": "a"});
    Request::post(EVENTS, &started).header("session-as", "agent/a").send(server.address).await;
    let stop = json!({"id": "st", "run": "r", "reason": "enough"});
    for _ in 0..2 {
        let stopped = Request::post("/v1/sessions/s/stop", &stop).send(server.address).await;
        assert_eq!(stopped.status, 202);
        assert_eq!(stopped.json(), json!({"id": "st", "offset": 2, "runs": ["r"]}));
    }
    let delta = json!({"kind": "delta", "id": "d", "run": "r", "message": "m", "text": "x"});
    let late =
        Request::post(EVENTS, &delta).header("session-as", "agent/a").send(server.address).await;
    assert_eq!((late.status.as_u16(), late.problem().as_str()), (422, "run_stopped"));

    let unnamed =
        Request::post("/v1/sessions/s/stop", &json!({"all": true})).send(server.address).await;
    assert_eq!(unnamed.status, 202);
    assert!(!unnamed.json()["id"].as_str().unwrap().is_empty());
}

#[tokio::test]
async fn the_transcript_is_the_fold_of_the_log() {
    let server = TestServer::start(&[]).await;
    for event in [
        json!({"kind": "run.started", "run": "r", "agent": "a"}),
        json!({"kind": "delta", "run": "r", "message": "m", "text": "Hel"}),
        json!({"kind": "delta", "run": "r", "message": "m", "text": "lo"}),
    ] {
        let producer = event["kind"] == "delta";
        let mut event = event;
        if producer {
            event["id"] = format!("d{}", event["text"].as_str().unwrap()).into();
        }
        let posted = Request::post(EVENTS, &event)
            .header("session-as", "agent/a")
            .send(server.address)
            .await;
        assert_eq!(posted.status, 204, "{}", posted.text());
    }
    let reply = Request::get("/v1/sessions/s/transcript").send(server.address).await;
    assert_eq!(reply.status, 200);
    assert_eq!(reply.header("stream-next-offset"), "00000000000000000003");
    let transcript = reply.json();
    assert_eq!(transcript["offset"], 3);
    assert_eq!(transcript["log"], reply.header("session-log"));
    assert_eq!(transcript["messages"][0]["text"], "Hello");
    assert_eq!(transcript["messages"][0]["state"], "streaming");

    let described = Request::get("/v1/sessions/s").send(server.address).await.json();
    assert_eq!(described["tail"], 3);
    assert_eq!(described["runs"][0]["id"], "r");
}

#[tokio::test]
async fn reading_makes_no_session() {
    let server = TestServer::start(&[]).await;
    for path in ["", "/events", "/transcript"] {
        let path = format!("/v1/sessions/s{path}");
        assert_eq!(Request::get(&path).send(server.address).await.status, 404);
    }
    let stop = Request::post("/v1/sessions/s/stop", &json!({"all": true}));
    assert_eq!(stop.send(server.address).await.status, 404);
    assert_eq!(Request::get("/v1/sessions/s").send(server.address).await.status, 404);
}

#[tokio::test]
async fn a_producers_place_and_a_refusal_make_no_session() {
    let server = TestServer::start(&[]).await;
    let mut writer = server.client("agent/a").await;
    let attach = json!({"type": "attach", "session": "granted", "producer": {"id": "p"}});
    assert_eq!(writer.ask(attach).await["type"], "attached");
    let delta = json!({"kind": "delta", "run": "no", "message": "m", "text": "x"});
    let refused = Request::post("/v1/sessions/refused/events", &delta)
        .header("session-as", "agent/a")
        .header("producer-id", "p")
        .header("producer-epoch", "1")
        .header("producer-seq", "0");
    assert_eq!(refused.send(server.address).await.problem(), "not_found");
    for session in ["granted", "refused"] {
        for path in ["", "/events", "/transcript"] {
            let reply = Request::get(&format!("/v1/sessions/{session}{path}"));
            assert_eq!(reply.send(server.address).await.status, 404, "{session}{path}");
        }
    }
}

#[tokio::test]
async fn health_readiness_and_metrics_are_told() {
    let server = TestServer::start(&[]).await;
    assert_eq!(Request::get("/healthz").send(server.address).await.status, 200);
    assert_eq!(Request::get("/readyz").send(server.address).await.status, 200);
    assert_eq!(server.metric("durable_sessions_connections").await, 0);
    let client = server.client("user/ann").await;
    assert_eq!(server.metric("durable_sessions_connections").await, 1);
    drop(client);
    while server.metric("durable_sessions_connections").await > 0 {}
}

#[tokio::test]
async fn an_unknown_method_is_told_the_known_ones() {
    let server = TestServer::start(&[]).await;
    let reply = Request::new("PATCH", EVENTS).send(server.address).await;
    assert_eq!(reply.header("allow"), "GET,HEAD,POST,PUT,DELETE");
}
