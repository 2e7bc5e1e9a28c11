//! The newest messages without what is before them, and pages of that.

use std::net::SocketAddr;

use durable_sessions_protocol::fold::Transcript;
use durable_sessions_protocol::id::LogId;
use serde_json::{Value, json};

use crate::support::{Client, Request, TestServer};

/// An agent that writes to session `s`.
struct Agent {
    client: Client,
    seq: u64,
}

impl Agent {
    async fn new(server: &TestServer) -> Self {
        let mut client = server.client("agent/a").await;
        let attach = json!({"type": "attach", "session": "s", "producer": {"id": "p"}, "last": 0});
        assert_eq!(client.ask(attach).await["type"], "attached");
        Self { client, seq: 0 }
    }

    /// Publishes events; whether the rules allowed them.
    async fn write(&mut self, events: Vec<Value>) -> bool {
        let producer = json!({"id": "p", "epoch": 1, "seq": self.seq});
        self.seq += 1;
        let publish =
            json!({"type": "publish", "session": "s", "producer": producer, "events": events});
        self.client.ask(publish).await["type"] == "ack"
    }
}

async fn get(address: SocketAddr, query: &str) -> Value {
    let path = format!("/v1/sessions/s/transcript?{query}");
    let reply = Request::get(&path).send(address).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    serde_json::from_str(&reply.text()).unwrap()
}

/// Reads again when something happened meanwhile: the server ends stopped runs in its own time.
async fn at_rest<T>(address: SocketAddr, read: impl AsyncFn() -> T) -> T {
    loop {
        let before = get(address, "last=1").await["offset"].clone();
        let read = read().await;
        if get(address, "last=1").await["offset"] == before {
            return read;
        }
    }
}

/// The newest messages and all pages before them.
async fn pages(address: SocketAddr, last: usize) -> Vec<Value> {
    let mut pages = vec![get(address, &format!("last={last}")).await];
    while let Some(page) = pages.last().filter(|page| page["hasOlder"] == true) {
        let first = page["first"].as_u64().unwrap();
        pages.push(get(address, &format!("last={last}&before={first}")).await);
    }
    pages
}

/// Puts pages of so many messages together.
fn joined(pages: &[Value], last: usize) -> Transcript {
    let mut transcript = Transcript::resume(&pages[0]).unwrap();
    for older in &pages[1..] {
        assert!(transcript.older(older), "nothing happened meanwhile: {older}");
    }
    let (oldest, others) = pages.split_last().unwrap();
    for page in others {
        assert_eq!(page["messages"].as_array().unwrap().len(), last, "{page}");
    }
    assert_eq!(oldest["first"], 1);
    transcript
}

/// The transcript without what only says how it was read.
fn plain(transcript: &Value) -> Value {
    let mut plain = transcript.clone();
    for name in ["first", "unlisted"] {
        plain.as_object_mut().unwrap().remove(name);
    }
    fn strip(runs: &mut Value) {
        for run in runs.as_array_mut().unwrap() {
            run.as_object_mut().unwrap().remove("place");
            strip(&mut run["children"]);
        }
    }
    strip(&mut plain["runs"]);
    strip(&mut plain["active"]);
    plain
}

/// Numbers that are the same in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}

/// Something happens, or is refused.
async fn step(n: u64, dice: &mut Dice, user: &mut Client, agent: &mut Agent) {
    let run = format!("r{}", dice.roll(n / 6 + 1));
    match dice.roll(12) {
        0 | 1 => {
            let replaces = (dice.roll(3) == 0).then(|| format!("u{}", dice.roll(n + 1)));
            let message = json!({"kind": "message", "id": format!("u{n}"), "role": "user",
                "text": format!("say {n}"), "to": null, "replaces": replaces});
            user.publish("s", message).await;
        }
        2 => {
            let parent = (dice.roll(2) == 0).then(|| run.clone());
            let id = format!("r{}", n / 6);
            let started = json!({"kind": "run.started", "run": id, "agent": "a", "parent": parent});
            agent.write(vec![started]).await;
        }
        3 => {
            let outcome = if dice.roll(2) == 0 { "completed" } else { "failed" };
            let ended = json!({"kind": "run.ended", "run": run, "outcome": outcome, "usage": n});
            agent.write(vec![ended]).await;
        }
        4 => {
            let steer = json!({"kind": "steer", "id": format!("t{n}"), "run": run, "text": "left"});
            user.publish("s", steer).await;
        }
        5 => {
            let used = json!({"kind": "input.state", "id": format!("t{}", dice.roll(n + 1)), "state": "used"});
            agent.write(vec![used]).await;
        }
        6 => {
            let ask =
                json!({"kind": "run.suspended", "run": run, "ask": format!("k{n}"), "body": n});
            agent.write(vec![ask]).await;
        }
        7 => {
            let answer = json!({"kind": "run.resumed", "run": run, "ask": format!("k{}", dice.roll(n + 1)), "answer": true});
            user.publish("s", answer).await;
        }
        8 if dice.roll(4) == 0 => {
            user.publish("s", json!({"kind": "stop.requested", "id": format!("s{n}"), "run": run}))
                .await;
        }
        _ => {
            let message = format!("{run}-{}", dice.roll(2));
            let deltas = (0..4).map(|k| {
                json!({"kind": "delta", "run": run, "message": message, "part": dice.roll(2), "text": format!("{n}.{k} ")})
            });
            agent.write(deltas.collect()).await;
        }
    }
}

#[tokio::test]
async fn the_newest_messages_and_the_pages_before_them_are_the_whole_transcript() {
    for seed in 0..4 {
        let server = TestServer::start(&[]).await;
        let mut agent = Agent::new(&server).await;
        let mut user = server.client("user/ann").await;
        let mut dice = Dice(seed);
        // Set long before most parts begin.
        let titled = json!({"kind": "session.updated", "title": "Spring"});
        let publish = json!({"type": "publish", "session": "s", "events": [titled]});
        assert_eq!(user.ask(publish).await["type"], "ack");
        for n in 0..240 {
            step(n, &mut dice, &mut user, &mut agent).await;
            if n % 40 != 39 {
                continue;
            }
            const LAST: [usize; 3] = [1, 2, 7];
            let address = server.address;
            let (whole, newest, paged) = at_rest(address, async || {
                let whole = plain(&get(address, "").await);
                let newest = get(address, "last=5").await;
                let mut paged = Vec::new();
                for last in LAST {
                    paged.push(pages(address, last).await);
                }
                (whole, newest, paged)
            })
            .await;
            let count = whole["messages"].as_array().unwrap().len();
            let from = count.saturating_sub(5);
            assert_eq!(
                newest["messages"].as_array().unwrap()[..],
                whole["messages"].as_array().unwrap()[from..]
            );
            // Every open run is there; what worked for it and has ended comes with its page.
            let open = |of: &Value| -> Vec<Value> {
                let runs = of["active"].as_array().unwrap().iter();
                runs.map(|run| json!([run["id"], run["state"], run["asks"], run["parent"]]))
                    .collect()
            };
            assert_eq!(open(&newest), open(&whole));
            for (pages, last) in paged.iter().zip(LAST) {
                assert_eq!(pages.len(), count.div_ceil(last).max(1));
                let transcript = joined(pages, last);
                assert_eq!(transcript.to_json(), whole, "seed {seed}, step {n}, by {last}");
            }
        }
    }
}

#[tokio::test]
async fn a_page_goes_on_with_what_happens_after_it() {
    let server = TestServer::start(&[]).await;
    let mut agent = Agent::new(&server).await;
    let mut user = server.client("user/ann").await;
    let mut dice = Dice(7);
    for n in 0..100 {
        step(n, &mut dice, &mut user, &mut agent).await;
    }
    let newest = get(server.address, "last=4").await;
    let mut transcript = Transcript::resume(&newest).unwrap();
    for n in 100..200 {
        step(n, &mut dice, &mut user, &mut agent).await;
    }
    let position = json!({"log": newest["log"], "offset": newest["offset"]});
    let attached = user.ask(json!({"type": "attach", "session": "s", "position": position})).await;
    assert_eq!(attached["type"], "attached");
    let address = server.address;
    let (older, whole) = at_rest(address, async || {
        let mut older = vec![newest.clone()];
        while let Some(page) = older.last().filter(|page| page["hasOlder"] == true) {
            let query = format!("last=9&before={}", page["first"]);
            older.push(get(address, &query).await);
        }
        (older, get(address, "").await)
    })
    .await;
    while transcript.offset().as_u64() < whole["offset"].as_u64().unwrap() {
        let events = user.frame_of("events").await;
        events["events"].as_array().unwrap().iter().for_each(|event| transcript.apply(event));
    }
    for page in &older[1..] {
        assert!(transcript.older(page), "it is of now");
    }
    assert_eq!(transcript.to_json(), plain(&whole));
}

#[tokio::test]
async fn pages_name_what_is_hidden_in_them_since_it_may_be_replaced_again() {
    let server = TestServer::start(&[]).await;
    let mut user = server.client("user/ann").await;
    let message = |id: &str, replaces: Option<&str>| json!({"kind": "message", "id": id, "role": "user", "to": null, "text": "x", "replaces": replaces});
    for (id, replaces) in [("a", None), ("b", None), ("c", Some("b")), ("d", None)] {
        user.publish("s", message(id, replaces)).await;
    }
    // `b` stands behind the last message of its page.
    let mut behind = joined(&pages(server.address, 1).await, 1);
    user.publish("s", message("e", Some("b"))).await;
    behind.apply(&json!({"offset": 5, "kind": "message", "id": "e", "role": "user", "text": "x", "replaces": "b"}));
    assert_eq!(behind.messages().len(), 2);

    user.publish("s", message("f", None)).await;
    let newest = get(server.address, "last=1").await;
    let mut transcript = Transcript::resume(&newest).unwrap();
    let edits = [("g", "a"), ("h", "c")];
    for (offset, (id, replaces)) in (7..).zip(edits) {
        if offset == 8 {
            // Nothing is shown of the page any more.
            let page = get(server.address, "last=9&before=6").await;
            assert_eq!((&page["messages"], &page["first"]), (&json!([]), &json!(1)));
            assert!(transcript.older(&page));
        }
        user.publish("s", message(id, Some(replaces))).await;
        transcript.apply(&json!({"offset": offset, "kind": "message", "id": id, "role": "user", "text": "x", "replaces": replaces}));
    }
    let shown: Vec<_> = transcript.messages().iter().map(|message| &*message.id).collect();
    assert_eq!(shown, ["h"]);
    assert_eq!(get(server.address, "").await["messages"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn an_attach_begins_with_the_nth_last_message() {
    let server = TestServer::start(&[]).await;
    let mut agent = Agent::new(&server).await;
    agent.write(vec![json!({"kind": "run.started", "run": "r", "agent": "a"})]).await;
    for n in 0..10 {
        let delta = |part: u64| json!({"kind": "delta", "run": "r", "message": format!("m{n}"), "part": part, "text": "x"});
        agent.write((0..10).map(delta).collect()).await;
    }
    let mut user = server.client("user/ann").await;
    let message = |id: &str, replaces: Option<&str>| json!({"kind": "message", "id": id, "role": "user", "to": null, "text": "x", "replaces": replaces});
    // Hides m7 to m9; of those the transcript has seven and this.
    user.publish("s", message("u1", Some("m7"))).await;
    for (last, first) in [(1, 102), (2, 62), (8, 2), (9, 1), (1000, 1)] {
        let mut client = server.client("user/late").await;
        let attached = client.ask(json!({"type": "attach", "session": "s", "last": last})).await;
        assert_eq!(attached["tail"], 102);
        // All shown: from the start, with what stands before the first message.
        let begins = if last >= 8 { 1 } else { first };
        if begins > 1 {
            let reset = client.frame_of("reset").await;
            assert_eq!((&reset["first"], &reset["log"]), (&json!(begins), &attached["log"]));
        }
        let events = client.frame_of("events").await;
        assert_eq!(events["first"], begins, "last {last}");
        let log = LogId::parse(attached["log"].as_str().unwrap()).unwrap();
        let begins = serde_json::from_value(json!(begins)).unwrap();
        let mut transcript = Transcript::part(log, begins);
        events["events"].as_array().unwrap().iter().for_each(|event| transcript.apply(event));
        assert_eq!(transcript.messages().len(), last.min(8));
    }
    let mut client = server.client("user/late").await;
    let attach =
        json!({"type": "attach", "session": "s", "last": 1, "position": {"log": "l", "offset": 1}});
    assert_eq!(client.ask(attach).await["error"]["code"], "invalid");
    // An empty session has no messages to begin with.
    assert_eq!(client.ask(json!({"type": "attach", "session": "t", "last": 3})).await["tail"], 0);
}

#[tokio::test]
async fn the_newest_20_of_1_000_messages_cost_a_twentieth_of_the_log() {
    let server = TestServer::start(&[]).await;
    let mut agent = Agent::new(&server).await;
    let mut log_bytes = 0;
    for turn in 0..500 {
        let run = format!("r{turn}");
        let mut events = vec![
            json!({"kind": "run.started", "run": run, "agent": "a"}),
            json!({"kind": "message", "id": format!("q{turn}"), "role": "assistant", "run": run, "text": "question"}),
        ];
        events.extend((0..100).map(|n| {
            json!({"kind": "delta", "run": run, "message": format!("m{turn}"), "text": format!("word {n} ")})
        }));
        events.push(json!({"kind": "run.ended", "run": run, "outcome": "completed"}));
        log_bytes += events.iter().map(|event| event.to_string().len() + 60).sum::<usize>();
        assert!(agent.write(events).await);
    }
    let mut client = server.client("user/late").await;
    let attached = client.ask(json!({"type": "attach", "session": "s", "last": 20})).await;
    let (mut read, mut at) = (0, json!(0));
    while at != attached["tail"] {
        let frame = client.frame_of("events").await;
        read += frame.to_string().len();
        at = frame["last"].clone();
    }
    let newest = get(server.address, "last=20").await;
    let body = newest.to_string().len();
    println!("log: {log_bytes} bytes; attach last 20: {read}; transcript last 20: {body}");
    assert_eq!(newest["messages"].as_array().unwrap().len(), 20);
    assert!(read * 20 < log_bytes && body * 20 < log_bytes, "{read} and {body} of {log_bytes}");
}

#[tokio::test]
async fn what_is_no_part_of_a_transcript_is_refused() {
    let server = TestServer::start(&[]).await;
    let mut user = server.client("user/ann").await;
    let message = json!({"kind": "message", "id": "u", "role": "user", "text": "hi"});
    user.publish("s", message).await;
    for query in ["last=-1", "last=x", "last=1.5", "before=x", "before=99999999999999999999"] {
        let path = format!("/v1/sessions/s/transcript?{query}");
        assert_eq!(Request::get(&path).send(server.address).await.status, 400, "{query}");
    }
    for (query, count) in [("last=0", 0), ("before=1", 0), ("before=2&last=9", 1), ("before=77", 1)]
    {
        let json = get(server.address, query).await;
        assert_eq!(json["messages"].as_array().unwrap().len(), count, "{query}");
    }
}
