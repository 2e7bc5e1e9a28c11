//! People who reload, leave and come back: leaving stops nothing, and whoever is back stops what it
//! finds at work.

use std::time::Duration;

use durable_sessions_client::core::StopTarget;
use durable_sessions_client::native::{Client, Options, Session};
use durable_sessions_protocol::fold::{MessageState, RunState};
use durable_sessions_protocol::id::{Id, SessionId};
use durable_sessions_tests::place::Place;
use durable_sessions_tests::socket::Socket;
use durable_sessions_tests::writer::{Writer, act};
use durable_sessions_tests::{eventually, http, log};
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio_tungstenite::tungstenite::Error;

const SERVER: &str = env!("CARGO_BIN_EXE_server-under-test");

const PACE: Duration = Duration::from_millis(10);
const SOME: usize = 5;

/// A page: a client of its own with the session open.
async fn open_page(place: &Place) -> (Client, Session) {
    let client = Client::connect(&place.server.url(), Options::user("ada")).unwrap();
    let session = client.session(&SessionId::parse("s").unwrap()).await.unwrap();
    (client, session)
}

/// An agent answers the question with the run `r` until it is stopped.
async fn answering(place: &Place) -> JoinHandle<Result<String, Error>> {
    let mut user = Socket::hello(place.address(), "user/ada").await.unwrap();
    let question = json!({"kind": "message", "id": "question", "role": "user", "text": "hi"});
    act(&mut user, "s", &question).await.unwrap();
    let mut agent = Writer::attach(place.address(), "agent/a", "s", "r", &[]).await.unwrap();
    let started = json!({
        "kind": "run.started", "run": "r", "agent": "assistant", "in_reply_to": "question",
    });
    agent.must(&json!([started])).await;
    let stream = tokio::spawn(async move { agent.stream("r", PACE).await });
    goes_on(place).await;
    stream
}

async fn goes_on(place: &Place) {
    let before = match http::get(place.address(), "/v1/sessions/s").await.unwrap().status {
        status if status.is_success() => log::deltas(&place.log().await, "r").len(),
        _ => 0,
    };
    let more = |events: &[Value]| (log::deltas(events, "r").len() >= before + SOME).then_some(());
    eventually("the answer goes on", log::until(place.address(), "s", more)).await;
}

/// Waits until a page shows the run's end, and answers how it and its message ended.
async fn shown_end(page: &Session) -> (RunState, MessageState, String) {
    let end = page.until(|transcript| {
        let run = transcript.runs().iter().find(|run| run.id == "r")?;
        let message = transcript.messages().iter().find(|it| it.id == "r-answer")?;
        run.state.has_ended().then(|| (run.state, message.state, message.text.clone()))
    });
    eventually("the page shows its end", end).await.unwrap()
}

// vercel/ai#6502, #18458: `stop()` does nothing on a resumed stream, the generation is orphaned
#[tokio::test]
async fn a_stop_after_a_reload_stops_the_answer_that_was_resumed() {
    let place = Place::start(SERVER).await;
    let answering = answering(&place).await;
    let (client, page) = open_page(&place).await;
    eventually("the page shows it", page.until(|it| it.messages().get(1).map(drop))).await.unwrap();
    client.close().await;

    let (_client, reloaded) = open_page(&place).await;
    let resumed = reloaded.until(|it| it.runs().first().map(|run| run.id.clone()));
    let run = eventually("the reloaded page shows it", resumed).await.unwrap();
    let stop = reloaded.stop(StopTarget::Run(Id::parse(run.as_str()).unwrap())).await.unwrap();
    assert_eq!(stop.runs, [Id::parse("r").unwrap()]);
    let told = eventually("its agent learns of it", answering).await.unwrap();
    assert_eq!(told.unwrap(), "run_stopped");
    assert_eq!(shown_end(&reloaded).await.0, RunState::Stopped);
}

// vercel/ai#15091: to abort is to disconnect, and a stop is yours to build.
// cloudflare/agents#1471: closing a tab cancels the turn
#[tokio::test]
async fn to_leave_stops_nothing_and_to_stop_is_a_request_with_an_answer() {
    let place = Place::start(SERVER).await;
    let answering = answering(&place).await;
    for _ in 0..3 {
        let (client, page) = open_page(&place).await;
        eventually("it shows", page.until(|it| it.messages().get(1).map(drop))).await.unwrap();
        // Once with a word, once without.
        client.close().await;
        let mut raw = Socket::hello(place.address(), "user/ada").await.unwrap();
        raw.send(&json!({"type": "attach", "request": 1, "session": "s"})).await.unwrap();
        raw.until("events").await.unwrap();
        drop(raw);
        goes_on(&place).await;
    }
    let events = place.log().await;
    assert!(events.iter().all(|event| event["kind"] != "stop.requested"));

    let body = json!({"message": "question", "id": "enough"});
    let stop = http::post(place.address(), "/v1/sessions/s/stop", &[], &body).await.unwrap();
    assert_eq!((stop.status.as_u16(), &stop.json()["runs"]), (202, &json!(["r"])));
    let told = eventually("its agent learns of it", answering).await.unwrap();
    assert_eq!(told.unwrap(), "run_stopped");
}

// vercel/ai#7900: the partial message is lost on abort. resumable-stream#47, cloudflare/agents#1485:
// a reader that misses the end shows "streaming" for ever
#[tokio::test]
async fn what_was_written_before_a_stop_stays_and_no_page_streams_for_ever() {
    let mut place = Place::start(SERVER).await;
    let answering = answering(&place).await;
    let (client, page) = open_page(&place).await;
    eventually("it shows", page.until(|it| it.messages().get(1).map(drop))).await.unwrap();

    // The end of the run comes while this page is cut off, and the server dies on top of it.
    let body = json!({"run": "r", "id": "stop"});
    http::post(place.address(), "/v1/sessions/s/stop", &[], &body).await.unwrap();
    place.server.kill().await;
    // Its agent was told, or cut off.
    drop(answering.await.unwrap());
    place.server.restart().await;
    client.reconnect().await;

    let (_other, late) = open_page(&place).await;
    let shown = shown_end(&page).await;
    let written = log::text(&place.log().await, "r");
    assert!(!written.is_empty());
    assert_eq!(shown, (RunState::Stopped, MessageState::Stopped, written));
    assert_eq!(shown_end(&late).await, shown, "who comes later sees the same");
}
