//! How text gets into the log.

use std::time::Duration;

use durable_sessions_client::native::Serve;
use durable_sessions_protocol::fold::RunState;

use super::{Host, ended};

#[tokio::test]
async fn tokens_that_come_fast_are_joined_and_none_is_lost() {
    let host = Host::start().await;
    let _worker = host.agent().serve("assistant", Serve::default(), async |run| {
        for n in 0..200 {
            run.write(&format!("{n} ")).await?;
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        Ok(None)
    });
    let user = host.user().await;
    user.send("count").await.unwrap();
    let all: String = (0..200).map(|n| format!("{n} ")).collect();
    assert_eq!(ended(&user, 0).await, (RunState::Completed, all));
    let deltas = host.events("delta");
    assert_eq!(deltas[0]["text"], "0 ", "the first one waits for nothing");
    assert!(deltas.len() <= 100, "{} events", deltas.len());
}

#[tokio::test]
async fn a_writer_that_is_faster_than_the_server_waits_and_loses_nothing() {
    let host = Host::start().await;
    let line = "x".repeat(100_000);
    let text = line.clone();
    let _worker = host.agent().serve("assistant", Serve::default(), move |run| {
        let line = line.clone();
        async move {
            for _ in 0..100 {
                run.write(&line).await?;
            }
            Ok(None)
        }
    });
    let user = host.user().await;
    user.send("a lot").await.unwrap();
    assert_eq!(ended(&user, 0).await, (RunState::Completed, text.repeat(100)));
}
