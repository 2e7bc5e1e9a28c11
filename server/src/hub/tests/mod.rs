//! Sessions come into memory and leave it.

mod checkpoints;
mod loads;
mod unload;

use std::sync::Arc;
use std::time::Duration;

use durable_sessions_protocol::event::{Draft, Principal};
use durable_sessions_protocol::frame::ProducerSeq;
use durable_sessions_protocol::id::{Id, SessionId};
use durable_sessions_protocol::offset::Offset;
use tokio::sync::oneshot;

use super::{Hub, HubConfig, Publish, Published, Refusal, Session, Writer};
use crate::log::LogStore;

fn id(text: &str) -> Id {
    Id::parse(text).unwrap()
}

fn session(name: &str) -> SessionId {
    SessionId::parse(name).unwrap()
}

/// A hub whose sessions leave after a minute, and what it was told.
async fn open(store: &Arc<impl LogStore>) -> (Hub, HubConfig) {
    open_with(store, |_| ()).await
}

async fn open_with(
    store: &Arc<impl LogStore>,
    change: impl FnOnce(&mut HubConfig),
) -> (Hub, HubConfig) {
    let mut config = HubConfig::new(id("assistant"));
    change(&mut config);
    (Hub::open(Arc::<_>::clone(store) as Arc<dyn LogStore>, config.clone()).await.unwrap(), config)
}

type Answer = Result<Published, Refusal>;

/// An event of the worker, over HTTP.
async fn publish(session: &Session, producer: Option<(&str, u64)>, event: &str) -> Answer {
    ask(session, producer, event).await.await.expect("an answer")
}

/// The same without waiting for the answer.
async fn ask(
    session: &Session,
    producer: Option<(&str, u64)>,
    event: &str,
) -> oneshot::Receiver<Answer> {
    let publish = Publish {
        writer: Writer { principal: Principal::parse("agent/w").unwrap(), connection: None },
        log: None,
        producer: producer.map(|(name, seq)| ProducerSeq { id: id(name), epoch: 0, seq }),
        declare_epoch: true,
        drafts: Ok(vec![Draft::parse(event).unwrap()]),
    };
    session.publish(publish).await
}

fn data(id: &str) -> String {
    format!(r#"{{"kind":"data","name":"n","id":"{id}","data":1}}"#)
}

async fn read_all(session: &Session) -> Vec<serde_json::Value> {
    let mut reader = session.reader(Offset::ZERO);
    let mut events = Vec::new();
    while let Some(chunk) = reader.poll_page(1 << 20).await.unwrap() {
        events.extend(chunk.events().map(|event| serde_json::from_str(event).unwrap()));
    }
    events
}

/// Lets time pass; the clock of these tests jumps when nobody has anything to do.
async fn pass(ms: u64) {
    tokio::time::sleep(Duration::from_millis(ms)).await;
}
