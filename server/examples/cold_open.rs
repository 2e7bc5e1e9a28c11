//! How long a session takes to come into memory, short or long, with a checkpoint and without; and
//! what one that has left keeps there:
//! `cargo run --release --example cold_open [DIRECTORY] [DELTAS]`.

use std::error::Error;
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use durable_sessions_protocol::event::{Draft, Principal};
use durable_sessions_protocol::frame::ProducerSeq;
use durable_sessions_protocol::id::{Id, SessionId};
use durable_sessions_protocol::offset::Offset;
use durable_sessions_server::hub::{Hub, HubConfig, Publish, Session, Writer};
use durable_sessions_server::log::{EmbeddedStore, Entry, LogStore};

const LONG_DELTAS: u64 = 1_000_000;
const SHORT_DELTAS: u64 = 1_000;
const MESSAGES: u64 = 20;
const PUBLISH_DELTAS: u64 = 100;
/// Publishes under way at a time.
const WINDOW: usize = 64;
const OPENS: u32 = 5;
/// Sessions that come and go, in waves.
const WAVE_SESSIONS: u32 = 20_000;
const WAVES: u32 = 6;

type Failure = Box<dyn Error + Send + Sync>;

/// What a process of this program does: each opens the store for itself.
const STEPS: [(&str, &str); 7] = [
    ("fill", "short"),
    ("fill", "long"),
    ("fill", UNMARKED),
    ("open", "short"),
    ("open", "long"),
    ("open", UNMARKED),
    ("waves", ""),
];
/// A session whose state is never written down.
const UNMARKED: &str = "long-without-checkpoints";

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let argument = |n: usize| arguments.get(n).map(String::as_str);
    if let (Some(step), Some(name), Some(directory)) = (argument(2), argument(3), argument(4)) {
        return run(step, name, Path::new(directory), deltas(argument(1))?).await;
    }
    let parent = argument(0).unwrap_or(".");
    let directory = Path::new(parent).join(format!("cold-open-{}", std::process::id()));
    let result = STEPS.iter().try_for_each(|(step, name)| {
        let times = if *step == "open" { OPENS } else { 1 };
        (0..times).try_for_each(|_| {
            let mut this = std::process::Command::new(std::env::current_exe()?);
            let number = deltas(argument(1))?.to_string();
            this.args([parent, &number, step, name]).arg(&directory);
            if this.status()?.success() { Ok(()) } else { Err("a step failed".into()) }
        })
    });
    std::fs::remove_dir_all(&directory)?;
    result
}

fn deltas(argument: Option<&str>) -> Result<u64, Failure> {
    Ok(argument.map_or(Ok(LONG_DELTAS), str::parse)?)
}

async fn run(step: &str, name: &str, directory: &Path, deltas: u64) -> Result<(), Failure> {
    let mut out = std::io::stdout();
    let store: Arc<dyn LogStore> = Arc::new(EmbeddedStore::open(directory)?);
    let mut config = config()?;
    match step {
        "fill" => {
            if name == UNMARKED {
                config.checkpoint_min_entries = u64::MAX;
            }
            let deltas = if name == "short" { SHORT_DELTAS } else { deltas };
            let begin = Instant::now();
            let hub = Hub::open(store, config).await?;
            fill(&hub.session(&SessionId::parse(name)?).await?, deltas).await?;
            writeln!(out, "{name}: {deltas} deltas written in {:.1?}", begin.elapsed())?;
            Ok(())
        }
        "open" => open_cold(store, name, &mut out).await,
        _ => waves(store, &mut out).await,
    }
}

fn config() -> Result<HubConfig, Failure> {
    Ok(HubConfig::new(Id::parse("assistant")?))
}

/// A few messages, each of many deltas.
async fn fill(session: &Session, deltas: u64) -> Result<(), Failure> {
    let mut seq = 0;
    let mut answers = std::collections::VecDeque::new();
    for message in 0..MESSAGES {
        let run = format!("run-{message}");
        let start = format!(r#"{{"kind":"run.started","run":"{run}","agent":"assistant"}}"#);
        let delta = format!(
            r#"{{"kind":"delta","run":"{run}","message":"message-{message}","text":"a word "}}"#
        );
        let end = format!(r#"{{"kind":"run.ended","run":"{run}","outcome":"completed"}}"#);
        let publishes = deltas / MESSAGES / PUBLISH_DELTAS.min(deltas / MESSAGES);
        let per_publish = deltas / MESSAGES / publishes;
        let texts = std::iter::once((start, 1))
            .chain((0..publishes).map(|_| (delta.clone(), per_publish)))
            .chain(std::iter::once((end, 1)));
        for (text, count) in texts {
            let drafts: Result<Vec<_>, _> = (0..count).map(|_| Draft::parse(&text)).collect();
            let publish = Publish {
                writer: Writer {
                    principal: Principal::parse("agent/bench").ok_or("a principal")?,
                    connection: None,
                },
                log: None,
                producer: Some(ProducerSeq { id: Id::parse("p")?, epoch: 0, seq }),
                declare_epoch: true,
                drafts: Ok(drafts?),
            };
            seq += 1;
            answers.push_back(session.publish(publish).await);
            if answers.len() >= WINDOW
                && let Some(answer) = answers.pop_front()
            {
                answer.await?.map_err(|refusal| refusal.problem.to_string())?;
            }
        }
    }
    for answer in answers {
        answer.await?.map_err(|refusal| refusal.problem.to_string())?;
    }
    Ok(())
}

/// Opens a session in a process that has nothing of it in memory.
async fn open_cold(
    store: Arc<dyn LogStore>,
    name: &str,
    out: &mut impl std::io::Write,
) -> Result<(), Failure> {
    let id = SessionId::parse(name)?;
    let hub = Hub::open(Arc::clone(&store), config()?).await?;
    let begin = Instant::now();
    let session = hub.session(&id).await?;
    let time = begin.elapsed();
    let (entries, _) = store.load(&id, None).await?;
    let checkpoint = entries.iter().find_map(|entry| match entry {
        Entry::Checkpoint(bytes) => Some(bytes.len()),
        Entry::Event { .. } | Entry::Note(_) => None,
    });
    let checkpoint = checkpoint.map_or("none".into(), |bytes| format!("of {bytes} bytes"));
    let tail = session.tail();
    writeln!(out, "{name}: opened in {time:.1?}; tail {tail}, checkpoint {checkpoint}")?;
    Ok(())
}

/// Sessions come into memory and leave it; what grows is what they leave behind.
async fn waves(store: Arc<dyn LogStore>, out: &mut impl std::io::Write) -> Result<(), Failure> {
    let mut config = config()?;
    config.idle_unload_ms = 100;
    let hub = Hub::open(store, config.clone()).await?;
    let mut sizes = Vec::new();
    for wave in 0..WAVES {
        for number in 0..WAVE_SESSIONS {
            let session = hub.session(&SessionId::parse(&format!("wave-{wave}-{number}"))?).await?;
            assert_eq!(session.tail(), Offset::ZERO);
        }
        let loaded = config.sessions.value();
        while config.sessions.value() > 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        sizes.push(resident_bytes()?);
        writeln!(
            out,
            "wave {wave}: {loaded} in memory at its end; then none, {} KiB resident",
            resident_bytes()? / 1024
        )?;
    }
    if let [_, second, .., last] = sizes.as_slice() {
        let sessions = u64::from(WAVE_SESSIONS * (WAVES - 2));
        let kept = last.saturating_sub(*second);
        writeln!(out, "{kept} bytes more after {sessions} sessions: {} each", kept / sessions)?;
    }
    Ok(())
}

fn resident_bytes() -> Result<u64, Failure> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib: u64 =
        line.and_then(|line| line.split_whitespace().next()).ok_or("no VmRSS")?.parse()?;
    Ok(kib * 1024)
}
