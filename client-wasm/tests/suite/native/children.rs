//! Children in the same process.

use durable_sessions_client::core::StopTarget;
use durable_sessions_client::native::{Run, RunError, Serve};
use durable_sessions_protocol::fold::{self, RunState};
use durable_sessions_protocol::id::Id;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::{Host, PATIENCE, ended, until};

async fn say(child: Run, text: &str) -> Result<Option<Value>, RunError> {
    child.write(text).await?;
    Ok(Some(text.len().into()))
}

#[tokio::test]
async fn children_work_side_by_side_under_runs_of_their_own() {
    let host = Host::start().await;
    let _worker = host.agent().serve("assistant", Serve::default(), async |run| {
        run.write("both: ").await?;
        let (one, two) =
            tokio::join!(run.child("one", |it| say(it, "a")), run.child("two", |it| say(it, "bb")));
        run.write(&format!("{} {}", one?.unwrap(), two?.unwrap())).await?;
        Ok(None)
    });
    let user = host.user().await;
    user.send("work").await.unwrap();
    assert_eq!(ended(&user, 0).await, (RunState::Completed, "both: 1 2".to_owned()));
    assert_eq!(ended(&user, 1).await, (RunState::Completed, "a".to_owned()));
    assert_eq!(ended(&user, 2).await, (RunState::Completed, "bb".to_owned()));
    let agents = until(&user, |transcript| {
        Some(
            transcript.runs().iter().map(|run| (run.agent.clone(), run.parent)).collect::<Vec<_>>(),
        )
    })
    .await;
    let expected = [("assistant", None), ("one", Some(0)), ("two", Some(0))];
    assert_eq!(agents, expected.map(|(agent, parent)| (agent.to_owned(), parent)));
}

#[tokio::test]
async fn a_child_of_a_stopped_run_does_not_start() {
    let host = Host::start().await;
    let (told, mut heard) = mpsc::unbounded_channel();
    let _worker = host.agent().serve("assistant", Serve::default(), move |run| {
        let told = told.clone();
        async move {
            run.write("working").await?;
            run.stopped().await;
            let child = run.child("late", |it| say(it, "too late")).await;
            told.send(matches!(child, Err(RunError::Stopped)))?;
            Ok(None)
        }
    });
    let user = host.user().await;
    user.send("work").await.unwrap();
    until(&user, |transcript| (transcript.messages().len() == 2).then_some(())).await;
    user.stop(StopTarget::All).await.unwrap();
    assert!(timeout(PATIENCE, heard.recv()).await.unwrap().unwrap());
    assert_eq!(ended(&user, 0).await.0, RunState::Stopped);
    assert_eq!(host.events("run.started").len(), 1);
}

#[tokio::test]
async fn a_stop_of_a_run_reaches_its_children_and_theirs() {
    let host = Host::start().await;
    let (told, mut heard) = mpsc::unbounded_channel();
    let _worker = host.agent().serve("assistant", Serve::default(), move |run| {
        let told = told.clone();
        async move {
            let child = run.child("middle", |middle| async move {
                let leaf = middle.child("leaf", |leaf| async move {
                    leaf.write("deep").await?;
                    leaf.stopped().await;
                    Ok(Some("ignored".into()))
                });
                leaf.await
            });
            told.send(matches!(child.await, Err(RunError::Stopped)))?;
            Ok(None)
        }
    });
    let user = host.user().await;
    user.send("work").await.unwrap();
    until(&user, |transcript| (transcript.messages().len() == 2).then_some(())).await;
    assert_eq!(user.stop(StopTarget::All).await.unwrap().runs.len(), 3);
    assert!(timeout(PATIENCE, heard.recv()).await.unwrap().unwrap());
    for n in 0..3 {
        assert_eq!(ended(&user, n).await.0, RunState::Stopped);
    }
}

#[tokio::test]
async fn a_child_that_fails_or_is_stopped_alone_fails_and_its_parent_may_go_on() {
    let host = Host::start().await;
    let _worker = host.agent().serve("assistant", Serve::default(), async |run| {
        let fails = run.child("fails", async |_| Err(RunError::failed("too_hard"))).await;
        let Err(RunError::Failed(error)) = fails else { panic!("{fails:?}") };
        let stopped = run.child("stopped", |child| async move {
            child.write("begun").await?;
            child.stopped().await;
            Err(RunError::Stopped)
        });
        let Err(RunError::Failed(stop)) = stopped.await else { panic!("not a failure") };
        run.write(&json!([error["code"], stop["code"]]).to_string()).await?;
        Ok(None)
    });
    let user = host.user().await;
    user.send("work").await.unwrap();
    let child = until(&user, |transcript| {
        transcript.messages().iter().find(|message| message.text == "begun")?;
        Some(transcript.runs().get(2)?.id.clone())
    })
    .await;
    user.stop(StopTarget::Run(Id::parse(&child).unwrap())).await.unwrap();
    let said = r#"["too_hard","run_stopped"]"#.to_owned();
    assert_eq!(ended(&user, 0).await, (RunState::Completed, said));
    assert_eq!(ended(&user, 1).await.0, RunState::Failed);
    assert_eq!(ended(&user, 2).await.0, RunState::Stopped);
}

#[tokio::test]
async fn a_stop_while_children_come_and_go_is_a_stop_whoever_hears_of_it_first() {
    let host = Host::start().await;
    let (told, mut heard) = mpsc::unbounded_channel();
    let _worker = host.agent().serve("assistant", Serve::default(), move |run| {
        let told = told.clone();
        async move {
            run.write("working").await?;
            let last = loop {
                let child = run.child("short", async |_| Ok(None)).await;
                if child.is_err() {
                    break child;
                }
            };
            told.send(last.map_err(|error| error.to_string()))?;
            Ok(None)
        }
    });
    let user = host.user().await;
    for _ in 0..20 {
        user.send("work").await.unwrap();
        let run = until(&user, |transcript| {
            let is_open = |run: &&fold::Run| !run.state.has_ended() && run.agent == "assistant";
            let open = transcript.runs().iter().find(is_open)?;
            let has_children = transcript.runs().last()?.agent == "short";
            has_children.then(|| open.id.clone())
        })
        .await;
        user.stop(StopTarget::Run(Id::parse(&run).unwrap())).await.unwrap();
        let last = timeout(PATIENCE, heard.recv()).await.unwrap().unwrap();
        assert_eq!(last, Err(RunError::Stopped.to_string()));
    }
}
