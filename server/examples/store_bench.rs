//! How fast the embedded store makes events durable, beside a bare write and fdatasync loop on the
//! same disk: `cargo run --release --example store_bench [DIRECTORY]`.

use std::error::Error;
use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use durable_sessions_protocol::id::{LogId, SessionId};
use durable_sessions_protocol::offset::Offset;
use durable_sessions_server::log::{Batch, EmbeddedStore, LogStore, Record};

const EVENT_BYTES: usize = 200;
/// A shared disk changes its speed from second to second, so the two take turns this quickly.
const TURN: Duration = Duration::from_millis(100);
const TURNS: u32 = 15;
const READS: u32 = 20_000;

type Failure = Box<dyn Error + Send + Sync>;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let parent = std::env::args().nth(1).unwrap_or_else(|| ".".into());
    let directory = Path::new(&parent).join(format!("store-bench-{}", std::process::id()));
    let result = run(&directory).await;
    std::fs::remove_dir_all(&directory)?;
    result
}

async fn run(directory: &Path) -> Result<(), Failure> {
    let store = Arc::new(EmbeddedStore::open(directory)?);
    let mut out = std::io::stdout();
    for sessions in [1, 8, 64] {
        compare(&store, directory, sessions, &mut out).await?;
    }
    reads(&store, &mut out).await?;
    drop(store);
    let begin = Instant::now();
    let store = Arc::new(EmbeddedStore::open(directory)?);
    writeln!(out, "opened again in {:.0?}", begin.elapsed())?;
    for sessions in [1, 64] {
        compare(&store, directory, sessions, &mut out).await?;
    }
    Ok(())
}

async fn compare(
    store: &Arc<EmbeddedStore>,
    directory: &Path,
    sessions: u32,
    out: &mut impl std::io::Write,
) -> Result<(), Failure> {
    let (mut bare, mut ours) = (0.0, 0.0);
    let mut raw = File::create(directory.join("raw"))?;
    raw.set_len(64 * 1024 * 1024)?;
    raw.sync_all()?;
    for _ in 0..TURNS {
        bare += raw_syncs(&mut raw)? / f64::from(TURNS);
        ours += appends(store, sessions).await? / f64::from(TURNS);
    }
    let ratio = ours / bare;
    writeln!(
        out,
        "{sessions:3} sessions: {ours:8.0} appends/s; bare: {bare:6.0} syncs/s; {ratio:.2} x"
    )?;
    Ok(())
}

/// Writes and syncs per second into a file that has its size already.
fn raw_syncs(file: &mut File) -> Result<f64, Failure> {
    let (begin, mut count) = (Instant::now(), 0.0);
    while begin.elapsed() < TURN {
        file.write_all(&[b'x'; EVENT_BYTES])?;
        file.sync_data()?;
        count += 1.0;
    }
    Ok(count / begin.elapsed().as_secs_f64())
}

/// Appends per second when each session waits for its answer before the next event.
async fn appends(store: &Arc<EmbeddedStore>, sessions: u32) -> Result<f64, Failure> {
    let begin = Instant::now();
    let writers = (0..sessions).map(|number| {
        let store = Arc::clone(store);
        let session = SessionId::parse(&format!("bench-{sessions}-{number}"));
        tokio::spawn(async move {
            let (session, log) = (session?, LogId::parse("bench")?);
            let json = Bytes::from(vec![b'x'; EVENT_BYTES]);
            let meta = store.meta(&session).await?;
            let first = meta.map_or(Offset::ZERO, |meta| meta.tail);
            let mut tail = first;
            while begin.elapsed() < TURN {
                let events = vec![Record { grant: 0, seq: 0, json: json.clone() }];
                store.append(&session, &log, tail, Batch { events, ..Batch::default() }).await?;
                tail = tail.next();
            }
            Ok::<_, Failure>(tail.since(first))
        })
    });
    let mut total = 0;
    for writer in writers.collect::<Vec<_>>() {
        total += writer.await??;
    }
    #[expect(clippy::cast_precision_loss, reason = "far fewer than 2^52 appends")]
    Ok(total as f64 / begin.elapsed().as_secs_f64())
}

async fn reads(store: &Arc<EmbeddedStore>, out: &mut impl std::io::Write) -> Result<(), Failure> {
    let session = SessionId::parse("bench-1-0")?;
    for limit_bytes in [1, 64 * 1024] {
        let (begin, mut texts) = (Instant::now(), 0);
        for _ in 0..READS {
            texts += store.read(&session, Offset::ZERO, limit_bytes).await?.len();
        }
        let each = begin.elapsed() / READS;
        let texts = texts / READS as usize;
        writeln!(out, "read of {texts} events, one at a time: {each:.1?}")?;
    }
    Ok(())
}
