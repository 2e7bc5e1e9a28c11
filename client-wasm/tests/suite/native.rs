//! The tokio driver over real sockets, against the real rules.

mod agents;
mod asks;
mod children;
mod host;
mod leaving;
mod serving;
mod steers;
mod writing;

use std::sync::Arc;
use std::time::Duration;

use durable_sessions_client::core::{SessionStatus, Status, StopTarget};
use durable_sessions_client::native::{Client, Options, RunError, Serve, Session, Update};
use durable_sessions_protocol::fold::{RunState, Transcript};
use host::{Host, Process};
use tokio::sync::Notify;
use tokio::time::timeout;

use crate::sim::conversation::session;

/// What should happen happens well within this time.
const PATIENCE: Duration = Duration::from_secs(20);

async fn until<T>(session: &Session, wanted: impl FnMut(&Transcript) -> Option<T>) -> T {
    timeout(PATIENCE, session.until(wanted)).await.expect("in time").expect("open")
}

/// The state and text of the n-th run, once it has ended.
async fn ended(session: &Session, n: usize) -> (RunState, String) {
    stands(session, n, RunState::has_ended).await
}

/// The same, once its state is as wanted.
async fn stands(session: &Session, n: usize, wanted: fn(RunState) -> bool) -> (RunState, String) {
    until(session, |transcript| {
        let run = transcript.runs().get(n).filter(|run| wanted(run.state))?;
        let own = |message: &&_| {
            let message: &durable_sessions_protocol::fold::Message = message;
            message.role == "assistant" && message.run.as_deref() == Some(&run.id)
        };
        let text = transcript.messages().iter().find(own).map(|message| message.text.clone());
        Some((run.state, text.unwrap_or_default()))
    })
    .await
}

#[tokio::test]
async fn an_answer_survives_any_number_of_cuts_without_loss_or_doubling() {
    let host = Host::start().await;
    let agent = host.agent();
    let _worker = agent.serve("assistant", Serve::default(), async |run| {
        for n in 0..200 {
            run.write(&format!("{n} ")).await?;
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        Ok(Some("done".into()))
    });
    let user = host.user().await;
    user.send("count").await.unwrap();
    for length in [50, 200, 400] {
        until(&user, |transcript| {
            let last = transcript.messages().last()?;
            (last.role == "assistant" && last.text.len() > length).then_some(())
        })
        .await;
        host.cut();
    }
    let expected: String = (0..200).map(|n| format!("{n} ")).collect();
    assert_eq!(ended(&user, 0).await, (RunState::Completed, expected));
    assert!(host.log().last().unwrap().ends_with(r#""outcome":"completed","data":"done"}"#));
}

#[tokio::test]
async fn a_stop_reaches_the_handler_and_its_run_ends_stopped_whatever_it_returns() {
    let host = Host::start().await;
    let agent = host.agent();
    let told = Arc::new(Notify::new());
    let tell = told.clone();
    let _worker = agent.serve("assistant", Serve::default(), move |run| {
        let told = tell.clone();
        async move {
            run.write("working").await?;
            run.stopped().await;
            assert!(run.is_stopped());
            let refused = run.write("more").await;
            assert!(matches!(refused, Err(RunError::Stopped)), "{refused:?}");
            told.notify_one();
            Ok(Some("a result".into()))
        }
    });
    let user = host.user().await;
    user.send("work").await.unwrap();
    until(&user, |transcript| (transcript.messages().len() == 2).then_some(())).await;
    let receipt = user.stop(StopTarget::All).await.unwrap();
    assert_eq!(receipt.runs.len(), 1);
    timeout(PATIENCE, told.notified()).await.expect("the handler is told");
    assert_eq!(ended(&user, 0).await, (RunState::Stopped, "working".to_owned()));
    assert!(host.log().last().unwrap().ends_with(r#""outcome":"stopped"}"#));
}

#[tokio::test]
async fn a_handler_that_fails_or_panics_ends_its_run_failed_without_its_words() {
    let host = Host::start().await;
    let agent = host.agent();
    let _worker = agent.serve("assistant", Serve::default(), async |run| {
        assert_ne!(run.input().text, "panic", "a secret");
        Err(std::io::Error::other("a secret"))?;
        Ok(None)
    });
    let user = host.user().await;
    for (n, text) in ["fail", "panic", "fail"].into_iter().enumerate() {
        user.send(text).await.unwrap();
        assert_eq!(ended(&user, n).await.0, RunState::Failed);
    }
    let log = host.log();
    assert!(log.last().unwrap().contains(r#""error":{"code":"failed"}"#));
    assert!(!log.concat().contains("secret"));
}

#[tokio::test]
async fn a_handler_reads_the_conversation_up_to_its_input() {
    let host = Host::start().await;
    let agent = host.agent();
    let _worker = agent.serve("assistant", Serve::default(), async |run| {
        let history = run.history();
        let words: Vec<&str> = history.iter().map(|message| message.text.as_str()).collect();
        run.write(&words.join("|")).await?;
        Ok(None)
    });
    let user = host.user().await;
    user.send("a").await.unwrap();
    assert_eq!(ended(&user, 0).await.1, "a");
    user.send("b").await.unwrap();
    assert_eq!(ended(&user, 1).await.1, "a|a|b");
}

#[tokio::test]
async fn parts_of_different_types_stand_in_the_order_they_were_written() {
    let host = Host::start().await;
    let agent = host.agent();
    let _worker = agent.serve("assistant", Serve::default(), async |run| {
        run.write_as("reasoning", "hm").await?;
        run.write("so").await?;
        run.part(&serde_json::json!({"type": "chart"})).await?;
        run.write("there").await?;
        Ok(None)
    });
    let user = host.user().await;
    user.send("show").await.unwrap();
    ended(&user, 0).await;
    let parts = user.messages().pop().unwrap().parts;
    let types: Vec<&str> = parts.iter().map(|part| part["type"].as_str().unwrap()).collect();
    assert_eq!(types, ["reasoning", "text", "chart", "text"]);
}

#[tokio::test]
async fn a_dropped_worker_ends_its_open_runs() {
    let host = Host::start().await;
    let agent = host.agent();
    let worker = agent.serve("assistant", Serve::default(), async |run| {
        run.write("for ever").await?;
        std::future::pending().await
    });
    let user = host.user().await;
    user.send("wait").await.unwrap();
    until(&user, |transcript| (transcript.messages().len() == 2).then_some(())).await;
    drop(worker);
    assert_eq!(ended(&user, 0).await.0, RunState::Failed);
}

#[tokio::test]
async fn updates_cover_the_log_in_order_through_a_cut() {
    let host = Host::start().await;
    let user = host.user().await;
    let mut updates = user.events().await.unwrap();
    for n in 0..10 {
        user.send(&n.to_string()).await.unwrap();
        if n % 3 == 0 {
            host.cut();
        }
    }
    let mut next = 1;
    while next <= 10 {
        match timeout(PATIENCE, updates.next()).await.unwrap().unwrap() {
            Update::Events { first, last, events } => {
                assert_eq!(first.as_u64(), next);
                assert_eq!(events.len() as u64, last.as_u64() - next + 1);
                next = last.as_u64() + 1;
            }
            Update::Reset { .. } => assert_eq!(next, 1),
            Update::Lagged => panic!("too slow"),
        }
    }
}

#[tokio::test]
async fn a_closed_client_refuses_what_waits_and_what_comes_later() {
    let client = Client::connect("http://127.0.0.1:9", Options::user("ann")).unwrap();
    let user = client.session(&session()).await.unwrap();
    let waiting = tokio::spawn({
        let user = user.clone();
        async move { user.send("never").await }
    });
    let mut state = client.state();
    state.wait_for(|state| state.status == Status::Waiting).await.unwrap();
    client.close().await;
    let refused = timeout(PATIENCE, waiting).await.unwrap().unwrap().unwrap_err();
    assert_eq!(refused.code.as_str(), "closed");
    assert_eq!(user.send("later").await.unwrap_err().code.as_str(), "closed");
    assert_eq!(user.state().borrow().status, SessionStatus::Closed);
    assert_eq!(state.borrow().status, Status::Closed);
}

#[test]
fn a_url_that_is_none_of_a_server_is_refused() {
    for url in ["", "127.0.0.1:1", "https://x", "http://", "http://x/y"] {
        assert!(Client::connect(url, Options::user("ann")).is_err(), "{url}");
    }
}
