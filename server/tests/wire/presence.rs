//! Who is attached to a session: told to all who are, and no part of its log.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::support::{Client, Request, TestServer, note};

/// `kind/id:tabs` of each member listed.
fn look(presence: &Value) -> Vec<String> {
    let members = presence["members"].as_array().unwrap();
    members
        .iter()
        .map(|member| {
            let (kind, id) = (&member["from"]["kind"], &member["from"]["id"]);
            format!("{}/{}:{}", kind.as_str().unwrap(), id.as_str().unwrap(), member["tabs"])
        })
        .collect()
}

fn devices(presence: &Value) -> Vec<String> {
    let members = presence["members"].as_array().unwrap();
    members.iter().map(|member| member["device"].as_str().unwrap().to_owned()).collect()
}

/// The first frame that shows these members; how many came before it.
async fn until(client: &mut Client, wanted: &[&str]) -> (Value, Vec<Value>) {
    let mut before = Vec::new();
    loop {
        let presence = client.presence().await;
        assert_eq!(presence["type"], "presence");
        if look(&presence) == wanted {
            assert_eq!(presence["total"], wanted.len());
            return (presence, before);
        }
        before.push(presence);
    }
}

async fn attached(server: &TestServer, hello: Value) -> Client {
    let mut client = server.greeted(hello).await;
    client.attach("s").await;
    client
}

fn in_group(user: &str, group: &str) -> Value {
    json!({"as": format!("user/{user}"), "group": group})
}

async fn tell_tabs(client: &mut Client, tabs: u32) {
    client.send(&json!({"type": "seen", "session": "s", "offset": 0, "tabs": tabs})).await;
}

#[tokio::test]
async fn everyone_attached_hears_of_everyone_once_per_device() {
    let server = TestServer::start(&[]).await;
    let mut ann = attached(&server, in_group("ann", "phone")).await;
    until(&mut ann, &["user/ann:1"]).await;
    let mut again = attached(&server, in_group("ann", "laptop")).await;
    let mut bob = attached(&server, json!({"as": "user/bob", "client": "c-1"})).await;
    let mut agent = attached(&server, json!({"as": "agent/a"})).await;
    let all = ["user/ann:1", "user/ann:1", "user/bob:1", "agent/a:1"];
    let mut texts = BTreeSet::new();
    for client in [&mut ann, &mut again, &mut bob, &mut agent] {
        let (presence, _) = until(client, &all).await;
        assert_eq!(presence["session"], "s");
        let names: BTreeSet<String> = devices(&presence).into_iter().collect();
        assert_eq!(names.len(), 4);
        assert!(!presence.to_string().contains("laptop"), "a group's id is told to nobody");
        texts.insert(presence.to_string());
    }
    assert_eq!(texts.len(), 1);
    // Others hear nothing of this session.
    let mut stranger = server.client("user/eve").await;
    stranger.attach("t").await;
    assert_eq!(look(&stranger.presence().await), ["user/eve:1"]);
}

#[tokio::test]
async fn a_device_has_the_same_name_whenever_it_comes() {
    let server = TestServer::start(&[]).await;
    let mut ann = attached(&server, in_group("ann", "g")).await;
    let (presence, _) = until(&mut ann, &["user/ann:1"]).await;
    let other = TestServer::start(&[]).await;
    let mut ann = attached(&other, json!({"as": "user/ann", "group": "g", "client": "c"})).await;
    let (after_restart, _) = until(&mut ann, &["user/ann:1"]).await;
    assert_eq!(devices(&presence), devices(&after_restart));
    let mut bob = attached(&other, in_group("bob", "g")).await;
    let (both, _) = until(&mut bob, &["user/ann:1", "user/bob:1"]).await;
    let names = devices(&both);
    assert_ne!(names[0], names[1], "a group is its principal's");
}

#[tokio::test]
async fn a_browser_says_how_many_tabs_follow() {
    let server = TestServer::start(&[]).await;
    let mut ann = attached(&server, in_group("ann", "g")).await;
    let mut bob = attached(&server, json!({"as": "user/bob"})).await;
    until(&mut bob, &["user/ann:1", "user/bob:1"]).await;
    tell_tabs(&mut ann, 8).await;
    until(&mut bob, &["user/ann:8", "user/bob:1"]).await;
    // `seen` without it changes nothing.
    ann.send(&json!({"type": "seen", "session": "s", "offset": 0})).await;
    tell_tabs(&mut bob, 2).await;
    let (_, before) = until(&mut ann, &["user/ann:8", "user/bob:2"]).await;
    assert!(before.len() <= 4, "{before:?}");
}

#[tokio::test]
async fn a_handover_in_a_group_does_not_flicker() {
    let server = TestServer::start(&[]).await;
    let mut leader = attached(&server, in_group("ann", "g")).await;
    tell_tabs(&mut leader, 3).await;
    let mut bob = attached(&server, json!({"as": "user/bob"})).await;
    until(&mut bob, &["user/ann:3", "user/bob:1"]).await;
    // Once the new leader comes first, once the old one goes first.
    let mut newer = attached(&server, in_group("ann", "g")).await;
    assert_eq!(leader.closed().await, Some(4290));
    let (presence, _) = until(&mut newer, &["user/ann:3", "user/bob:1"]).await;
    tell_tabs(&mut newer, 3).await;
    drop(newer);
    server.until_metric("durable_sessions_attaches", 1).await;
    let mut last = attached(&server, in_group("ann", "g")).await;
    tell_tabs(&mut last, 3).await;

    // A guest's departure is told later than one of the handovers could have been.
    drop(attached(&server, json!({"as": "user/guest"})).await);
    let (_, came) = until(&mut bob, &["user/ann:3", "user/bob:1", "user/guest:1"]).await;
    assert!(came.is_empty(), "{came:?}");
    let (after, left) = until(&mut bob, &["user/ann:3", "user/bob:1"]).await;
    assert!(left.is_empty(), "{left:?}");
    assert_eq!(devices(&after), devices(&presence));
}

#[tokio::test]
async fn a_departure_is_told_after_a_moment() {
    let server = TestServer::start(&[]).await;
    let mut bob = attached(&server, json!({"as": "user/bob"})).await;
    let mut ann = attached(&server, json!({"as": "user/ann"})).await;
    until(&mut bob, &["user/ann:1", "user/bob:1"]).await;
    let left = Instant::now();
    ann.ask(json!({"type": "detach", "session": "s"})).await;
    until(&mut bob, &["user/bob:1"]).await;
    assert!(left.elapsed() >= Duration::from_secs(2));
    assert!(ann.until_quiet().await.is_empty());
    // It heard nothing itself: whoever detaches does not follow.
    ann.attach("s").await;
    until(&mut bob, &["user/ann:1", "user/bob:1"]).await;
    let (_, since) = until(&mut ann, &["user/ann:1", "user/bob:1"]).await;
    assert!(since.iter().all(|frame| look(frame).len() == 2), "{since:?}");
}

#[tokio::test]
async fn a_crashed_connection_is_missed_before_the_next_heartbeat() {
    let server = TestServer::start(&[]).await;
    let mut bob = attached(&server, json!({"as": "user/bob"})).await;
    let ann = attached(&server, json!({"as": "user/ann"})).await;
    until(&mut bob, &["user/ann:1", "user/bob:1"]).await;
    let crashed = Instant::now();
    // As when a process is killed: no close frame.
    drop(ann);
    until(&mut bob, &["user/bob:1"]).await;
    assert!(crashed.elapsed() < Duration::from_secs(15));
}

#[tokio::test]
async fn a_silent_connection_is_missed_when_its_heartbeat_is() {
    let flags = ["--heartbeat-ms", "100", "--heartbeat-grace-ms", "400"];
    let server = TestServer::start(&flags).await;
    let mut bob = server.client("user/bob").await;
    bob.send(&json!({"type": "attach", "session": "s"})).await;
    // Its socket stays open, as that of a machine without power does.
    let _ann = attached(&server, json!({"as": "user/ann"})).await;
    let mut looks = Vec::new();
    while looks.last() != Some(&vec!["user/bob:1".to_owned()]) || looks.len() < 2 {
        // Bob answers pings.
        tokio::select! {
            presence = bob.presence() => looks.push(look(&presence)),
            () = tokio::time::sleep(Duration::from_millis(50)) => {
                bob.send(&json!({"type": "ping"})).await;
            }
        }
    }
    assert!(looks.contains(&vec!["user/ann:1".to_owned(), "user/bob:1".to_owned()]), "{looks:?}");
}

#[tokio::test]
async fn a_second_attach_hears_at_once_how_it_stands() {
    let server = TestServer::start(&[]).await;
    let mut ann = attached(&server, json!({"as": "user/ann"})).await;
    tell_tabs(&mut ann, 4).await;
    until(&mut ann, &["user/ann:4"]).await;
    ann.attach("s").await;
    let (_, before) = until(&mut ann, &["user/ann:4"]).await;
    assert!(before.is_empty(), "{before:?}");
}

#[tokio::test]
async fn a_crowd_is_listed_in_part_and_counted_whole() {
    let server = TestServer::start(&[]).await;
    let mut crowd = join_all((0..200).map(|n| {
        let hello = json!({"as": format!("user/u{n:03}"), "client": format!("c{n}")});
        attached(&server, hello)
    }))
    .await;
    for client in &mut crowd {
        let presence = loop {
            let presence = client.presence().await;
            if presence["total"] == 200 {
                break presence;
            }
        };
        let listed = look(&presence);
        assert_eq!(listed.len(), 100);
        assert_eq!((&*listed[0], &*listed[99]), ("user/u000:1", "user/u099:1"));
    }
}

#[tokio::test]
async fn a_storm_of_comings_and_goings_is_told_at_most_every_50_ms() {
    let server = TestServer::start(&[]).await;
    let mut bob = attached(&server, json!({"as": "user/bob"})).await;
    until(&mut bob, &["user/bob:1"]).await;
    let start = Instant::now();
    let storm = join_all((0..20).map(async |n| {
        let hello = json!({"as": "user/ann", "client": format!("c{n}")});
        let mut client = attached(&server, hello).await;
        for tabs in 1..=50 {
            tell_tabs(&mut client, tabs).await;
            client.ask(json!({"type": "detach", "session": "s"})).await;
            client.attach("s").await;
        }
        tell_tabs(&mut client, 51).await;
        client
    }))
    .await;
    let mut calm = vec!["user/ann:51"; 20];
    calm.push("user/bob:1");
    let (_, before) = until(&mut bob, &calm).await;
    let most = start.elapsed().as_millis() / 50 + 1;
    assert!(before.len() < usize::try_from(most).unwrap(), "{} of {most}", before.len());
    drop(storm);
}

#[tokio::test]
async fn presence_is_no_part_of_the_log() {
    let server = TestServer::start(&[]).await;
    let mut ann = attached(&server, in_group("ann", "g")).await;
    until(&mut ann, &["user/ann:1"]).await;
    // A session nobody wrote to is none, whoever is there.
    assert_eq!(Request::get("/v1/sessions/s").send(server.address).await.status, 404);
    ann.publish("s", note("m", "x")).await;
    tell_tabs(&mut ann, 2).await;
    let (presence, _) = until(&mut ann, &["user/ann:2"]).await;
    let description = Request::get("/v1/sessions/s").send(server.address).await.json();
    assert_eq!(description["tail"], 1);
    assert_eq!(description["presence"], presence["members"]);
    let events = Request::get("/v1/sessions/s/events").send(server.address).await.json();
    assert_eq!(events.as_array().unwrap().len(), 1);
}
