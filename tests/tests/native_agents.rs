//! Agents on the native client against a real server, either of which is killed in the middle.

use std::time::Duration;

use durable_sessions_client::native::{Client, Options, Run, RunError, Serve, Session, Worker};
use durable_sessions_protocol::fold::RunState;
use durable_sessions_protocol::id::Id;
use durable_sessions_tests::agent::counted;
use durable_sessions_tests::place::Place;
use durable_sessions_tests::{eventually, log};
use serde_json::{Value, json};
use tokio::runtime::{Builder, Runtime};

const SERVER: &str = env!("CARGO_BIN_EXE_server-under-test");

const NUMBERS: u32 = 100;
const PACE: Duration = Duration::from_millis(5);

fn client(place: &Place, agent: &str) -> Client {
    Client::connect(&place.server.url(), Options::agent(agent)).unwrap()
}

/// A worker of a fixed name, in a process of its own as far as a test can have one: shut down
/// in the background, none of its tasks goes on.
fn process(place: &Place) -> (Runtime, Worker) {
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let _entered = runtime.enter();
    let worker = client(place, "desk").serve("assistant", fixed(), count_on);
    drop(_entered);
    (runtime, worker)
}

async fn events(place: &Place, kind: &str) -> Vec<Value> {
    let events = log::read(place.server.address(), "s").await;
    events.into_iter().filter(|event| event["kind"] == kind).collect()
}

fn fixed() -> Serve {
    Serve { producer: Some(Id::parse("desk-1").unwrap()), ..Serve::default() }
}

/// Counts, from where an earlier process has come to.
async fn count_on(run: Run) -> Result<Option<Value>, RunError> {
    let history = run.history();
    let own = history.last().filter(|_| run.is_resumed());
    let begun = own.map_or(0, |own| own.text.split_whitespace().count());
    for number in u32::try_from(begun)?..NUMBERS {
        run.write(&format!("{number} ")).await?;
        tokio::time::sleep(PACE).await;
    }
    Ok(None)
}

/// Waits until the assistant has said more than so many bytes.
async fn has_said(user: &Session, bytes: usize) {
    let said = user.until(|transcript| {
        let said = |message: &&durable_sessions_protocol::fold::Message| {
            message.role == "assistant" && message.text.len() > bytes
        };
        transcript.messages().iter().find(said).map(|_| ())
    });
    eventually("an answer goes on", said).await.unwrap();
}

/// The state of the n-th run and what its messages say, once it has ended.
async fn ended(user: &Session, n: usize) -> (RunState, String) {
    let ended = user.until(|transcript| {
        let run = transcript.runs().get(n).filter(|run| run.state.has_ended())?;
        let own = transcript.messages().iter().filter(|message| {
            message.role == "assistant" && message.run.as_deref() == Some(run.id.as_str())
        });
        Some((run.state, own.map(|message| message.text.as_str()).collect()))
    });
    eventually("a run ends", ended).await.unwrap()
}

#[tokio::test]
async fn a_worker_that_was_killed_goes_on_with_its_run_when_it_is_started_again() {
    let place = Place::start(SERVER).await;
    let (first, _worker) = process(&place);
    let user = place.user().await;
    user.send("count").await.unwrap();
    has_said(&user, 60).await;
    first.shutdown_background();
    let (next, _next_worker) = process(&place);
    assert_eq!(ended(&user, 0).await, (RunState::Completed, counted(NUMBERS)));
    assert_eq!(events(&place, "run.started").await.len(), 1);
    next.shutdown_background();
}

#[tokio::test]
async fn a_worker_and_the_server_that_were_killed_together_go_on_with_the_run() {
    let mut place = Place::start(SERVER).await;
    let (first, _worker) = process(&place);
    let user = place.user().await;
    user.send("count").await.unwrap();
    has_said(&user, 60).await;
    place.server.kill().await;
    first.shutdown_background();
    place.server.restart().await;
    let (next, _next_worker) = process(&place);
    assert_eq!(ended(&user, 0).await, (RunState::Completed, counted(NUMBERS)));
    assert_eq!(events(&place, "run.started").await.len(), 1);
    next.shutdown_background();
}

#[tokio::test]
async fn asks_steers_and_delegated_work_go_on_when_the_server_is_killed_in_between() {
    let mut place = Place::start(SERVER).await;
    let _desk = client(&place, "desk").serve("assistant", Serve::default(), async |run| {
        let steer = run.steers().next().await.ok_or(RunError::Stopped)?;
        let (question, help) = (json!("sure?"), run.delegate("clerk", "help"));
        let (answer, help) = tokio::join!(run.ask(&question), help);
        run.write(&format!("{} {} {}", steer.text, answer?, help?.text)).await?;
        Ok(None)
    });
    let _clerk = client(&place, "clerk").serve("clerk", Serve::default(), count_on);
    let user = place.user().await;
    user.send("work").await.unwrap();
    let run = user.until(|transcript| Some(transcript.runs().first()?.id.clone())).await.unwrap();
    let run = Id::parse(&run).unwrap();
    place.restart().await;
    user.steer(&run, "left").await.unwrap();
    has_said(&user, 60).await;
    place.restart().await;
    let asked = user.until(|transcript| {
        Some(transcript.runs().first()?.asks.first()?["id"].as_str()?.to_owned())
    });
    let ask = Id::parse(&eventually("it asks", asked).await.unwrap()).unwrap();
    user.answer(&run, &ask, &json!("yes")).await.unwrap();
    assert_eq!(ended(&user, 1).await, (RunState::Completed, counted(NUMBERS)));
    let (state, text) = ended(&user, 0).await;
    assert_eq!(state, RunState::Completed);
    assert!(text.ends_with(&format!("left \"yes\" {}", counted(NUMBERS))), "{text}");
    assert_eq!(events(&place, "run.suspended").await.len(), 1);
}
