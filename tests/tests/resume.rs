//! Readers through a network that breaks: however often, each ends with the transcript that the
//! server has, and misses or repeats nothing on the way.

use std::net::SocketAddr;
use std::time::Duration;

use durable_sessions_client::core::Status;
use durable_sessions_client::native::{Client, Options, Serve, Session, Update};
use durable_sessions_protocol::id::SessionId;
use durable_sessions_protocol::limits::UNSEEN_MAX_BYTES;
use durable_sessions_tests::agent::{count, counted};
use durable_sessions_tests::process::Server;
use durable_sessions_tests::proxy::{Budget, Proxy};
use durable_sessions_tests::socket::Socket;
use durable_sessions_tests::{eventually, http, log};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

const SERVER: &str = env!("CARGO_BIN_EXE_server-under-test");

/// Connections of a torn network that are cut; those after them are whole.
const CUTS: usize = 40;
/// Seeds of torn networks.
const ROUNDS: u64 = 8;
const NUMBERS: u32 = 250;
const PACE: Duration = Duration::from_millis(4);

/// A network that cuts its first connections after a random number of bytes of either direction:
/// in the handshake, in a frame, behind thousands of them.
async fn torn(server: SocketAddr, seed: u64) -> Proxy {
    let mut random = StdRng::seed_from_u64(seed);
    let mut bytes = move || {
        let below = 1_usize << random.random_range(7..17);
        random.random_range(1..below)
    };
    let budget = move |number| match number {
        0..CUTS => Budget { up_bytes: bytes(), down_bytes: bytes() },
        _ => Budget::WHOLE,
    };
    Proxy::start(server, budget).await
}

/// A client on such a network, told each time that it may try again at once: its pauses are for
/// outages.
fn connect(network: &Proxy, options: Options) -> Client {
    let client = Client::connect(&network.url(), options).unwrap();
    let mut state = client.state();
    let impatient = client.clone();
    tokio::spawn(async move {
        while state.wait_for(|state| state.status == Status::Waiting).await.is_ok() {
            impatient.reconnect().await;
            if state.changed().await.is_err() {
                return;
            }
        }
    });
    client
}

async fn open(client: &Client, id: &str) -> Session {
    client.session(&SessionId::parse(id).unwrap()).await.unwrap()
}

/// Takes down what a session tells, up to the event of [`end`]. Fails the test unless each update
/// goes on where the one before it ended.
async fn record(session: &Session) -> JoinHandle<Vec<Value>> {
    let mut updates = session.events().await.unwrap();
    tokio::spawn(async move {
        let mut told: Vec<Value> = Vec::new();
        while told.last().is_none_or(|event| event["name"] != "end") {
            match updates.next().await.expect("the session is open") {
                Update::Reset { .. } => assert!(told.is_empty(), "a log begins once"),
                Update::Events { first, last, events } => {
                    assert_eq!(first.as_u64(), told.len() as u64 + 1, "no gap and no overlap");
                    told.extend(events);
                    assert_eq!(last.as_u64(), told.len() as u64, "each event once");
                }
                Update::Lagged => panic!("this reader keeps up"),
            }
        }
        told
    })
}

/// The last event of a session. Answers its offset.
async fn end(server: SocketAddr, id: &str) -> u64 {
    post(server, id, &json!({"kind": "data", "name": "end", "data": null})).await
}

async fn post(server: SocketAddr, id: &str, event: &Value) -> u64 {
    let answer = http::post(server, &format!("/v1/sessions/{id}/events"), &[], event).await;
    let answer = answer.unwrap();
    assert!(answer.status.is_success(), "{answer:?}");
    answer.offset()
}

/// The session's transcript at an offset, as the API gives it.
async fn transcript_at(session: &Session, offset: u64) -> Value {
    let reached = session
        .until(|transcript| (transcript.offset().as_u64() >= offset).then(|| transcript.to_json()));
    eventually("a reader catches up", reached).await.unwrap()
}

async fn converse_over_a_torn_network(server: SocketAddr, seed: u64) -> usize {
    let id = format!("torn-{seed}");
    let networks = (torn(server, seed).await, torn(server, !seed).await);
    let reader = connect(&networks.0, Options::user("ada"));
    let agent = connect(&networks.1, Options::agent("counter"));
    let offer = Serve { sessions: vec![id.clone()], slots: 1, ..Serve::default() };
    let worker = agent.serve("assistant", offer, move |run| count(run, NUMBERS, PACE));

    let session = open(&reader, &id).await;
    let told = record(&session).await;
    let input = eventually("the question arrives", session.send("count")).await.unwrap();
    let note = json!({"remember": "this"});
    let noted = eventually("a note arrives", session.publish("note", &note)).await.unwrap();
    let ended = log::until(server, &id, |events| {
        events.iter().any(|event| event["kind"] == "run.ended").then(|| events.to_vec())
    });
    let events = eventually("the answer is whole", ended).await;
    let started = log::find(&events, "run.started", "in_reply_to", input.id.as_str()).unwrap();
    assert_eq!(log::text(&events, started["run"].as_str().unwrap()), counted(NUMBERS));
    assert!(noted.offset > input.offset, "what one person says keeps its order");

    let last = end(server, &id).await;
    let told = eventually("the reader is told everything", told).await.unwrap();
    assert_eq!(told, log::read(server, &id).await, "seed {seed}");
    let transcript = transcript_at(&session, last).await;
    assert_eq!(transcript, log::transcript(server, &id).await, "seed {seed}");
    drop(worker);
    reader.close().await;
    agent.close().await;
    networks.0.connections() + networks.1.connections()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_is_cut_a_reader_ends_with_the_servers_transcript() {
    let seed: u64 = match std::env::var("SEED") {
        Ok(seed) => seed.parse().expect("SEED is a number"),
        Err(_) => rand::random(),
    };
    println!("SEED={seed}");
    let data = tempfile::tempdir().unwrap();
    let server = Server::start(SERVER, data.path()).await;
    let address = server.address();
    let rounds = (0..ROUNDS)
        .map(|round| tokio::spawn(converse_over_a_torn_network(address, seed.wrapping_add(round))));
    let mut connections = 0;
    for round in rounds.collect::<Vec<_>>() {
        connections += round.await.unwrap();
    }
    println!("{connections} connections");
    assert!(connections > 10 * usize::try_from(ROUNDS).unwrap(), "hardly anything was cut");
}

#[tokio::test]
async fn readers_agree_on_the_transcript_whenever_they_came() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::start(SERVER, data.path()).await;
    let (url, address) = (server.url(), server.address());
    let agent = Client::connect(&url, Options::agent("counter")).unwrap();
    let _worker = agent.serve("assistant", Serve::default(), |run| count(run, 40, PACE));
    let ada = Client::connect(&url, Options::user("ada")).unwrap();
    let bob = Client::connect(&url, Options::user("bob")).unwrap();
    let (ada, bob) = (open(&ada, "s").await, open(&bob, "s").await);
    let told = (record(&ada).await, record(&bob).await);
    for _ in 0..3 {
        let (one, two) = tokio::join!(ada.send("one"), bob.send("two"));
        assert_ne!(one.unwrap().offset, two.unwrap().offset);
    }
    let late = Client::connect(&url, Options::user("eve")).unwrap();
    let late = open(&late, "s").await;
    let all_ended = log::until(address, "s", |events| {
        let ended = events.iter().filter(|event| event["kind"] == "run.ended");
        (ended.count() == 6).then_some(())
    });
    eventually("six answers", all_ended).await;

    let last = end(address, "s").await;
    let events = log::read(address, "s").await;
    assert_eq!(eventually("ada is told", told.0).await.unwrap(), events);
    assert_eq!(eventually("bob is told", told.1).await.unwrap(), events);
    let transcript = log::transcript(address, "s").await;
    let later = Client::connect(&url, Options::user("zoe")).unwrap();
    for reader in [&ada, &bob, &late, &open(&later, "s").await] {
        assert_eq!(transcript_at(reader, last).await, transcript);
    }
}

#[tokio::test]
async fn a_slow_reader_holds_up_nobody_and_misses_nothing() {
    const EVENTS: u64 = 60;
    const EVENT_BYTES: usize = 64 * 1024;
    let data = tempfile::tempdir().unwrap();
    let server = Server::start(SERVER, data.path()).await;
    let address = server.address();
    let mut slow = Socket::hello(address, "user/slow").await.unwrap();
    for session in ["big", "small"] {
        slow.send(&json!({"type": "attach", "session": session})).await.unwrap();
        slow.until("attached").await.unwrap();
    }
    // Several times what sockets and windows hold, while the reader reads nothing.
    let data = "x".repeat(EVENT_BYTES);
    for _ in 0..EVENTS {
        post(address, "big", &json!({"kind": "data", "name": "n", "data": data})).await;
    }
    post(address, "small", &json!({"kind": "data", "name": "n", "data": "here"})).await;

    let mut offset = 0;
    let mut unseen = 0;
    let mut has_small = false;
    slow.send(&json!({"type": "ping", "request": 1})).await.unwrap();
    let mut pongs = 0;
    // What the server had to send before the second pong is what it sends unasked.
    while pongs < 2 || !has_small {
        let frame = eventually("frames", slow.next()).await.unwrap();
        match (frame["type"].as_str().unwrap(), frame["session"].as_str()) {
            ("events", Some("big")) => {
                unseen += frame["events"].to_string().len();
                offset = take(offset, &frame);
            }
            ("events", Some("small")) => has_small = true,
            ("pong", _) => {
                pongs += 1;
                slow.send(&json!({"type": "ping", "request": 2})).await.unwrap();
            }
            _ => {}
        }
    }
    assert!(offset > 0 && offset < EVENTS, "{offset} events of {EVENTS} unasked");
    assert!(unseen < UNSEEN_MAX_BYTES + 2 * EVENT_BYTES, "{unseen} bytes unasked");

    while offset < EVENTS {
        slow.send(&json!({"type": "seen", "session": "big", "offset": offset})).await.unwrap();
        let frame = eventually("the rest", slow.until("events")).await.unwrap();
        offset = take(offset, &frame);
    }
}

/// The cursor after a batch, which goes on where the one before it ended.
fn take(cursor: u64, batch: &Value) -> u64 {
    assert_eq!(batch["first"], cursor + 1, "no gap and no overlap");
    batch["last"].as_u64().unwrap()
}
