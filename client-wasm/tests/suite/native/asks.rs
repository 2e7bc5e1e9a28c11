//! What a run asks people.

use durable_sessions_client::core::StopTarget;
use durable_sessions_client::native::{Ask, Run, RunError, Serve, Session};
use durable_sessions_protocol::fold::RunState;
use durable_sessions_protocol::id::Id;
use serde_json::json;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::{Host, PATIENCE, ended, until};

/// The first run and the first thing it asks, once it does.
async fn asked(user: &Session) -> (Id, Id) {
    let (run, ask) = until(user, |transcript| {
        let run = transcript.runs().first().filter(|run| run.state == RunState::Suspended)?;
        Some((run.id.clone(), run.asks.first()?["id"].as_str()?.to_owned()))
    })
    .await;
    (Id::parse(&run).unwrap(), Id::parse(&ask).unwrap())
}

#[tokio::test]
async fn an_ask_waits_for_the_first_answer_through_a_crash_of_the_server() {
    let host = Host::start().await;
    let _worker = host.agent().serve("assistant", Serve::default(), async |run| {
        run.write("may I? ").await?;
        let answer = run.ask(&json!({"question": "raise the bid?"})).await?;
        run.write(answer["word"].as_str().unwrap()).await?;
        Ok(None)
    });
    let (ann, bob) = (host.user().await, host.user().await);
    ann.send("work").await.unwrap();
    let (run, ask) = asked(&ann).await;
    host.crash();
    ann.answer(&run, &ask, &json!({"word": "yes"})).await.unwrap();
    assert_eq!(ended(&ann, 0).await, (RunState::Completed, "may I? yes".to_owned()));
    let late = bob.answer(&run, &ask, &json!({"word": "no"})).await.unwrap_err();
    assert_eq!(late.code.as_str(), "already_answered");
}

#[tokio::test]
async fn a_stop_ends_the_wait_for_an_answer() {
    let host = Host::start().await;
    let (told, mut heard) = mpsc::unbounded_channel();
    let _worker = host.agent().serve("assistant", Serve::default(), move |run| {
        let told = told.clone();
        async move {
            let answer = run.ask(&json!("sure?")).await;
            told.send(matches!(answer, Err(RunError::Stopped)))?;
            Ok(None)
        }
    });
    let user = host.user().await;
    user.send("work").await.unwrap();
    asked(&user).await;
    user.stop(StopTarget::All).await.unwrap();
    assert!(timeout(PATIENCE, heard.recv()).await.unwrap().unwrap());
    assert_eq!(ended(&user, 0).await.0, RunState::Stopped);
}

#[tokio::test]
async fn asks_of_the_same_words_are_asked_one_by_one() {
    let host = Host::start().await;
    let _worker = host.agent().serve("assistant", Serve::default(), async |run| {
        for _ in 0..2 {
            let answer = run.ask(&json!("more?")).await?;
            run.write(answer.as_str().unwrap()).await?;
        }
        Ok(None)
    });
    let user = host.user().await;
    user.send("work").await.unwrap();
    let (run, first) = asked(&user).await;
    user.answer(&run, &first, &json!("a")).await.unwrap();
    until(&user, |transcript| (transcript.messages().len() == 2).then_some(())).await;
    let (_, second) = asked(&user).await;
    assert_ne!(first, second);
    user.answer(&run, &second, &json!("b")).await.unwrap();
    assert_eq!(ended(&user, 0).await, (RunState::Completed, "ab".to_owned()));
}

#[tokio::test]
async fn an_ask_says_how_long_it_waits_and_none_does_beyond_the_limits() {
    let host = Host::start().await;
    let (told, mut heard) = mpsc::unbounded_channel();
    let _worker = host.agent().serve("assistant", Serve::default(), move |run: Run| {
        let told = told.clone();
        async move {
            for ms in [999, 2_592_000_001] {
                let body = &json!("sure?");
                let refused = run.ask(Ask { body, expires_ms: Some(ms) }).await.unwrap_err();
                told.send(refused.to_string())?;
            }
            let body = &json!("sure?");
            run.ask(Ask { body, expires_ms: Some(2_592_000_000) }).await?;
            Ok(None)
        }
    });
    let user = host.user().await;
    user.send("work").await.unwrap();
    let (run, ask) = asked(&user).await;
    for _ in 0..2 {
        let refused = timeout(PATIENCE, heard.recv()).await.unwrap().unwrap();
        assert!(refused.contains("invalid") && refused.contains("2592000000"), "{refused}");
    }
    user.answer(&run, &ask, &json!(true)).await.unwrap();
    assert_eq!(ended(&user, 0).await.0, RunState::Completed);
    let asks = host.events("run.suspended");
    assert_eq!((asks.len(), &asks[0]["expires_ms"]), (1, &json!(2_592_000_000_u64)));
}
