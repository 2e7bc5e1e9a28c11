//! Work over a WebSocket. DS-7.

use std::collections::HashMap;

use serde_json::{Value, json};

use crate::support::{Client, TestServer};

fn message(id: &str, more: &Value) -> Value {
    let mut message = json!({"kind": "message", "id": id, "role": "user", "text": "hi"});
    for (name, value) in more.as_object().unwrap() {
        message[name] = value.clone();
    }
    message
}

async fn ask(client: &mut Client, session: &str, id: &str, more: Value) {
    let ack = client.publish(session, message(id, &more)).await;
    assert_eq!(ack["type"], "ack", "{ack}");
}

async fn serve(client: &mut Client, mut more: Value) {
    more["type"] = "serve".into();
    more["agent"] = "assistant".into();
    let ack = client.ask(more).await;
    assert_eq!(ack["type"], "ack", "{ack}");
}

async fn wake(client: &mut Client) -> Value {
    client.frame_of("wake").await
}

/// What was offered so far.
async fn wakes(client: &mut Client) -> Vec<Value> {
    let frames = client.until_quiet().await.into_iter();
    frames.filter(|frame| frame["type"] == "wake").collect()
}

async fn start(client: &mut Client, session: &str, run: &str, input: &str) -> Value {
    let event = json!({"kind": "run.started", "run": run, "agent": "assistant",
                       "in_reply_to": input});
    client.publish(session, event).await
}

async fn end(client: &mut Client, session: &str, run: &str) {
    let event = json!({"kind": "run.ended", "run": run, "outcome": "completed"});
    assert_eq!(client.publish(session, event).await["type"], "ack");
}

/// Takes a producer's place in the session; the next frames' place in it.
async fn attach(client: &mut Client, session: &str, producer: &str, runs: &[&str]) -> Value {
    let producer = json!({"id": producer, "runs": runs});
    let attached =
        client.ask(json!({"type": "attach", "session": session, "producer": producer})).await;
    assert_eq!(attached["type"], "attached", "{attached}");
    attached["producer"].clone()
}

// DS-7.4, DS-7.5
#[tokio::test]
async fn parallel_inputs_are_offered_side_by_side_and_queued_ones_one_by_one() {
    let server = TestServer::start(&[]).await;
    let mut user = server.client("user/ann").await;
    for id in ["q1", "q2"] {
        ask(&mut user, "s", id, json!({})).await;
    }
    for id in ["p1", "p2"] {
        ask(&mut user, "s", id, json!({"if_running": "parallel"})).await;
    }
    let mut worker = server.client("agent/one").await;
    serve(&mut worker, json!({"slots": 9})).await;
    for id in ["q1", "p1", "p2"] {
        assert_eq!(wake(&mut worker).await["input"], id);
    }
    assert!(wakes(&mut worker).await.is_empty());
    start(&mut worker, "s", "r1", "q1").await;
    assert!(wakes(&mut worker).await.is_empty());
    end(&mut worker, "s", "r1").await;
    assert_eq!(wake(&mut worker).await["input"], "q2");
}

// DS-7.5
#[tokio::test]
async fn a_worker_has_no_more_runs_and_offers_than_slots() {
    let server = TestServer::start(&[]).await;
    let mut worker = server.client("agent/one").await;
    serve(&mut worker, json!({"slots": 2})).await;
    let mut user = server.client("user/ann").await;
    for n in 0..5 {
        ask(&mut user, &format!("s{n}"), "m", json!({})).await;
    }
    let sessions: Vec<Value> =
        wakes(&mut worker).await.into_iter().map(|wake| wake["session"].clone()).collect();
    assert_eq!(sessions, ["s0", "s1"]);
    start(&mut worker, "s1", "r", "m").await;
    assert!(wakes(&mut worker).await.is_empty(), "a run takes its offer's slot");
    end(&mut worker, "s1", "r").await;
    assert_eq!(wake(&mut worker).await["session"], "s2");
}

// DS-7.4
#[tokio::test]
async fn a_session_with_500_inputs_does_not_keep_another_from_its_only_one() {
    let server = TestServer::start(&[]).await;
    let mut user = server.client("user/ann").await;
    for n in 0..500 {
        let events = [message(&format!("m{n}"), &json!({"if_running": "parallel"}))];
        user.send(&json!({"type": "publish", "request": n, "session": "busy", "events": events}))
            .await;
    }
    for _ in 0..500 {
        user.frame_of("ack").await;
    }
    ask(&mut user, "quiet", "q", json!({})).await;
    let mut worker = server.client("agent/one").await;
    serve(&mut worker, json!({})).await;
    let mut order = Vec::new();
    for n in 0..3 {
        let wake = wake(&mut worker).await;
        let (session, input) = (wake["session"].as_str().unwrap(), wake["input"].as_str().unwrap());
        order.push(input.to_owned());
        let run = format!("r{n}");
        start(&mut worker, session, &run, input).await;
        end(&mut worker, session, &run).await;
    }
    assert_eq!(order, ["m0", "q", "m1"]);
}

// DS-7.6
#[tokio::test]
async fn what_a_socket_was_offered_when_it_died_goes_to_another_at_once() {
    let server = TestServer::start(&[]).await;
    let mut user = server.client("user/ann").await;
    ask(&mut user, "s", "m1", json!({})).await;
    let mut first = server.client("agent/one").await;
    serve(&mut first, json!({})).await;
    assert_eq!(wake(&mut first).await["input"], "m1");
    let mut second = server.client("agent/two").await;
    serve(&mut second, json!({})).await;
    drop(first);
    assert_eq!(wake(&mut second).await["input"], "m1");
}

// DS-7.9
#[tokio::test]
async fn delegated_input_is_offered_while_its_agent_is_at_work() {
    let server = TestServer::start(&[]).await;
    let mut user = server.client("user/ann").await;
    ask(&mut user, "s", "m1", json!({})).await;
    let mut worker = server.client("agent/one").await;
    serve(&mut worker, json!({"slots": 2})).await;
    start(&mut worker, "s", "r1", "m1").await;
    let delegated = json!({"kind": "message", "id": "d1", "role": "assistant", "run": "r1",
                           "to": "assistant", "text": "and you?"});
    assert_eq!(worker.publish("s", delegated).await["type"], "ack");
    assert_eq!(wake(&mut worker).await["input"], "m1");
    assert_eq!(wake(&mut worker).await["input"], "d1");
}

// DS-5.6, DS-7.11
#[tokio::test]
async fn a_worker_that_comes_back_is_woken_for_its_run_and_goes_on_with_it() {
    let server = TestServer::start(&[]).await;
    let mut user = server.client("user/ann").await;
    ask(&mut user, "s", "m1", json!({})).await;
    let mut worker = server.client("agent/one").await;
    let place = attach(&mut worker, "s", "p", &[]).await;
    let started = json!({"kind": "run.started", "run": "r1", "agent": "assistant",
                         "in_reply_to": "m1"});
    let producer = json!({"id": "p", "epoch": place["epoch"], "seq": place["seq"]});
    let publish =
        json!({"type": "publish", "session": "s", "producer": producer, "events": [started]});
    assert_eq!(worker.ask(publish).await["type"], "ack");
    drop(worker);

    let mut strangers = HashMap::new();
    for (who, producer) in [("agent/two", "p"), ("agent/one", "q")] {
        let mut stranger = server.client(who).await;
        serve(&mut stranger, json!({"slots": 9, "producer": producer})).await;
        strangers.insert(who, stranger);
    }
    let mut next = server.client("agent/one").await;
    serve(&mut next, json!({"slots": 1, "producer": "p"})).await;
    assert_eq!(
        wake(&mut next).await,
        json!({"type": "wake", "agent": "assistant", "session": "s", "input": "m1",
               "attempt": 1, "run": "r1"})
    );
    let place = attach(&mut next, "s", "p", &["r1"]).await;
    assert_eq!(place["epoch"], 2);
    let delta = json!({"kind": "delta", "run": "r1", "message": "a1", "text": "on"});
    let producer = json!({"id": "p", "epoch": 2, "seq": place["seq"]});
    let publish =
        json!({"type": "publish", "session": "s", "producer": producer, "events": [delta]});
    assert_eq!(next.ask(publish).await["type"], "ack");
    // The run takes the only slot.
    ask(&mut user, "t", "m2", json!({})).await;
    assert!(wakes(&mut next).await.is_empty());
    let mut offered = Vec::new();
    for stranger in strangers.values_mut() {
        offered.extend(wakes(stranger).await);
    }
    assert_eq!(offered.len(), 1, "{offered:?}");
    assert_eq!((&offered[0]["input"], &offered[0]["run"]), (&json!("m2"), &Value::Null));
}

// DS-7.5
#[tokio::test]
async fn sessions_that_cannot_be_are_refused() {
    let server = TestServer::start(&[]).await;
    let mut worker = server.client("agent/one").await;
    for sessions in [json!([]), json!(["a b"]), json!(["s", "**"])] {
        let frame = json!({"type": "serve", "agent": "assistant", "sessions": sessions});
        let refused = worker.ask(frame).await;
        assert_eq!(refused["type"], "refused", "{sessions}");
        assert_eq!(refused["error"]["code"], "invalid", "{sessions}");
    }
    serve(&mut worker, json!({"sessions": ["s", "shop-*", "*"]})).await;
}

// DS-7.5
#[tokio::test]
async fn only_an_agent_serves() {
    let server = TestServer::start(&[]).await;
    let mut user = server.client("user/ann").await;
    for slots in [1, 0] {
        let refused =
            user.ask(json!({"type": "serve", "agent": "assistant", "slots": slots})).await;
        assert_eq!(refused["error"]["code"], "forbidden", "{refused}");
    }
    ask(&mut user, "s", "m", json!({})).await;
    assert!(wakes(&mut user).await.is_empty());
}

#[tokio::test]
async fn a_connection_serves_256_agents_and_another_one_in_place_of_one_of_them() {
    let server = TestServer::start(&[]).await;
    let mut worker = server.client("agent/one").await;
    let offer =
        |n: u32, slots: u32| json!({"type": "serve", "agent": format!("a{n}"), "slots": slots});
    for n in 0..256 {
        assert_eq!(worker.ask(offer(n, 1)).await["type"], "ack");
    }
    assert_eq!(worker.ask(offer(256, 1)).await["error"]["code"], "rate_limited");
    assert_eq!(worker.ask(offer(9, 2)).await["type"], "ack", "one of them");
    assert_eq!(worker.ask(offer(9, 0)).await["type"], "ack");
    assert_eq!(worker.ask(offer(256, 1)).await["type"], "ack");
}
