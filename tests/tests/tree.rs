//! Many agents on one session: an orchestrator and its sub-agents, each on a connection of its own,
//! write at the same time, and a stop reaches what is below it and nothing else.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use durable_sessions_client::native::{Client, Options};
use durable_sessions_protocol::id::SessionId;
use durable_sessions_tests::place::Place;
use durable_sessions_tests::process::start_agent;
use durable_sessions_tests::proxy::{Budget, Proxy};
use durable_sessions_tests::socket::Socket;
use durable_sessions_tests::writer::{Writer, act, delta, ended};
use durable_sessions_tests::{eventually, log};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

const SERVER: &str = env!("CARGO_BIN_EXE_server-under-test");
const RUDE_AGENT: &str = env!("CARGO_BIN_EXE_rude-agent");

/// Sub-agents of the orchestrator, and those each of them has.
const LEADS: usize = 4;
const HELPERS: usize = 4;
/// Deltas that are enough to say that an agent is at work.
const SOME: usize = 5;
const PACE: Duration = Duration::from_millis(10);
/// Stops and bare appends that are timed, of each.
const PRESSES: usize = 200;

/// Waits until each of the runs has written more.
async fn all_go_on(place: &Place, runs: &BTreeSet<String>) {
    let before = place.log().await;
    let goes_on = |events: &[Value]| {
        let mut all = runs.iter();
        let more =
            |run: &String| log::deltas(events, run).len() >= log::deltas(&before, run).len() + SOME;
        all.all(more).then_some(())
    };
    place.until("every run that was not stopped goes on", goes_on).await;
}

async fn all_ended(place: &Place, runs: &BTreeSet<String>) -> Vec<Value> {
    place
        .until("the stopped runs have ended", |events| {
            let has_end = |run: &String| log::find(events, "run.ended", "run", run).is_some();
            runs.iter().all(has_end).then(|| events.to_vec())
        })
        .await
}

fn set(runs: &[&str]) -> BTreeSet<String> {
    runs.iter().map(|run| (*run).to_owned()).collect()
}

/// That nothing of the runs but their one end stands behind the stop.
fn assert_fenced(events: &[Value], runs: &BTreeSet<String>, stop: u64) {
    for event in events.iter().filter(|event| event["offset"].as_u64() > Some(stop)) {
        let is_its = event["run"].as_str().is_some_and(|run| runs.contains(run));
        assert!(!is_its || event["kind"] == "run.ended", "{event}");
    }
    for run in runs {
        let ends = events.iter().filter(|it| it["kind"] == "run.ended" && it["run"] == *run);
        let ends: Vec<_> = ends.map(|end| &end["outcome"]).collect();
        assert_eq!(ends, ["stopped"], "{run}");
    }
}

/// Starts a run on a connection of its own and streams until it is stopped.
async fn agent(
    server: SocketAddr,
    name: String,
    run: String,
    parent: Option<String>,
    input: Option<String>,
) -> JoinHandle<String> {
    let principal = format!("agent/{name}");
    let mut writer = Writer::attach(server, &principal, "s", &run, &[]).await.unwrap();
    let started = json!({
        "kind": "run.started", "run": run, "agent": name, "parent": parent, "in_reply_to": input,
    });
    writer.must(&json!([started])).await;
    tokio::spawn(async move { writer.stream(&run, PACE).await.unwrap() })
}

/// An orchestrator `root`, leads `l0` to `l3` to whom it delegated, and helpers `l0h0` to `l3h3`
/// that say themselves whom they work for: 20 sub-agents on 20 connections.
async fn orchestra(server: SocketAddr) -> BTreeMap<String, JoinHandle<String>> {
    let mut writer = Writer::attach(server, "agent/lead", "s", "root", &[]).await.unwrap();
    writer.must(&json!([{"kind": "run.started", "run": "root", "agent": "lead"}])).await;
    for lead in 0..LEADS {
        let delegated = json!({
            "kind": "message", "id": format!("task{lead}"), "role": "assistant", "run": "root",
            "to": format!("lead{lead}"), "text": "work",
        });
        writer.must(&json!([delegated])).await;
    }
    let mut agents = BTreeMap::new();
    let stream = tokio::spawn(async move { writer.stream("root", PACE).await.unwrap() });
    agents.insert("root".to_owned(), stream);
    for lead in 0..LEADS {
        let run = format!("l{lead}");
        let task = Some(format!("task{lead}"));
        let started = agent(server, format!("lead{lead}"), run.clone(), None, task).await;
        agents.insert(run.clone(), started);
        for helper in 0..HELPERS {
            let name = format!("helper{helper}");
            let child = format!("{run}h{helper}");
            let started = agent(server, name, child.clone(), Some(run.clone()), None).await;
            agents.insert(child, started);
        }
    }
    agents
}

// DS-6.2, DS-6.4; cloudflare/agents#1658: "does stop stop sub-agents?"
#[tokio::test]
async fn a_stop_of_one_of_a_subtree_and_of_all_reaches_the_sub_agents_below_and_no_other() {
    let place = Place::start(SERVER).await;
    let agents = orchestra(place.address()).await;
    let mut working: BTreeSet<String> = agents.keys().cloned().collect();
    assert_eq!(working.len(), 1 + LEADS + LEADS * HELPERS);
    all_go_on(&place, &working).await;

    let leaf = set(&["l0h0"]);
    let subtree = set(&["l1", "l1h0", "l1h1", "l1h2", "l1h3"]);
    let (stop, fenced) = place.stop(json!({"run": "l0h0"})).await;
    assert_eq!(fenced, leaf);
    working = &working - &leaf;
    all_go_on(&place, &working).await;
    assert_fenced(&all_ended(&place, &leaf).await, &leaf, stop);

    let (stop, fenced) = place.stop(json!({"run": "l1"})).await;
    assert_eq!(fenced, subtree);
    working = &working - &subtree;
    all_go_on(&place, &working).await;
    assert_fenced(&all_ended(&place, &subtree).await, &subtree, stop);

    let (stop, fenced) = place.stop(json!({"run": "l2", "cascade": false})).await;
    assert_eq!(fenced, set(&["l2"]));
    working = &working - &fenced;
    all_go_on(&place, &working).await;
    assert_fenced(&all_ended(&place, &fenced).await, &fenced, stop);

    let (stop, fenced) = place.stop(json!({"all": true})).await;
    assert_eq!(fenced, working);
    assert_fenced(&all_ended(&place, &fenced).await, &fenced, stop);
    for (run, agent) in agents {
        let told = eventually("an agent learns of its stop", agent).await.unwrap();
        assert_eq!(told, "run_stopped", "{run}");
    }
}

// DS-6.10, DS-6.7
#[tokio::test]
async fn nothing_starts_below_a_stop_and_what_it_delegated_is_cancelled() {
    let place = Place::start(SERVER).await;
    let server = place.address();
    let mut lead = Writer::attach(server, "agent/lead", "s", "lead", &[]).await.unwrap();
    let task = json!({
        "kind": "message", "id": "task", "role": "assistant", "run": "root", "to": "helper",
        "text": "work",
    });
    let root = json!({"kind": "run.started", "run": "root", "agent": "lead"});
    lead.must(&json!([root, task, ended("root", "completed")])).await;

    // The root has ended; what it asked for still waits.
    let (stop, fenced) = place.stop(json!({"run": "root"})).await;
    assert_eq!(fenced, set(&[]));
    let events = place.log().await;
    let fate = log::find(&events, "input.state", "id", "task").unwrap();
    assert_eq!((&fate["state"], &fate["offset"]), (&json!("stopped"), &json!(stop + 1)));

    let mut helper = Writer::attach(server, "agent/helper", "s", "h", &[]).await.unwrap();
    for late in [json!({"in_reply_to": "task"}), json!({"parent": "root"})] {
        let mut started = json!({"kind": "run.started", "run": "late", "agent": "helper"});
        started.as_object_mut().unwrap().extend(late.as_object().unwrap().clone());
        let refused = helper.publish(&json!([started])).await.unwrap();
        assert_eq!(refused["error"]["code"], "run_stopped", "{refused}");
    }
}

// DS-6.5, DS-6.6
#[tokio::test]
async fn a_rude_sub_agent_is_fenced_by_the_stop_of_the_run_it_works_for() {
    let place = Place::start(SERVER).await;
    let rude = ["--server", &place.server.url(), "--name", "rude"];
    let _rude = start_agent(RUDE_AGENT, &rude).await;
    let mut lead = Writer::attach(place.address(), "agent/lead", "s", "lead", &[]).await.unwrap();
    let task = json!({
        "kind": "message", "id": "task", "role": "assistant", "run": "root", "to": "rude",
        "text": "work",
    });
    lead.must(&json!([{"kind": "run.started", "run": "root", "agent": "lead"}, task])).await;
    let run = place
        .until("the rude agent is at work", |events| {
            let started = log::find(events, "run.started", "in_reply_to", "task")?;
            let run = started["run"].as_str().unwrap().to_owned();
            (log::deltas(events, &run).len() >= SOME).then_some(run)
        })
        .await;

    let (stop, fenced) = place.stop(json!({"run": "root"})).await;
    assert_eq!(fenced, set(&["root", &run]));
    lead.must(&json!([ended("root", "stopped")])).await;
    let events = all_ended(&place, &fenced).await;
    assert_fenced(&events, &fenced, stop);
    let end = log::find(&events, "run.ended", "run", &run).unwrap();
    assert_eq!(end["from"], Value::Null, "the server ends what does not");
}

// langgraphjs#2330, langgraph#7778: a reader that reconnects misses what sub-agents wrote.
// cloudflare/agents#1172: a second reader misses live chunks.
#[tokio::test]
async fn readers_that_reconnect_or_come_second_see_every_event_of_every_sub_agent() {
    let place = Place::start(SERVER).await;
    let agents = orchestra(place.address()).await;
    let runs: BTreeSet<String> = agents.keys().cloned().collect();
    // This reader is cut in the middle of frames, again and again; the other comes late.
    let network = Proxy::start(place.address(), |number| Budget {
        up_bytes: usize::MAX,
        down_bytes: if number < 12 { 3_000 + 5_000 * number } else { usize::MAX },
    });
    let network = network.await;
    let torn = Client::connect(&network.url(), Options::user("ada")).unwrap();
    let session = SessionId::parse("s").unwrap();
    let reads = [
        torn.session(&session).await.unwrap(),
        Client::connect(&place.server.url(), Options::user("bob"))
            .unwrap()
            .session(&session)
            .await
            .unwrap(),
    ];
    while network.connections() < 12 {
        all_go_on(&place, &runs).await;
        torn.reconnect().await;
    }
    place.stop(json!({"all": true})).await;
    let events = all_ended(&place, &runs).await;
    let tail = events.len() as u64;
    for read in reads {
        let whole = read.until(|it| (it.offset().as_u64() >= tail).then(|| it.messages().len()));
        let messages = eventually("a reader catches up", whole).await.unwrap();
        // The four delegated messages, and what each run wrote.
        assert_eq!(messages, LEADS + runs.len());
        for run in &runs {
            let answer = format!("{run}-answer");
            let text = read.messages().into_iter().find(|it| it.id == answer).map(|it| it.text);
            assert_eq!(text.as_deref(), Some(log::text(&events, run).as_str()), "{run}");
        }
    }
    for (_, agent) in agents {
        agent.await.unwrap();
    }
}

fn quantiles(mut times: Vec<Duration>) -> String {
    times.sort();
    let at = |share: usize| times[(times.len() * share / 100).min(times.len() - 1)];
    format!("p50 {:.2?} p99 {:.2?}", at(50), at(99))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_is_acknowledged_like_any_append_while_twenty_sub_agents_stream() {
    let place = Place::start(SERVER).await;
    let agents = orchestra(place.address()).await;
    all_go_on(&place, &agents.keys().cloned().collect()).await;
    let mut user = Socket::hello(place.address(), "user/ada").await.unwrap();
    let mut victim = Writer::attach(place.address(), "agent/v", "s", "v", &[]).await.unwrap();
    let (mut presses, mut appends) = (Vec::new(), Vec::new());
    for number in 0..PRESSES {
        let run = format!("v{number}");
        let parent = json!({"kind": "run.started", "run": run, "agent": "v", "parent": "root"});
        victim.must(&json!([parent, delta(&run, "x")])).await;
        let stop = json!({"kind": "stop.requested", "id": format!("stop-{run}"), "run": run});
        let pressed = Instant::now();
        let ack = act(&mut user, "s", &stop).await.unwrap();
        presses.push(pressed.elapsed());
        assert_eq!(ack["runs"], json!([run]));
        // From the ack on the fence stands.
        let late = victim.publish(&json!([delta(&run, "late")])).await.unwrap();
        assert_eq!(late["error"]["code"], "run_stopped");
        victim.must(&json!([ended(&run, "stopped")])).await;

        let bare = json!({"kind": "data", "name": "bare", "id": format!("bare-{run}")});
        let sent = Instant::now();
        assert_eq!(act(&mut user, "s", &bare).await.unwrap()["type"], "ack");
        appends.push(sent.elapsed());
    }
    println!("press to fence: {}; bare append: {}", quantiles(presses), quantiles(appends));
    place.stop(json!({"all": true})).await;
    for (_, agent) in agents {
        assert_eq!(agent.await.unwrap(), "run_stopped");
    }
}
