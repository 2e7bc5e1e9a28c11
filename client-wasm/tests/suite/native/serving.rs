//! Workers of one client, one after the other.

use durable_sessions_client::native::{Run, RunError, Serve, Worker};
use durable_sessions_protocol::error::ErrorCode;
use durable_sessions_protocol::fold::RunState;
use serde_json::Value;
use tokio::time::timeout;

use super::{Host, PATIENCE, ended, until};
use crate::sim::conversation::{id, session};

async fn endless(run: Run) -> Result<Option<Value>, RunError> {
    run.write("begun").await?;
    std::future::pending().await
}

async fn answers(run: Run) -> Result<Option<Value>, RunError> {
    run.write("answered").await?;
    Ok(None)
}

fn one_at_a_time() -> Serve {
    Serve { slots: 1, ..Serve::default() }
}

#[tokio::test]
async fn a_worker_that_takes_the_place_of_another_keeps_it_when_that_is_dropped() {
    let host = Host::start().await;
    let agent = host.agent();
    let first = agent.serve("assistant", Serve::default(), async |run| {
        run.write("by the first").await?;
        Ok(None)
    });
    let user = host.user().await;
    user.send("work").await.unwrap();
    assert_eq!(ended(&user, 0).await.1, "by the first");
    let _second = agent.serve("assistant", Serve::default(), answers);
    let mut runs = 1..;
    loop {
        user.send("more").await.unwrap();
        if ended(&user, runs.next().unwrap()).await.1 == "answered" {
            break;
        }
    }
    drop(first);
    for _ in 0..2 {
        user.send("and more").await.unwrap();
        assert_eq!(ended(&user, runs.next().unwrap()).await.1, "answered");
    }
}

#[tokio::test]
async fn a_worker_whose_place_is_taken_ends_once_its_handlers_have() {
    let host = Host::start().await;
    let agent = host.agent();
    let first = agent.serve("assistant", Serve::default(), async |run| {
        let mut steers = run.steers();
        run.write("waits ").await?;
        run.write(&steers.next().await.map(|steer| steer.text).unwrap_or_default()).await?;
        Ok(None)
    });
    let user = host.user().await;
    user.send("work").await.unwrap();
    let run = until(&user, |transcript| {
        (transcript.messages().len() == 2).then(|| transcript.runs()[0].id.clone())
    })
    .await;
    let _second = agent.serve("assistant", Serve::default(), answers);
    user.send("more").await.unwrap();
    user.steer(&id(&run), "and ends").await.unwrap();
    timeout(PATIENCE, first).await.expect("it ends").unwrap();
    assert_eq!(ended(&user, 0).await, (RunState::Completed, "waits and ends".to_owned()));
    assert_eq!(ended(&user, 1).await, (RunState::Completed, "answered".to_owned()));
}

#[tokio::test]
async fn the_slots_of_a_worker_that_was_dropped_at_work_are_free_for_the_next() {
    let host = Host::start().await;
    let agent = host.agent();
    let first = agent.serve("assistant", one_at_a_time(), endless);
    let user = host.user().await;
    user.send("work").await.unwrap();
    until(&user, |transcript| (transcript.messages().len() == 2).then_some(())).await;
    drop(first);
    assert_eq!(ended(&user, 0).await, (RunState::Failed, "begun".to_owned()));
    let _second = agent.serve("assistant", one_at_a_time(), answers);
    user.send("more").await.unwrap();
    assert_eq!(ended(&user, 1).await, (RunState::Completed, "answered".to_owned()));
}

#[tokio::test]
async fn nothing_of_a_closed_client_waits_for_ever() {
    let host = Host::start().await;
    let agent = host.agent();
    let worker = agent.serve("assistant", Serve::default(), async |run: Run| {
        run.stopped().await;
        Ok(None)
    });
    let user = host.user().await;
    user.send("work").await.unwrap();
    until(&user, |transcript| transcript.runs().first().map(drop)).await;
    agent.close().await;
    timeout(PATIENCE, worker).await.expect("it ends").unwrap();
    let late = agent.serve("assistant", Serve::default(), answers);
    timeout(PATIENCE, late).await.expect("it ends at once").unwrap();
    let refused = timeout(PATIENCE, agent.session(&session())).await.expect("it is refused");
    assert_eq!(refused.map(drop).unwrap_err().code, ErrorCode::Closed);
}

/// Why a worker will have no input.
async fn refusal(worker: Worker) -> ErrorCode {
    timeout(PATIENCE, worker).await.expect("it says so").unwrap_err().code
}

#[tokio::test]
async fn an_offer_that_is_refused_ends_its_worker_with_the_reason() {
    let host = Host::start().await;
    let agent = host.agent();
    let elsewhere = Serve { sessions: vec!["not a session".to_owned()], ..Serve::default() };
    let worker = agent.serve("assistant", elsewhere, answers);
    assert_eq!(refusal(worker).await, ErrorCode::Invalid);
    assert_eq!(refusal(agent.serve("", Serve::default(), answers)).await, ErrorCode::Invalid);
    let worker = host.person().serve("assistant", Serve::default(), answers);
    assert_eq!(refusal(worker).await, ErrorCode::Forbidden);
}
