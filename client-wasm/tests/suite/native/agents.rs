//! Work that one agent gives to another.

use durable_sessions_client::core::StopTarget;
use durable_sessions_client::native::{Delegated, Run, RunError, Serve, Worker};
use durable_sessions_protocol::event::Outcome;
use durable_sessions_protocol::fold::RunState;
use durable_sessions_protocol::id::Id;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::{Host, PATIENCE, ended, stands, until};

/// An orchestrator that delegates its input, tells what came of it, and then says the child's text.
fn orchestrator(
    host: &Host,
    to: &'static str,
) -> (Worker, mpsc::UnboundedReceiver<Result<Delegated, RunError>>) {
    let (told, heard) = mpsc::unbounded_channel();
    let worker = host.agent().serve("assistant", Serve::default(), move |run: Run| {
        let told = told.clone();
        async move {
            run.write("asking. ").await?;
            let input = json!({"text": run.input().text, "data": {"n": 1}});
            let delegated = run.delegate(to, input).await;
            let text = delegated.as_ref().map_or_else(|_| String::new(), |it| it.text.clone());
            told.send(delegated)?;
            run.write(&text).await?;
            Ok(None)
        }
    });
    (worker, heard)
}

async fn next<T>(heard: &mut mpsc::UnboundedReceiver<T>) -> T {
    timeout(PATIENCE, heard.recv()).await.expect("in time").expect("the worker lives")
}

/// An agent that writes for ever.
async fn endless(run: Run) -> Result<Option<Value>, RunError> {
    run.write("working").await?;
    std::future::pending().await
}

#[tokio::test]
async fn delegated_work_is_a_child_run_that_writes_for_itself_and_whose_end_comes_back() {
    let host = Host::start().await;
    let (_worker, mut heard) = orchestrator(&host, "helper");
    let helper = host.other_agent("helper");
    let _helper = helper.serve("helper", Serve::default(), async |run| {
        assert_eq!(run.input().data, Some(json!({"n": 1})));
        let history = run.history();
        assert_eq!(history.last(), Some(run.input()));
        run.write_as("reasoning", "hm ").await?;
        run.write("worked on: ").await?;
        run.write(&run.input().text).await?;
        Ok(Some(json!({"bid": 0.52})))
    });
    let user = host.user().await;
    user.send("a shop").await.unwrap();
    let delegated = next(&mut heard).await.unwrap();
    let (state, text) = ended(&user, 0).await;
    assert_eq!((state, text.as_str()), (RunState::Completed, "asking. worked on: a shop"));
    let (child, parent) = until(&user, |transcript| {
        let child = transcript.runs().get(1)?;
        Some((child.clone(), child.parent))
    })
    .await;
    assert_eq!(
        (child.agent.as_str(), parent, child.state),
        ("helper", Some(0), RunState::Completed)
    );
    assert_eq!(
        delegated,
        Delegated {
            run: Some(Id::parse(&child.id).unwrap()),
            outcome: Outcome::Completed,
            text: "worked on: a shop".to_owned(),
            data: Some(json!({"bid": 0.52})),
        }
    );
}

#[tokio::test]
async fn delegated_work_that_fails_is_an_answer_and_not_an_error() {
    let host = Host::start().await;
    let (_worker, mut heard) = orchestrator(&host, "helper");
    let _helper = host.other_agent("helper").serve("helper", Serve::default(), async |run| {
        run.write("so far").await?;
        Err(RunError::failed("too_hard"))
    });
    let user = host.user().await;
    user.send("work").await.unwrap();
    let delegated = next(&mut heard).await.unwrap();
    assert_eq!((delegated.outcome, delegated.text.as_str()), (Outcome::Failed, "so far"));
    assert_eq!(delegated.data, None);
    assert_eq!(ended(&user, 0).await.0, RunState::Completed);
}

#[tokio::test]
async fn a_stop_of_a_run_stops_what_it_delegated_in_another_process() {
    let host = Host::start().await;
    let (_worker, mut heard) = orchestrator(&host, "helper");
    let _helper = host.other_agent("helper").serve("helper", Serve::default(), async |run| {
        run.write("working").await?;
        run.stopped().await;
        // What it says now comes too late.
        let refused = run.write("more").await;
        assert!(matches!(refused, Err(RunError::Stopped)), "{refused:?}");
        Ok(Some(json!("a result")))
    });
    let user = host.user().await;
    user.send("work").await.unwrap();
    let (_, text) = stands(&user, 1, |state| state == RunState::Running).await;
    assert!(text.len() <= "working".len());
    until(&user, |transcript| {
        transcript.messages().iter().any(|message| message.text == "working").then_some(())
    })
    .await;
    let run = until(&user, |transcript| Some(transcript.runs().first()?.id.clone())).await;
    let receipt = user.stop(StopTarget::Run(Id::parse(&run).unwrap())).await.unwrap();
    assert_eq!(receipt.runs.len(), 2);
    assert!(matches!(next(&mut heard).await, Err(RunError::Stopped)));
    assert_eq!(ended(&user, 0).await, (RunState::Stopped, "asking. ".to_owned()));
    assert_eq!(ended(&user, 1).await, (RunState::Stopped, "working".to_owned()));
    assert!(host.events("run.ended").iter().all(|end| end["from"] != Value::Null), "in its grace");
}

#[tokio::test]
async fn work_that_nobody_took_is_cancelled_with_the_run_that_delegated_it() {
    let host = Host::start().await;
    let (_worker, mut heard) = orchestrator(&host, "nobody");
    let user = host.user().await;
    user.send("work").await.unwrap();
    until(&user, |transcript| (transcript.messages().len() == 3).then_some(())).await;
    user.stop(StopTarget::All).await.unwrap();
    assert!(matches!(next(&mut heard).await, Err(RunError::Stopped)));
    assert_eq!(ended(&user, 0).await.0, RunState::Stopped);
    let fates = host.events("input.state");
    assert_eq!((fates.len(), &fates[0]["state"]), (1, &json!("stopped")));
    // Who comes late is offered nothing.
    let _late = host.other_agent("late").serve("nobody", Serve::default(), endless);
    user.send("again").await.unwrap();
    until(&user, |transcript| (transcript.runs().len() >= 3).then_some(())).await;
    assert_eq!(host.events("run.started").iter().filter(|it| it["agent"] == "nobody").count(), 1);
}

#[tokio::test]
async fn a_stop_of_the_child_alone_is_an_answer_to_its_parent() {
    let host = Host::start().await;
    let (_worker, mut heard) = orchestrator(&host, "helper");
    let _helper = host.other_agent("helper").serve("helper", Serve::default(), async |run| {
        run.write("begun").await?;
        run.stopped().await;
        Err(RunError::Stopped)
    });
    let user = host.user().await;
    user.send("work").await.unwrap();
    let child = until(&user, |transcript| {
        transcript.messages().iter().find(|message| message.text == "begun")?;
        Some(transcript.runs().get(1)?.id.clone())
    })
    .await;
    user.stop(StopTarget::Run(Id::parse(&child).unwrap())).await.unwrap();
    let delegated = next(&mut heard).await.unwrap();
    assert_eq!((delegated.outcome, delegated.text.as_str()), (Outcome::Stopped, "begun"));
    assert_eq!(ended(&user, 0).await, (RunState::Completed, "asking. begun".to_owned()));
}

#[tokio::test]
async fn several_agents_work_side_by_side_through_a_crash_of_the_server() {
    let host = Host::start().await;
    let _worker = host.agent().serve("assistant", Serve::default(), async |run| {
        run.write("both: ").await?;
        let (one, two) = tokio::join!(run.delegate("one", "a"), run.delegate("two", "b"));
        run.write(&format!("{} {}", one?.text, two?.text)).await?;
        Ok(None)
    });
    let mut helpers = Vec::new();
    for name in ["one", "two"] {
        helpers.push(host.other_agent(name).serve(name, Serve::default(), async |run| {
            for n in 0..50 {
                run.write(&format!("{n}")).await?;
                tokio::time::sleep(std::time::Duration::from_millis(2)).await;
            }
            Ok(None)
        }));
    }
    let user = host.user().await;
    user.send("work").await.unwrap();
    until(&user, |transcript| {
        (transcript.messages().iter().any(|it| it.text.len() > 20)).then_some(())
    })
    .await;
    host.crash();
    let each: String = (0..50).map(|n| n.to_string()).collect();
    assert_eq!(ended(&user, 0).await, (RunState::Completed, format!("both: {each} {each}")));
}
