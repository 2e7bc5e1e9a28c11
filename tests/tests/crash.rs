//! A server that is killed again and again under all kinds of writers: what it acknowledged is in
//! the log, once, at the offset it was acknowledged with.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use durable_sessions_client::native::{Client, Options, Serve};
use durable_sessions_protocol::id::SessionId;
use durable_sessions_tests::agent::{count, counted};
use durable_sessions_tests::http::{self, Answer};
use durable_sessions_tests::process::Server;
use durable_sessions_tests::socket::Socket;
use durable_sessions_tests::{eventually, log};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};
use tokio::time::sleep;
use tokio_tungstenite::tungstenite::Error;

const SERVER: &str = env!("CARGO_BIN_EXE_server-under-test");

const ROUNDS: u64 = 25;
/// Publishes that a writer makes even in the shortest round.
const PUBLISHES_MIN: u64 = 5;
/// Most events of one publish.
const EVENTS_MAX: u64 = 3;
/// Publishes that the raw socket has in flight.
const WINDOW: usize = 4;
/// One in so many acknowledged publishes is sent once more.
const REPEAT_ONE_IN: u32 = 6;
/// A dead server refuses connections at once: this is the pause between tries.
const RETRY_PAUSE: Duration = Duration::from_millis(5);
/// How many numbers an agent counts in a round.
const NUMBERS: u32 = 40;

/// What a writer was told: the offset of each of its events, in the order of writing.
type Acknowledged = (String, Vec<u64>);

/// What writers of one round share.
#[derive(Clone)]
struct Round {
    server: SocketAddr,
    session: String,
    seed: u64,
    /// No more kills come: finish.
    is_calm: Arc<AtomicBool>,
    /// Retries of all writers; a test without any has tested nothing.
    retries: Arc<AtomicU32>,
}

impl Round {
    /// Whether a writer has another publish to make.
    fn goes_on(&self, publishes: u64) -> bool {
        publishes < PUBLISHES_MIN || !self.is_calm.load(Ordering::Relaxed)
    }

    fn random(&self, writer: &str) -> StdRng {
        let salt =
            writer.bytes().fold(7, |salt: u64, byte| salt.wrapping_mul(31) + u64::from(byte));
        StdRng::seed_from_u64(self.seed ^ salt)
    }

    async fn retry(&self) {
        self.retries.fetch_add(1, Ordering::Relaxed);
        sleep(RETRY_PAUSE).await;
    }

    /// Posts until there is an answer that is one.
    async fn post(&self, headers: &[(&str, &str)], body: &Value) -> Answer {
        let path = format!("/v1/sessions/{}/events", self.session);
        loop {
            match http::post(self.server, &path, headers, body).await {
                Ok(answer) if answer.status.is_success() => return answer,
                Ok(answer) => assert!(answer.is_retryable(), "{answer:?}"),
                Err(_) => {}
            }
            self.retry().await;
        }
    }
}

/// The event of a writer's n-th place.
fn event(writer: &str, place: u64) -> Value {
    json!({"kind": "data", "name": "n", "data": [writer, place]})
}

/// HTTP with producer headers: the same `Producer-Seq` until it is answered.
async fn http_producer(round: Round) -> Acknowledged {
    let writer = "http-producer";
    let mut random = round.random(writer);
    let mut offsets: Vec<u64> = Vec::new();
    let mut seq = 0;
    while round.goes_on(seq) {
        let count = random.random_range(1..=EVENTS_MAX);
        let place = offsets.len() as u64;
        let events: Value = (place..place + count).map(|place| event(writer, place)).collect();
        let number = seq.to_string();
        let headers = [
            ("producer-id", writer),
            ("producer-epoch", "0"),
            ("producer-seq", number.as_str()),
            ("session-as", "agent/http"),
        ];
        let last = round.post(&headers, &events).await.offset();
        if random.random_ratio(1, REPEAT_ONE_IN) {
            let again = round.post(&headers, &events).await;
            assert_eq!((again.status.as_u16(), again.offset()), (204, last), "a duplicate");
        }
        offsets.extend(last + 1 - count..=last);
        seq += 1;
    }
    (writer.to_owned(), offsets)
}

/// HTTP without producer headers: the same id until it is answered.
async fn http_user(round: Round) -> Acknowledged {
    let writer = "http-user";
    let mut random = round.random(writer);
    let mut offsets = Vec::new();
    while round.goes_on(offsets.len() as u64) {
        let place = offsets.len() as u64;
        let mut event = event(writer, place);
        event["id"] = format!("{writer}-{place}").into();
        let offset = round.post(&[], &event).await.offset();
        if random.random_ratio(1, REPEAT_ONE_IN) {
            assert_eq!(round.post(&[], &event).await.offset(), offset, "the same id again");
        }
        offsets.push(offset);
    }
    (writer.to_owned(), offsets)
}

/// A producer on a WebSocket by hand, with several publishes in flight. After a cut it attaches
/// with its epoch and sends again what was not answered.
async fn socket_producer(round: Round) -> Acknowledged {
    let mut producer = SocketProducer {
        random: round.random(SocketProducer::ID),
        round,
        epoch: None,
        publishes: Vec::new(),
        answered: 0,
    };
    while let Err(_cut) = producer.write().await {
        producer.round.retry().await;
    }
    let offsets = producer.publishes.iter().flat_map(|publish| {
        let first = publish.first.expect("every publish was answered");
        first..first + publish.count
    });
    (SocketProducer::ID.to_owned(), offsets.collect())
}

struct SocketProducer {
    round: Round,
    random: StdRng,
    epoch: Option<u64>,
    /// By sequence number.
    publishes: Vec<Publish>,
    /// The first sequence number without an answer.
    answered: usize,
}

struct Publish {
    place: u64,
    count: u64,
    first: Option<u64>,
}

impl SocketProducer {
    const ID: &str = "socket-producer";

    async fn write(&mut self) -> Result<(), Error> {
        let mut socket = Socket::hello(self.round.server, "agent/raw").await?;
        let mut claim = json!({"id": Self::ID});
        if let Some(epoch) = self.epoch {
            claim["epoch"] = epoch.into();
        }
        let session = self.round.session.clone();
        let attach = json!({
            "type": "attach", "request": 0, "session": session, "last": 0, "producer": claim,
        });
        socket.send(&attach).await?;
        let granted = socket.until("attached").await?["producer"].take();
        let next = usize::try_from(granted["seq"].as_u64().unwrap()).unwrap();
        let is_ours = (self.answered..=self.publishes.len()).contains(&next);
        assert!(is_ours, "granted {granted}, answered {}", self.answered);
        self.epoch = granted["epoch"].as_u64();

        let mut sent = self.answered;
        loop {
            while sent < self.answered + WINDOW && self.has_publish(sent) {
                let frame = self.frame(sent);
                socket.send(&frame).await?;
                sent += 1;
            }
            if sent == self.answered {
                return Ok(());
            }
            let ack = self.answer(&mut socket).await?;
            let seq = usize::try_from(ack["request"].as_u64().unwrap()).unwrap();
            self.publishes[seq].first = ack["first"].as_u64();
            let unanswered = self.publishes.iter().position(|publish| publish.first.is_none());
            self.answered = unanswered.unwrap_or(self.publishes.len());
            if sent == self.answered && self.random.random_ratio(1, REPEAT_ONE_IN) {
                let frame = self.frame(seq);
                socket.send(&frame).await?;
                let again = self.answer(&mut socket).await?;
                assert_eq!(again["first"], ack["first"], "a duplicate");
            }
        }
    }

    /// Whether there is a publish of this number, which may be a new one.
    fn has_publish(&mut self, seq: usize) -> bool {
        if seq < self.publishes.len() {
            return true;
        }
        let goes_on = self.round.goes_on(seq as u64);
        if goes_on {
            let place = self.publishes.last().map_or(0, |last| last.place + last.count);
            let count = self.random.random_range(1..=EVENTS_MAX);
            self.publishes.push(Publish { place, count, first: None });
        }
        goes_on
    }

    fn frame(&self, seq: usize) -> Value {
        let Publish { place, count, .. } = self.publishes[seq];
        let events: Value = (place..place + count).map(|place| event(Self::ID, place)).collect();
        json!({
            "type": "publish", "request": seq, "session": self.round.session, "events": events,
            "producer": {"id": Self::ID, "epoch": self.epoch, "seq": seq},
        })
    }

    async fn answer(&self, socket: &mut Socket) -> Result<Value, Error> {
        loop {
            let frame = socket.next().await?;
            match frame["type"].as_str().unwrap() {
                "ack" => return Ok(frame),
                "refused" if frame["error"]["retryable"] == true => {
                    return Err(Error::ConnectionClosed);
                }
                "refused" => panic!("{frame}"),
                _ => {}
            }
        }
    }
}

/// A user on the native client, which does the retries itself.
async fn native_user(round: Round, client: Client) -> Acknowledged {
    let writer = "native-user";
    let session = client.session(&SessionId::parse(&round.session).unwrap()).await.unwrap();
    let mut offsets = Vec::new();
    while round.goes_on(offsets.len() as u64) {
        let place = offsets.len() as u64;
        let receipt = session.publish("n", &json!([writer, place])).await;
        offsets.push(receipt.expect("it is delivered in the end").offset.as_u64());
    }
    // It followed the session all the while: what it saw is what it wrote.
    let last = *offsets.last().unwrap();
    let seen = session.until(|transcript| (transcript.offset().as_u64() >= last).then_some(()));
    eventually("the client catches up", seen).await.unwrap();
    (writer.to_owned(), offsets)
}

/// A user asks and an agent on the native client answers. The ack of an HTTP retry is the check
/// that the question was asked once.
async fn question(round: Round) -> Acknowledged {
    let question = json!({"kind": "message", "id": "question", "role": "user", "text": "count"});
    let offset = round.post(&[], &question).await.offset();
    ("question".to_owned(), vec![offset])
}

/// Kills the server once or twice at random moments, now and then while it starts.
async fn kills(server: &mut Server, random: &mut StdRng, clients: &[Client]) {
    for _ in 0..random.random_range(1..=2) {
        sleep(Duration::from_micros(random.random_range(0..150_000))).await;
        server.kill().await;
        if random.random_ratio(1, 4) {
            let after = Duration::from_micros(random.random_range(0..100_000));
            server.restart_and_kill(after).await;
        }
        server.restart().await;
        for client in clients {
            // As a person would: the pauses of a client that was often cut off are for outages.
            client.reconnect().await;
        }
    }
}

/// Every acknowledged event stands where it was acknowledged, and nothing else of its writer does.
fn check(events: &[Value], acknowledged: &[Acknowledged]) {
    let mut written: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
    for event in events {
        let offset = event["offset"].as_u64().unwrap();
        match event["kind"].as_str().unwrap() {
            "data" => {
                let writer = event["data"][0].as_str().unwrap();
                let places = written.entry(writer).or_default();
                assert_eq!(event["data"][1], places.len() as u64, "{writer} keeps its order");
                places.push(offset);
            }
            "message" => written.entry("question").or_default().push(offset),
            _ => {}
        }
    }
    for (writer, offsets) in acknowledged {
        assert_eq!(&written[writer.as_str()], offsets, "{writer}");
    }
    assert_eq!(written.len(), acknowledged.len(), "nobody else wrote");
}

/// The run that answered the question: started once, whole, and ended once.
fn check_answer(events: &[Value]) {
    let started: Vec<&Value> = events.iter().filter(|it| it["kind"] == "run.started").collect();
    let [started] = started[..] else { panic!("one run answers: {started:?}") };
    let run = started["run"].as_str().unwrap();
    assert_eq!(log::text(events, run), counted(NUMBERS), "the agent's words");
    let ended: Vec<&Value> = events.iter().filter(|it| it["kind"] == "run.ended").collect();
    let [ended] = ended[..] else { panic!("one end: {ended:?}") };
    assert_eq!(ended["outcome"], "completed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_is_there_once_after_the_server_is_killed() {
    kill_under_writers(&[]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_is_there_once_also_when_sessions_come_and_go_and_start_from_checkpoints() {
    kill_under_writers(&["--idle-unload-ms", "0", "--checkpoint-min-entries", "3"]).await;
}

async fn kill_under_writers(flags: &'static [&'static str]) {
    let seed = match std::env::var("SEED") {
        Ok(seed) => seed.parse().expect("SEED is a number"),
        Err(_) => rand::random(),
    };
    println!("SEED={seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let began = Instant::now();
    let data = tempfile::tempdir().unwrap();
    let mut server = Server::start_with(SERVER, data.path(), flags).await;

    let user = Client::connect(&server.url(), Options::user("ada")).unwrap();
    let agent = Client::connect(&server.url(), Options::agent("counter")).unwrap();
    let pace = Duration::from_millis(5);
    let _worker = agent.serve("assistant", Serve::default(), move |run| count(run, NUMBERS, pace));
    let clients = [user.clone(), agent.clone()];

    let retries = Arc::new(AtomicU32::new(0));
    let mut logs = Vec::new();
    for number in 0..ROUNDS {
        let round = Round {
            server: server.address(),
            session: format!("round-{number}"),
            seed: random.random(),
            is_calm: Arc::default(),
            retries: retries.clone(),
        };
        let writers = [
            tokio::spawn(http_producer(round.clone())),
            tokio::spawn(http_user(round.clone())),
            tokio::spawn(socket_producer(round.clone())),
            tokio::spawn(native_user(round.clone(), user.clone())),
            tokio::spawn(question(round.clone())),
        ];
        kills(&mut server, &mut random, &clients).await;
        round.is_calm.store(true, Ordering::Relaxed);
        let mut acknowledged = Vec::new();
        for writer in writers {
            acknowledged.push(eventually("a writer is done", writer).await.unwrap());
        }
        let ended = log::until(server.address(), &round.session, |events| {
            events.iter().any(|event| event["kind"] == "run.ended").then(|| events.to_vec())
        });
        let events = eventually("the run has ended", ended).await;
        check(&events, &acknowledged);
        check_answer(&events);
        logs.push((round.session, events));
    }

    server.kill().await;
    server.restart().await;
    for (session, before) in &logs {
        let after = log::read(server.address(), session).await;
        assert_eq!(&after, before, "{session}: the log stays as it was read");
    }
    let events: usize = logs.iter().map(|(_, events)| events.len()).sum();
    let retries = retries.load(Ordering::Relaxed);
    println!("{events} events, {retries} retries in {:?}", began.elapsed());
    assert!(retries > 0, "no kill hit a writer");
}
