//! What people say to a run while it works.

use durable_sessions_client::core::StopTarget;
use durable_sessions_client::native::{Serve, Session};
use durable_sessions_protocol::fold::RunState;
use durable_sessions_protocol::id::Id;
use serde_json::json;

use super::{Host, ended, until};

async fn running(user: &Session) -> Id {
    let run = until(user, |transcript| Some(transcript.runs().first()?.id.clone())).await;
    Id::parse(&run).unwrap()
}

#[tokio::test]
async fn steers_are_taken_in_order_each_once_and_are_used_from_then_on() {
    let host = Host::start().await;
    let _worker = host.agent().serve("assistant", Serve::default(), async |run| {
        let mut steers = run.steers();
        while let Some(steer) = steers.next().await {
            assert_eq!(
                (steer.role.as_str(), steer.run.as_deref()),
                ("user", Some(run.id().as_str()))
            );
            run.write(&format!("{} ", steer.text)).await?;
            if steer.text == "done" {
                break;
            }
        }
        Ok(None)
    });
    let user = host.user().await;
    user.send("work").await.unwrap();
    let run = running(&user).await;
    for text in ["left", "right", "done", "late"] {
        user.steer(&run, text).await.unwrap();
        if text == "left" {
            host.cut();
        }
    }
    assert_eq!(ended(&user, 0).await, (RunState::Completed, "left right done ".to_owned()));
    let ids: Vec<_> = host.events("steer").iter().map(|steer| steer["id"].clone()).collect();
    let fates = host.events("input.state");
    let fates: Vec<_> = fates.iter().map(|it| (it["id"].clone(), it["state"].clone())).collect();
    let used = ids[..3].iter().map(|id| (id.clone(), json!("used")));
    let expired = [(ids[3].clone(), json!("expired"))];
    assert_eq!(fates, used.chain(expired).collect::<Vec<_>>());
}

#[tokio::test]
async fn no_steer_is_lost_when_waiting_for_it_is_given_up() {
    let host = Host::start().await;
    let _worker = host.agent().serve("assistant", Serve::default(), async |run| {
        let mut steers = run.steers();
        let mut taken = 0;
        while taken < 20 {
            tokio::select! {
                steer = steers.next() => {
                    let Some(steer) = steer else { break };
                    taken += 1;
                    run.write(&format!("{} ", steer.text)).await?;
                }
                // Gives up in the middle of whatever it waits for.
                () = tokio::time::sleep(std::time::Duration::from_micros(700)) => {}
            }
        }
        Ok(None)
    });
    let user = host.user().await;
    user.send("work").await.unwrap();
    let run = running(&user).await;
    for n in 0..20 {
        user.steer(&run, &n.to_string()).await.unwrap();
    }
    let all: String = (0..20).map(|n| format!("{n} ")).collect();
    assert_eq!(ended(&user, 0).await, (RunState::Completed, all));
}

#[tokio::test]
async fn a_stop_ends_the_wait_for_steers() {
    let host = Host::start().await;
    let _worker = host.agent().serve("assistant", Serve::default(), async |run| {
        let mut steers = run.steers();
        assert!(steers.next().await.is_none());
        assert!(run.is_stopped());
        Ok(None)
    });
    let user = host.user().await;
    user.send("work").await.unwrap();
    running(&user).await;
    user.stop(StopTarget::All).await.unwrap();
    assert_eq!(ended(&user, 0).await.0, RunState::Stopped);
}
