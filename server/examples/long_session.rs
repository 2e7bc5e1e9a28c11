//! What a session costs that has lived long: each event that comes, a page of its transcript, an act
//! that is sent again, and output beside much else: `cargo run --release --example long_session [RUNS]`.

use std::error::Error;
use std::io::Write as _;
use std::time::{Duration, Instant};

use durable_sessions_protocol::event::{Draft, Principal};
use durable_sessions_protocol::frame::ProducerSeq;
use durable_sessions_protocol::id::{Id, LogId};
use durable_sessions_protocol::offset::Offset;
use durable_sessions_server::hub::{Publish, Published, State, Writer};

const RUNS: u64 = 100_000;
/// One message in so many replaces the one before it.
const EDIT_EVERY: u64 = 10;
const PAGE_MESSAGES: u64 = 20;
/// How often a page is asked for.
const PAGES: u32 = 200;
/// Stops that are sent again, and output beside much else.
const AGAIN: u64 = 2_000;
const OPEN_RUNS: u64 = 1_000;
const ASKS: u64 = 10_000;
const DELTAS: usize = 64;

type Failure = Box<dyn Error + Send + Sync>;

fn main() -> Result<(), Failure> {
    let runs = std::env::args().nth(1).map_or(Ok(RUNS), |runs| runs.parse())?;
    let mut out = std::io::stdout();
    for (name, parent) in [("runs", None), ("runs below one that is open", Some("root"))] {
        let mut session = Session::new()?;
        let begin = Instant::now();
        session.work(runs, parent)?;
        let tail = session.state.tail().as_u64();
        let each = begin.elapsed() / u32::try_from(tail)?;
        writeln!(out, "{runs} {name}: {tail} events, {each:.2?} each")?;
        session.write_down(&mut out)?;
        for (what, last, before) in [
            ("newest page", Some(PAGE_MESSAGES), None),
            ("page in the middle", Some(PAGE_MESSAGES), Some(tail / 2)),
            ("oldest page", Some(PAGE_MESSAGES), Some(200)),
            ("all", None, None),
        ] {
            let before = before.and_then(Offset::new);
            let pages = if last.is_some() { PAGES } else { PAGES / 20 };
            let begin = Instant::now();
            for _ in 0..pages {
                std::hint::black_box(session.state.part(last, before));
            }
            writeln!(out, "  {what}: {:.1?}", begin.elapsed() / pages)?;
        }
    }
    crowd(&mut out)?;
    let mut session = Session::new()?;
    session.stop(runs)?;
    let again = session.stop_again(runs)?;
    writeln!(out, "{runs} stops: sent again in {again:.1?} each")?;
    session.write_down(&mut out)
}

/// What output costs beside many runs that are open, and of one that has asked much.
fn crowd(out: &mut impl std::io::Write) -> Result<(), Failure> {
    let mut session = Session::new()?;
    for n in 0..OPEN_RUNS {
        let start = format!(r#"{{"kind":"run.started","run":"r{n}","agent":"assistant"}}"#);
        session.publish("agent/a", &start)?;
    }
    let begin = Instant::now();
    for n in 0..AGAIN {
        let delta = r#"{"kind":"delta","run":"r0","message":"a0","text":"hello","id":"#;
        session.publish("agent/a", &format!(r#"{delta}"d{n}"}}"#))?;
    }
    let alone = begin.elapsed() / u32::try_from(AGAIN)?;
    writeln!(out, "{OPEN_RUNS} open runs: a delta over HTTP in {alone:.1?}")?;

    let mut session = Session::new()?;
    session.write_together(0, &[r#"{"kind":"run.started","run":"r","agent":"a"}"#.to_owned()])?;
    for n in 0..ASKS {
        let ask = format!(r#"{{"kind":"run.suspended","run":"r","ask":"q{n}","body":1}}"#);
        session.write_together(n + 1, &[ask])?;
        let answer = format!(r#"{{"kind":"run.resumed","run":"r","ask":"q{n}","answer":1}}"#);
        session.publish("user/u", &answer)?;
    }
    let delta = r#"{"kind":"delta","run":"r","message":"m","text":"hello"}"#;
    let deltas = vec![delta.to_owned(); DELTAS];
    let begin = Instant::now();
    for n in 0..AGAIN {
        session.write_together(ASKS + 1 + n, &deltas)?;
    }
    let together = begin.elapsed() / u32::try_from(AGAIN)?;
    writeln!(out, "a run with {ASKS} answers: {DELTAS} deltas together in {together:.1?}")?;
    Ok(())
}

/// A state and what is needed to write to it.
struct Session {
    state: State,
    now: u64,
}

impl Session {
    fn new() -> Result<Self, Failure> {
        let state = State::new(LogId::parse("log")?, Id::parse("assistant")?);
        Ok(Self { state, now: 1 })
    }

    /// People ask, runs answer, and now and then a question is put anew.
    fn work(&mut self, runs: u64, parent: Option<&str>) -> Result<(), Failure> {
        let below = match parent {
            Some(parent) => {
                let start =
                    format!(r#"{{"kind":"run.started","run":"{parent}","agent":"orchestrator"}}"#);
                self.publish("agent/a", &start)?;
                format!(r#","parent":"{parent}""#)
            }
            None => String::new(),
        };
        for n in 0..runs {
            let replaces = match n.checked_sub(1) {
                Some(before) if n % EDIT_EVERY == 0 => format!(r#","replaces":"m{before}""#),
                _ => String::new(),
            };
            let message = format!(
                r#"{{"kind":"message","id":"m{n}","role":"user","to":null,"text":"hi"{replaces}}}"#
            );
            self.publish("user/u", &message)?;
            let start =
                format!(r#"{{"kind":"run.started","run":"r{n}","agent":"assistant"{below}}}"#);
            self.publish("agent/a", &start)?;
            let delta = format!(
                r#"{{"kind":"delta","id":"d{n}","run":"r{n}","message":"a{n}","text":"hello"}}"#
            );
            self.publish("agent/a", &delta)?;
            self.end(n, "completed")?;
        }
        Ok(())
    }

    fn stop(&mut self, runs: u64) -> Result<(), Failure> {
        for n in 0..runs {
            let start = format!(r#"{{"kind":"run.started","run":"r{n}","agent":"assistant"}}"#);
            self.publish("agent/a", &start)?;
            self.publish("user/u", &stop_of(n))?;
            self.end(n, "stopped")?;
        }
        Ok(())
    }

    fn stop_again(&mut self, runs: u64) -> Result<Duration, Failure> {
        let begin = Instant::now();
        for n in 0..AGAIN {
            let published = self.publish("user/u", &stop_of(n * runs / AGAIN))?;
            assert!(published.duplicate && published.receipt.is_some(), "{published:?}");
        }
        Ok(begin.elapsed() / u32::try_from(AGAIN)?)
    }

    fn end(&mut self, n: u64, outcome: &str) -> Result<Published, Failure> {
        self.publish(
            "agent/a",
            &format!(r#"{{"kind":"run.ended","run":"r{n}","outcome":"{outcome}"}}"#),
        )
    }

    fn publish(&mut self, principal: &str, event: &str) -> Result<Published, Failure> {
        self.take(principal, None, vec![Draft::parse(event)?])
    }

    /// One publish of a producer.
    fn write_together(&mut self, seq: u64, events: &[String]) -> Result<Published, Failure> {
        let drafts: Result<Vec<_>, _> = events.iter().map(|event| Draft::parse(event)).collect();
        let producer = ProducerSeq { id: Id::parse("p")?, epoch: 0, seq };
        self.take("agent/a", Some(producer), drafts?)
    }

    fn take(
        &mut self,
        principal: &str,
        producer: Option<ProducerSeq>,
        drafts: Vec<Draft>,
    ) -> Result<Published, Failure> {
        let principal = Principal::parse(principal).ok_or("a principal")?;
        let writer = Writer { principal, connection: None };
        let drafts = Ok(drafts);
        let publish = Publish { writer, log: None, producer, declare_epoch: true, drafts };
        self.now += 1;
        let published = self.state.publish(publish, self.now);
        std::hint::black_box(self.state.take_batch());
        Ok(published.map_err(|refusal| refusal.problem.to_string())?)
    }

    fn write_down(&self, out: &mut impl std::io::Write) -> Result<(), Failure> {
        let begin = Instant::now();
        let checkpoint = self.state.checkpoint();
        let (written, begin) = (begin.elapsed(), Instant::now());
        State::restore(&checkpoint, &LogId::parse("log")?, &Id::parse("assistant")?)?;
        let read = begin.elapsed();
        writeln!(out, "  checkpoint: {} bytes, {written:.1?}, read {read:.1?}", checkpoint.len())?;
        Ok(())
    }
}

fn stop_of(n: u64) -> String {
    format!(r#"{{"kind":"stop.requested","id":"s{n}","run":"r{n}"}}"#)
}
