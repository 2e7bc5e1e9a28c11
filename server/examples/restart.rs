//! How long a server takes to start over many sessions whose clocks run, each of them in memory before
//! it serves: `cargo run --release --example restart [DIRECTORY] [SESSIONS] [DELTAS]`.

use std::error::Error;
use std::io::Write as _;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Instant;

use durable_sessions_protocol::event::{Draft, Principal};
use durable_sessions_protocol::frame::ProducerSeq;
use durable_sessions_protocol::id::{Id, SessionId};
use durable_sessions_server::hub::{Hub, HubConfig, Publish, Writer};
use durable_sessions_server::log::EmbeddedStore;

const SESSIONS: &str = "5000";
/// Events of each session's one run, which has not ended.
const DELTAS: &str = "200";
/// Sessions that are written to at a time.
const WINDOW: usize = 256;
const STARTS: u32 = 5;

type Failure = Box<dyn Error + Send + Sync>;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let argument = |n: usize, or| arguments.get(n).map_or(or, String::as_str);
    let (sessions, deltas) = (argument(1, SESSIONS), argument(2, DELTAS));
    match arguments.get(3).map(String::as_str) {
        Some("fill") => fill(Path::new(argument(0, ".")), sessions.parse()?, deltas.parse()?).await,
        Some(_) => start(Path::new(argument(0, "."))).await,
        None => {
            let parent = Path::new(argument(0, "."));
            let directory = parent.join(format!("restart-{}", std::process::id()));
            let result = (0..=STARTS).try_for_each(|n| {
                // Each in a process of its own: nothing of it is in memory.
                let mut this = Command::new(std::env::current_exe()?);
                let step = if n == 0 { "fill" } else { "start" };
                this.arg(&directory).args([sessions, deltas, step]);
                if this.status()?.success() { Ok(()) } else { Err("a step failed".into()) }
            });
            // A step that failed may have left nothing to remove, and is what there is to tell.
            let removed = std::fs::remove_dir_all(&directory);
            result.and(removed.map_err(Failure::from))
        }
    }
}

async fn fill(directory: &Path, sessions: usize, deltas: usize) -> Result<(), Failure> {
    let hub = open(directory).await?.0;
    let numbers: Vec<usize> = (0..sessions).collect();
    for window in numbers.chunks(WINDOW) {
        let mut answers = Vec::new();
        for n in window {
            let session = hub.session(&SessionId::parse(&format!("session-{n}"))?).await?;
            answers.push(session.publish(publish(deltas)?).await);
        }
        for answer in answers {
            answer.await?.map_err(|refusal| refusal.problem.to_string())?;
        }
    }
    Ok(())
}

fn publish(deltas: usize) -> Result<Publish, Failure> {
    let start = r#"{"kind":"run.started","run":"r","agent":"a","lease_ms":3600000}"#;
    let delta = r#"{"kind":"delta","run":"r","message":"m","text":"a word "}"#;
    let texts = std::iter::once(start).chain(std::iter::repeat_n(delta, deltas));
    let drafts: Result<Vec<_>, _> = texts.map(Draft::parse).collect();
    let principal = Principal::parse("agent/bench").ok_or("a principal")?;
    Ok(Publish {
        writer: Writer { principal, connection: None },
        log: None,
        producer: Some(ProducerSeq { id: Id::parse("p")?, epoch: 0, seq: 0 }),
        declare_epoch: true,
        drafts: Ok(drafts?),
    })
}

async fn start(directory: &Path) -> Result<(), Failure> {
    let begin = Instant::now();
    let (_hub, config) = open(directory).await?;
    let (time, sessions) = (begin.elapsed(), config.sessions.value());
    writeln!(std::io::stdout(), "{sessions} sessions in memory in {time:.2?}")?;
    Ok(())
}

async fn open(directory: &Path) -> Result<(Hub, HubConfig), Failure> {
    let config = HubConfig::new(Id::parse("assistant")?);
    let hub = Hub::open(Arc::new(EmbeddedStore::open(directory)?), config.clone()).await?;
    Ok((hub, config))
}
