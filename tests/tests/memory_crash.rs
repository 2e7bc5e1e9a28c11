//! Crashes of a store that forgets every batch whose sync had not returned: nothing that was
//! answered is gone, and nothing is there twice.

use std::sync::Arc;
use std::time::Duration;

use durable_sessions_protocol::error::ErrorCode;
use durable_sessions_protocol::event::{Draft, Principal};
use durable_sessions_protocol::frame::ProducerSeq;
use durable_sessions_protocol::id::{Id, SessionId};
use durable_sessions_protocol::offset::Offset;
use durable_sessions_server::hub::{Hub, HubConfig, Publish, Published, Refusal, Writer};
use durable_sessions_server::log::MemoryStore;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::Value;

const SESSIONS: usize = 3;
const PRODUCERS: usize = 4;
const PUBLISHES: u64 = 60;

fn session(number: usize) -> SessionId {
    SessionId::parse(&format!("s{}", number % SESSIONS)).unwrap()
}

/// One try: `None` when the server died before it answered.
async fn publish(hub: &Hub, producer: usize, seq: u64) -> Option<Result<Published, Refusal>> {
    let session = hub.session(&session(producer)).await.ok()?;
    let event = format!(r#"{{"kind":"data","name":"n","data":[{producer},{seq}]}}"#);
    let answer = session.publish(Publish {
        writer: Writer { principal: Principal::parse("agent/a").unwrap(), connection: None },
        log: None,
        producer: Some(ProducerSeq {
            id: Id::parse(&format!("p{producer}")).unwrap(),
            epoch: 0,
            seq,
        }),
        declare_epoch: true,
        drafts: Ok(vec![Draft::parse(&event).unwrap()]),
    });
    answer.await.await.ok()
}

async fn write_all(hub: Hub, producer: usize) -> Vec<Offset> {
    let mut acknowledged = Vec::new();
    for seq in 0..PUBLISHES {
        loop {
            match publish(&hub, producer, seq).await {
                Some(Ok(published)) => break acknowledged.push(published.first),
                Some(Err(refusal)) => assert_eq!(refusal.problem.code, ErrorCode::Unavailable),
                None => tokio::time::sleep(Duration::from_millis(1)).await,
            }
        }
    }
    acknowledged
}

async fn read_all(hub: &Hub, session: &SessionId) -> Vec<Value> {
    let mut reader = hub.existing(session).await.unwrap().reader(Offset::ZERO);
    let mut events = Vec::new();
    while let Some(chunk) = reader.poll_page(1 << 20).await.unwrap() {
        events.extend(chunk.events().map(|event| serde_json::from_str::<Value>(event).unwrap()));
    }
    events
}

async fn round(seed: u64) {
    let mut random = StdRng::seed_from_u64(seed);
    let store = Arc::new(MemoryStore::new());
    let mut config = HubConfig::new(Id::parse("assistant").unwrap());
    if seed % 2 == 1 {
        // Sessions come and go all the while, and start from checkpoints.
        config.idle_unload_ms = 0;
        config.checkpoint_min_entries = seed;
    }
    let hub = Hub::open(store.clone(), config).await.unwrap();
    let writers: Vec<_> =
        (0..PRODUCERS).map(|producer| tokio::spawn(write_all(hub.clone(), producer))).collect();
    let chaos = async {
        loop {
            store.hold_sync();
            store.until_waiting(1).await;
            tokio::time::sleep(Duration::from_micros(random.random_range(0..2000))).await;
            if random.random_bool(0.5) {
                store.crash();
            } else {
                store.crash_keeping_writes();
            }
            store.release_sync();
            tokio::time::sleep(Duration::from_micros(random.random_range(0..3000))).await;
        }
    };
    let done = async {
        let mut acknowledged = Vec::new();
        for writer in writers {
            acknowledged.push(writer.await.unwrap());
        }
        acknowledged
    };
    let acknowledged = tokio::select! {
        acknowledged = done => acknowledged,
        () = chaos => unreachable!(),
    };
    store.release_sync();
    // The last crash may have come after the last answer.
    while hub.existing(&session(0)).await.is_err() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let mut total = 0;
    for number in 0..SESSIONS {
        let events = read_all(&hub, &session(number)).await;
        total += events.len() as u64;
        for (index, event) in events.iter().enumerate() {
            assert_eq!(event["offset"], index as u64 + 1, "seed {seed}: offsets are dense");
            let producer = usize::try_from(event["data"][0].as_u64().unwrap()).unwrap();
            let seq = usize::try_from(event["data"][1].as_u64().unwrap()).unwrap();
            let offset = acknowledged[producer][seq].as_u64();
            assert_eq!(event["offset"], offset, "seed {seed}: each where it was acknowledged");
        }
    }
    assert_eq!(total, PRODUCERS as u64 * PUBLISHES, "seed {seed}: none gone, none twice");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_answered_survives_a_crash_that_forgets_what_was_not_synced() {
    for seed in 0..25 {
        tokio::time::timeout(Duration::from_secs(60), round(seed)).await.expect("a round hangs");
    }
}
