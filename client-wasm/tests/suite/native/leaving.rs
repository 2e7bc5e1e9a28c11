//! Workers that end, and those that go on with what they left.

use durable_sessions_client::core::{Act, Body, StopTarget};
use durable_sessions_client::native::{Lease, Run, RunError, Serve, Session};
use durable_sessions_protocol::fold::RunState;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::{Host, PATIENCE, Process, ended, until};
use crate::sim::conversation::id;

async fn endless(run: Run) -> Result<Option<Value>, RunError> {
    run.write("begun").await?;
    std::future::pending().await
}

#[tokio::test]
async fn a_worker_that_shuts_down_ends_its_runs_before_it_returns() {
    let host = Host::start().await;
    let worker = host.agent().serve("assistant", Serve::default(), endless);
    let user = host.user().await;
    user.send("wait").await.unwrap();
    until(&user, |transcript| (transcript.messages().len() == 2).then_some(())).await;
    timeout(PATIENCE, worker.shutdown()).await.expect("it ends");
    let end = host.events("run.ended").pop().expect("it is in the log by now");
    assert_eq!(
        (end["outcome"].as_str(), end["error"]["code"].as_str()),
        (Some("failed"), Some("shutdown"))
    );
    assert_eq!(ended(&user, 0).await, (RunState::Failed, "begun".to_owned()));
    // It is offered nothing more.
    user.send("again").await.unwrap();
    assert_eq!(host.events("run.started").len(), 1);
}

async fn asks_and_delegates(run: Run) -> Result<Option<Value>, RunError> {
    let mut steers = run.steers();
    let (answer, done) = (json!("sure?"), "help");
    let (answer, done) = tokio::join!(run.ask(&answer), run.delegate("helper", done));
    while let Some(steer) = steers.try_next().await {
        run.write(&steer.text).await?;
    }
    run.write(&format!(" {} {}", answer?, done?.text)).await?;
    Ok(None)
}

async fn send_parallel(user: &Session, text: &str) {
    let event = json!({
        "kind": "message", "id": text, "role": "user", "text": text, "if_running": "parallel",
    });
    user.act(Act { id: id(text), body: Body::Event(event.to_string()) }).await.unwrap();
}

/// A worker with a fixed name.
fn fixed() -> Serve {
    Serve { producer: Some(id("box-1")), ..Serve::default() }
}

#[tokio::test]
async fn a_worker_of_the_same_name_goes_on_with_the_runs_of_one_that_died() {
    let host = Host::start().await;
    let first = Process::start();
    let _dead = first.run(|| host.agent().serve("assistant", fixed(), endless));
    let user = host.user().await;
    user.send("wait").await.unwrap();
    until(&user, |transcript| (transcript.messages().len() == 2).then_some(())).await;
    first.kill();
    let _next = host.agent().serve("assistant", fixed(), async |run| {
        assert!(run.is_resumed());
        let history = run.history();
        let texts: Vec<_> = history.iter().map(|message| message.text.as_str()).collect();
        assert_eq!(texts, ["wait", "begun"]);
        run.write(" and ended").await?;
        Ok(Some(run.attempt().into()))
    });
    assert_eq!(ended(&user, 0).await, (RunState::Completed, "begun and ended".to_owned()));
    assert_eq!(host.events("run.started").len(), 1);
    assert_eq!(host.events("run.ended")[0]["data"], 1);
    let messages = user.messages();
    assert_eq!((messages.len(), messages[1].parts.len()), (2, 2), "a new part of the same message");
}

#[tokio::test]
async fn all_runs_of_a_session_are_taken_over_together_and_new_input_beside_them() {
    let host = Host::start().await;
    let first = Process::start();
    let _dead = first.run(|| host.agent().serve("assistant", fixed(), endless));
    let user = host.user().await;
    for text in ["a", "b", "c"] {
        send_parallel(&user, text).await;
    }
    until(&user, |transcript| (transcript.messages().len() == 6).then_some(())).await;
    first.kill();
    send_parallel(&user, "d").await;
    let _next = host.agent().serve("assistant", fixed(), async |run| {
        run.write(if run.is_resumed() { " again" } else { "new" }).await?;
        Ok(None)
    });
    for n in 0..3 {
        assert_eq!(ended(&user, n).await, (RunState::Completed, "begun again".to_owned()));
    }
    assert_eq!(ended(&user, 3).await, (RunState::Completed, "new".to_owned()));
    assert_eq!(host.events("run.started").len(), 4);
}

#[tokio::test]
async fn what_was_asked_delegated_and_steered_is_not_so_twice_after_a_take_over() {
    let host = Host::start().await;
    let first = Process::start();
    let _dead = first.run(|| {
        host.agent().serve("assistant", fixed(), async |run: Run| {
            let steer = run.steers().next().await.unwrap();
            run.write(&steer.text).await?;
            asks_and_delegates(run).await
        })
    });
    let user = host.user().await;
    user.send("work").await.unwrap();
    let run = until(&user, |transcript| Some(transcript.runs().first()?.id.clone())).await;
    user.steer(&id(&run), "one").await.unwrap();
    // The ask and the message to the helper are in the log, and then the process dies.
    let ask = until(&user, |transcript| {
        transcript.messages().iter().find(|message| message.text == "help")?;
        Some(transcript.runs().first()?.asks.first()?["id"].as_str()?.to_owned())
    })
    .await;
    first.kill();
    // Meanwhile one answers, helps and steers.
    user.steer(&id(&run), "two").await.unwrap();
    user.answer(&id(&run), &id(&ask), &json!("yes")).await.unwrap();
    let _helper = host.other_agent("helper").serve("helper", Serve::default(), async |run| {
        run.write("helped").await?;
        Ok(None)
    });
    assert_eq!(ended(&user, 1).await.0, RunState::Completed);
    let _next = host.agent().serve("assistant", fixed(), asks_and_delegates);
    let said = "onetwo \"yes\" helped".to_owned();
    assert_eq!(ended(&user, 0).await, (RunState::Completed, said));
    assert_eq!(host.events("run.suspended").len(), 1);
    assert_eq!(host.events("message").len(), 2);
    assert_eq!(host.events("input.state").len(), 2);
}

#[tokio::test]
async fn a_run_that_was_stopped_while_nobody_held_it_is_not_gone_on_with() {
    let host = Host::start().await;
    let first = Process::start();
    let _dead = first.run(|| host.agent().serve("assistant", fixed(), endless));
    let user = host.user().await;
    user.send("wait").await.unwrap();
    until(&user, |transcript| (transcript.messages().len() == 2).then_some(())).await;
    first.kill();
    user.stop(StopTarget::All).await.unwrap();
    let _next = host.agent().serve("assistant", fixed(), async |run| {
        assert!(!run.is_resumed(), "it was stopped");
        Ok(None)
    });
    assert_eq!(ended(&user, 0).await, (RunState::Stopped, "begun".to_owned()));
    user.send("again").await.unwrap();
    assert_eq!(ended(&user, 1).await.0, RunState::Completed);
}

#[tokio::test]
async fn a_worker_of_a_fixed_name_that_shuts_down_leaves_its_runs_to_the_next() {
    let host = Host::start().await;
    let first = host.agent();
    let worker = first.serve("assistant", fixed(), endless);
    let user = host.user().await;
    user.send("wait").await.unwrap();
    until(&user, |transcript| (transcript.messages().len() == 2).then_some(())).await;
    timeout(PATIENCE, worker.shutdown()).await.expect("it ends");
    first.close().await;
    assert!(host.events("run.ended").is_empty());
    let _next = host.agent().serve("assistant", fixed(), async |run| {
        run.write(" and ended").await?;
        Ok(None)
    });
    assert_eq!(ended(&user, 0).await, (RunState::Completed, "begun and ended".to_owned()));
}

#[tokio::test]
async fn an_older_process_of_the_same_name_learns_that_it_was_replaced() {
    let host = Host::start().await;
    let (told, mut heard) = mpsc::unbounded_channel();
    let door = host.door().await;
    let _older = door.agent().serve("assistant", fixed(), move |run: Run| {
        let told = told.clone();
        async move {
            run.write("begun").await?;
            run.stopped().await;
            let refused = run.write("more").await;
            told.send(matches!(refused, Err(RunError::Gone(_))))?;
            Ok(None)
        }
    });
    let user = host.user().await;
    user.send("wait").await.unwrap();
    until(&user, |transcript| (transcript.messages().len() == 2).then_some(())).await;
    // It is cut off for longer than the newer one takes to begin.
    door.shut();
    let _newer = host.agent().serve("assistant", fixed(), async |run| {
        run.write(" and ended").await?;
        Ok(None)
    });
    assert_eq!(ended(&user, 0).await, (RunState::Completed, "begun and ended".to_owned()));
    door.open();
    assert!(timeout(PATIENCE, heard.recv()).await.unwrap().unwrap());
}

#[tokio::test]
async fn runs_and_those_below_them_have_the_lease_that_their_worker_asks_for() {
    let host = Host::start().await;
    let lease = Lease::from_ms(60_000).ok();
    let _worker =
        host.agent().serve("assistant", Serve { lease, ..Serve::default() }, async |run: Run| {
            run.child("helper", async |_| Ok(None)).await
        });
    let user = host.user().await;
    user.send("work").await.unwrap();
    assert_eq!(ended(&user, 0).await.0, RunState::Completed);
    let leases: Vec<_> =
        host.events("run.started").iter().map(|start| start["lease_ms"].clone()).collect();
    assert_eq!(leases, [60_000, 60_000]);
}

#[test]
fn a_lease_beyond_its_limits_is_refused() {
    assert!([1_000, 86_400_000].into_iter().all(|ms| Lease::from_ms(ms).is_ok()));
    let refused = [999, 86_400_001].map(|ms| Lease::from_ms(ms).unwrap_err().to_string());
    assert_eq!(refused[0], "a lease is 1000 to 86400000 ms, not 999");
    assert!(refused[1].ends_with("not 86400001"), "{}", refused[1]);
}
