//! What frames do.

use serde_json::{Value, json};

use crate::support::{Client, TestServer, note};

fn ids(frame: &Value) -> Vec<&str> {
    frame["events"].as_array().unwrap().iter().map(|event| event["id"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_welcome_tells_the_limits() {
    let server = TestServer::start(&[]).await;
    let mut client = Client::open(server.address).await;
    client.send(&json!({"type": "hello", "client": "tab-1"})).await;
    let welcome = client.frame().await;
    assert_eq!(welcome["heartbeat_ms"], 15_000);
    assert_eq!(welcome["limits"]["frame_max_bytes"], 1024 * 1024);
    assert!(!welcome["connection"].as_str().unwrap().is_empty());
}

#[tokio::test]
async fn one_event_goes_from_a_publisher_to_a_follower() {
    let server = TestServer::start(&[]).await;
    let mut reader = server.client("user/reader").await;
    let attached = reader.attach("s").await;
    assert_eq!(attached["tail"], 0);
    let mut writer = server.client("user/ann").await;
    let ack = writer.publish("s", note("m1", "hi")).await;
    assert_eq!((&ack["type"], &ack["first"], &ack["last"]), (&json!("ack"), &json!(1), &json!(1)));
    let frame = reader.frame_of("events").await;
    assert_eq!(
        (&frame["session"], &frame["first"], &frame["last"]),
        (&json!("s"), &json!(1), &json!(1))
    );
    assert_eq!(frame["events"][0]["from"], json!({"kind": "user", "id": "ann"}));
}

#[tokio::test]
async fn pipelined_publishes_keep_their_order() {
    let server = TestServer::start(&[]).await;
    let mut client = server.client("user/ann").await;
    for n in 0..500 {
        let event = note(&format!("m{n}"), "x");
        client
            .send(&json!({"type": "publish", "request": n, "session": "s", "events": [event]}))
            .await;
    }
    for n in 0..500 {
        let ack = client.frame().await;
        assert_eq!((&ack["request"], &ack["first"]), (&json!(n), &json!(n + 1)), "{ack}");
    }
}

#[tokio::test]
async fn an_attach_goes_on_after_its_position_or_starts_over() {
    let server = TestServer::start(&[]).await;
    let mut client = server.client("user/ann").await;
    for id in ["m1", "m2", "m3"] {
        client.publish("s", note(id, "x")).await;
    }
    let log = client.attach("s").await["log"].clone();
    assert_eq!(ids(&client.frame_of("events").await), ["m1", "m2", "m3"]);

    let from = async |position: Value| {
        let mut client = server.client("user/ann").await;
        client.send(&json!({"type": "attach", "session": "s", "position": position})).await;
        assert_eq!(client.frame().await["type"], "attached");
        client
    };
    let mut client = from(json!({"log": log, "offset": 2})).await;
    assert_eq!(ids(&client.frame().await), ["m3"]);
    let mut client = from(json!({"log": log, "offset": 3})).await;
    assert!(client.until_quiet().await.is_empty());
    for wrong in [json!({"log": "other", "offset": 2}), json!({"log": log, "offset": 4})] {
        let mut client = from(wrong).await;
        let reset = client.frame().await;
        assert_eq!(reset, json!({"type": "reset", "session": "s", "log": log, "first": 1}));
        assert_eq!(ids(&client.frame().await), ["m1", "m2", "m3"]);
    }
    let mut client = server.client("user/ann").await;
    client.ask(json!({"type": "attach", "session": "s", "last": 0})).await;
    assert!(client.until_quiet().await.is_empty());
}

#[tokio::test]
async fn a_second_attach_takes_the_place_of_the_first() {
    let server = TestServer::start(&[]).await;
    let mut client = server.client("user/ann").await;
    client.publish("s", note("m1", "x")).await;
    client.attach("s").await;
    assert_eq!(client.frame_of("events").await["first"], 1);
    client.attach("s").await;
    assert_eq!(client.frame_of("events").await["first"], 1);
    client.publish("s", note("m2", "x")).await;
    let mut frames = client.until_quiet().await;
    frames.extend(client.until_quiet().await);
    let events: Vec<_> = frames.iter().filter(|frame| frame["type"] == "events").collect();
    assert!(events.len() <= 1, "once, not once for each attach: {events:?}");
    assert_eq!(server.metric("durable_sessions_attaches").await, 1);
}

#[tokio::test]
async fn a_detached_session_is_silent() {
    let server = TestServer::start(&[]).await;
    let mut client = server.client("user/ann").await;
    client.attach("s").await;
    let detached = client.ask(json!({"type": "detach", "session": "s"})).await;
    assert_eq!((&detached["type"], &detached["reason"]), (&json!("detached"), &json!("requested")));
    let mut writer = server.client("user/bob").await;
    writer.publish("s", note("m1", "x")).await;
    assert!(client.until_quiet().await.is_empty());
    assert_eq!(server.metric("durable_sessions_attaches").await, 0);
}

#[tokio::test]
async fn a_detach_right_behind_an_attach_with_a_producer_comes_after_it() {
    let server = TestServer::start(&[]).await;
    let mut client = server.client("agent/a").await;
    client
        .send(&json!({"type": "attach", "request": 1, "session": "s", "producer": {"id": "p"}}))
        .await;
    client.send(&json!({"type": "detach", "request": 2, "session": "s"})).await;
    assert_eq!(client.frame().await["type"], "attached");
    assert_eq!(client.frame().await["type"], "detached");
    assert!(client.until_quiet().await.is_empty());
}

#[tokio::test]
async fn a_newer_process_fences_the_older_one() {
    let server = TestServer::start(&[]).await;
    let attach = json!({"type": "attach", "session": "s", "producer": {"id": "p"}});
    let publish = |grant: &Value, run: &str, seq: u64| {
        json!({"type": "publish", "session": "s",
               "producer": {"id": "p", "epoch": grant["epoch"], "seq": seq},
               "events": [{"kind": "run.started", "run": run, "agent": "a"}]})
    };
    let mut old = server.client("agent/a").await;
    let first = old.ask(attach.clone()).await["producer"].clone();
    assert_eq!(first["seq"], 0);
    assert_eq!(old.ask(publish(&first, "r1", 0)).await["type"], "ack");
    assert_eq!(old.ask(publish(&first, "r1", 0)).await["first"], 1, "the same again");
    let gap = old.ask(publish(&first, "r2", 7)).await;
    assert_eq!(gap["error"]["code"], "sequence_gap");
    assert_eq!(gap["error"]["expected_seq"], 1);

    let mut new = server.client("agent/a").await;
    let second = new.ask(attach).await["producer"].clone();
    assert!(second["epoch"].as_u64() > first["epoch"].as_u64());
    let fenced = old.ask(publish(&first, "r2", 1)).await;
    assert_eq!(fenced["error"]["code"], "fenced");
    assert_eq!(new.ask(publish(&second, "r3", 0)).await["type"], "ack");
}

#[tokio::test]
async fn a_stop_is_acknowledged_with_its_receipt() {
    let server = TestServer::start(&[]).await;
    let mut agent = server.client("agent/a").await;
    let run = json!({"kind": "run.started", "run": "r", "agent": "a"});
    agent.publish("s", run).await;
    let mut user = server.client("user/ann").await;
    let ack = user.publish("s", json!({"kind": "stop.requested", "id": "st", "run": "r"})).await;
    assert_eq!(ack["type"], "ack");
    assert_eq!(
        (&ack["id"], &ack["offset"], &ack["runs"]),
        (&json!("st"), &json!(2), &json!(["r"]))
    );
    let delta = json!({"kind": "delta", "run": "r", "message": "m", "text": "x", "id": "d"});
    assert_eq!(agent.publish("s", delta).await["error"]["code"], "run_stopped");
}

#[tokio::test]
async fn input_is_offered_to_who_serves() {
    let server = TestServer::start(&[]).await;
    let mut worker = server.client("agent/a").await;
    let ack = worker.ask(json!({"type": "serve", "agent": "assistant", "slots": 1})).await;
    assert_eq!(ack["type"], "ack");
    let mut user = server.client("user/ann").await;
    user.publish("s", json!({"kind": "message", "id": "m1", "role": "user", "text": "hi"})).await;
    let wake = worker.frame_of("wake").await;
    let offered =
        json!({"type": "wake", "agent": "assistant", "session": "s", "input": "m1", "attempt": 1});
    assert_eq!(wake, offered);
}

#[tokio::test]
async fn an_offer_of_a_lost_connection_goes_to_the_next_worker() {
    let server = TestServer::start(&[]).await;
    let serve = json!({"type": "serve", "agent": "assistant", "slots": 1});
    let mut first = server.client("agent/a").await;
    first.ask(serve.clone()).await;
    let mut user = server.client("user/ann").await;
    user.publish("s", json!({"kind": "message", "id": "m1", "role": "user", "text": "hi"})).await;
    first.frame_of("wake").await;
    drop(first);
    let mut second = server.client("agent/b").await;
    second.ask(serve).await;
    assert_eq!(second.frame_of("wake").await["input"], "m1");
}
