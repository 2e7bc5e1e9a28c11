//! What happens to people, one sentence each. The channel is a browser's own: nothing is lost on it.

use durable_sessions_client::core::limits::OUTBOX_MAX_BYTES;
use durable_sessions_client::core::{Input, Role, SessionStatus, StopTarget, Token};
use durable_sessions_protocol::limits::EVENT_MAX_BYTES;
use serde_json::{Value, json};

use super::tab::TabId;
use super::world::{World, group, session};

/// A tab that takes over has heard nothing for 2 s, and opened a socket.
const TAKEOVER_MS: u64 = 2_500;
/// One that heard its leader leave waits only for others that did.
const PARTING_MS: u64 = 500;

/// So many tabs of one browser that follow one session, the first one leading.
fn tabs(count: usize) -> (World, Vec<TabId>) {
    let mut world = World::new(7);
    let session = session("s");
    world.work(&session);
    let mut tabs = Vec::new();
    for _ in 0..count {
        let tab = world.open_tab(Some(group("one")));
        world.follow(tab, &session);
        tabs.push(tab);
        world.run_until(3_000, "it has joined", |world| world.is_caught_up(tab));
    }
    world.run_until(3_000, "all know each other", World::is_well);
    assert_eq!(world.leaders(), [tabs[0]]);
    (world, tabs)
}

fn write(world: &mut World, name: &str, events: u32) {
    for _ in 0..events {
        world.work(&session(name));
    }
    // Until it is durable.
    world.run_for(10);
}

#[test]
fn tabs_of_a_browser_share_one_socket_and_all_see_the_log() {
    let (mut world, tabs) = tabs(5);
    write(&mut world, "s", 40);
    world.run_until(500, "all have read it", World::is_well);
    assert_eq!(world.open_sockets(), [tabs[0]]);
    assert_eq!(world.connections_made, 1);
    assert!(tabs.iter().all(|tab| world.tabs[tab.0].presences > 0));
}

#[test]
fn a_tab_that_joins_while_a_run_streams_gets_what_was_written_before() {
    let (mut world, _) = tabs(2);
    world.weather.agents_ms = 10;
    world.agent(session("s"));
    world.run_for(1_500);
    let late = world.open_tab(Some(group("one")));
    world.follow(late, &session("s"));
    world.run_for(1_000);
    let watch = &world.tabs[late.0].sessions[&session("s")];
    assert_eq!(watch.status, SessionStatus::Live);
    assert!(watch.events_at + 10 > world.tail(&session("s")), "{watch:?}");
    assert_eq!(world.connections_made, 1);
}

#[test]
fn a_followers_send_survives_the_death_of_its_leader() {
    let (mut world, tabs) = tabs(3);
    let act = world.send(tabs[2], &session("s"));
    world.kill(tabs[0]);
    world.run_until(TAKEOVER_MS, "it is acknowledged", |world| {
        world.tabs[tabs[2].0].promises.is_empty()
    });
    assert!(world.records[&session("s")].offset_of(act.as_str()).is_some());
    world.stays_well();
}

#[test]
fn a_followers_send_is_applied_once_whenever_its_leader_dies() {
    // From before the leader has heard of it to after its answer.
    for ms in 0..40 {
        let (mut world, tabs) = tabs(2);
        world.send(tabs[1], &session("s"));
        world.run_for(ms);
        world.kill(tabs[0]);
        world.run_until(TAKEOVER_MS, "it is acknowledged", World::is_well);
        world.judge_acts();
    }
}

#[test]
fn a_followers_stop_survives_the_death_of_its_leader() {
    let (mut world, tabs) = tabs(3);
    let run = world.server.log(&session("s")).open_runs()[0].id.clone();
    let stop = world.stop(tabs[1], &session("s"), StopTarget::Run(run));
    world.kill(tabs[0]);
    world.run_until(TAKEOVER_MS, "it is acknowledged", |world| {
        world.tabs[tabs[1].0].promises.is_empty()
    });
    assert!(world.records[&session("s")].offset_of(stop.as_str()).is_some());
    // Its agent does not end it, so the server does.
    world.run_until(6_000, "the run has ended", |world| {
        world.server.sessions[&session("s")].open_runs().is_empty()
    });
}

#[test]
fn a_send_of_the_only_tab_that_dies_at_once_is_sent_by_the_next_one_once() {
    let mut world = World::new(1);
    let tab = world.open_tab(Some(group("one")));
    world.follow(tab, &session("s"));
    let act = world.send(tab, &session("s"));
    world.kill(tab);
    world.run_for(100);
    assert!(world.tail(&session("s")) == 0);
    let next = world.open_tab(Some(group("one")));
    world.follow(next, &session("s"));
    world.run_until(3_000, "it is in the log", |world| world.tail(&session("s")) == 1);
    assert_eq!(world.records[&session("s")].offset_of(act.as_str()), Some(1));
    world.stays_well();
}

#[test]
fn more_than_an_outbox_holds_is_sent_when_there_is_room() {
    let (mut world, tabs) = tabs(3);
    world.weather.is_down = true;
    world.cut(tabs[0], false);
    for tab in &tabs[1..] {
        for _ in 0..200 {
            world.send(*tab, &session("s"));
        }
        world.kill(*tab);
    }
    world.run_for(1_000);
    world.weather.is_down = false;
    world.run_until(60_000, "all of it is sent", World::is_well);
    world.judge_acts();
}

#[test]
fn what_finds_no_room_is_not_overtaken_by_what_is_smaller() {
    let (mut world, tabs) = tabs(2);
    world.weather.is_down = true;
    world.cut(tabs[0], false);
    let long = "x".repeat(EVENT_MAX_BYTES * 3 / 4);
    let senders = [tabs[1], world.open_tab(Some(group("one")))];
    for tab in senders {
        world.follow(tab, &session("s"));
        for _ in 0..OUTBOX_MAX_BYTES / long.len() - 1 {
            world.say(tab, &session("s"), &long);
        }
        world.send(tab, &session("s"));
        world.kill(tab);
    }
    // Until they count as gone.
    world.run_for(15_000);
    world.weather.is_down = false;
    world.run_until(60_000, "all of it is sent", World::is_well);
    world.judge_acts();
}

#[test]
fn what_a_tab_takes_back_is_not_sent_by_the_next_leader() {
    let (mut world, tabs) = tabs(3);
    world.weather.is_down = true;
    // A new leader reads what is stored before it hears who is there.
    world.weather.channel_ms = 40..60;
    world.cut(tabs[0], false);
    world.send(tabs[2], &session("s"));
    let act = world.send(tabs[2], &session("s"));
    world.kill(tabs[0]);
    world.run_for(5_000);
    assert_eq!(world.leaders(), [tabs[1]]);
    world.take_back(tabs[2], &session("s"), &act);
    world.weather.is_down = false;
    world.run_until(60_000, "all is well", World::is_well);
    assert_eq!(world.records[&session("s")].offset_of(act.as_str()), None);
}

#[test]
fn tabs_that_sleep_with_their_leader_keep_their_acts() {
    let (mut world, tabs) = tabs(3);
    // What is stored is read sooner than the others can say that they are there.
    world.weather.channel_ms = 40..50;
    world.weather.is_down = true;
    world.cut(tabs[0], false);
    world.send(tabs[2], &session("s"));
    for _ in 0..8 {
        for tab in &tabs {
            world.freeze(*tab);
        }
        world.run_for(15_000);
        for tab in &tabs {
            world.thaw(*tab);
        }
        world.run_for(5_000);
    }
    world.weather.is_down = false;
    world.run_until(60_000, "it is sent", World::is_well);
    world.judge_acts();
}

#[test]
fn a_new_tab_that_hears_no_leader_takes_nothing_from_those_who_wait_for_one() {
    let (mut world, tabs) = tabs(2);
    world.weather.channel_ms = 40..50;
    world.run_for(5_000);
    world.hide(tabs[1]);
    world.freeze(tabs[0]);
    world.send(tabs[1], &session("s"));
    let new = world.open_tab(Some(group("one")));
    world.follow(new, &session("s"));
    world.run_until(6_000, "the new one leads and the act is sent", |world| {
        world.leaders() == [new] && world.tabs[tabs[1].0].promises.is_empty()
    });
    world.judge_acts();
}

#[test]
fn a_tab_that_was_taken_for_gone_is_present_again() {
    let (mut world, tabs) = tabs(3);
    world.freeze(tabs[2]);
    world.run_for(15_000);
    world.thaw(tabs[2]);
    world.run_until(1_000, "it is counted", World::is_well);
    assert_eq!(world.connections_made, 1);
}

#[test]
fn a_stolen_lock_does_not_give_two_sockets_for_long() {
    let (mut world, tabs) = tabs(3);
    // Each of the others in turn believes to lead.
    for _ in 0..3 {
        world.steal_lock(&group("one").key, 0);
        world.run_for(TAKEOVER_MS);
        assert_eq!(world.open_sockets().len(), 1);
        assert_eq!(world.leaders().len(), 1);
    }
    world.stays_well();
    assert!(world.connections_made <= 4, "{} sockets", world.connections_made);
    assert!(world.tabs[tabs[0].0].opened > 0);
}

#[test]
fn a_frozen_leader_is_replaced_and_follows_when_it_thaws() {
    let (mut world, tabs) = tabs(3);
    world.freeze(tabs[0]);
    write(&mut world, "s", 10);
    world.run_until(TAKEOVER_MS, "another one leads and has all", |world| {
        world.leaders().len() == 1 && world.is_caught_up(tabs[1]) && world.is_caught_up(tabs[2])
    });
    world.run_for(30_000);
    assert_ne!(world.leaders(), [tabs[0]]);
    let sockets = world.connections_made;
    world.thaw(tabs[0]);
    world.run_until(1_000, "the thawed one follows", World::is_well);
    assert_ne!(world.leaders(), [tabs[0]]);
    assert_eq!(world.connections_made, sockets, "it takes nothing back");
    world.stays_well();
}

#[test]
fn a_leader_that_leaves_while_a_frozen_tab_has_the_lock_is_followed_at_once() {
    let (mut world, tabs) = tabs(4);
    world.freeze(tabs[0]);
    world.run_until(TAKEOVER_MS, "another leads", World::is_well);
    let second = world.leaders()[0];
    world.suspend(second);
    world.run_until(PARTING_MS, "a third leads", World::is_well);
    world.thaw(tabs[0]);
    world.restore(second);
    world.stays_well();
}

#[test]
fn what_a_leader_said_in_a_term_that_is_over_counts_for_nothing() {
    let (mut world, tabs) = tabs(2);
    for term in [0, 2, 1] {
        let head = json!({"type": "yield", "tab": "tab0", "term": term, "to": "tab1"});
        world.tell(tabs[1], Input::Message { head, cargo: None });
        let does_lead = world.tabs[tabs[1].0].leads();
        assert_eq!(does_lead, term == 1, "term {term}");
    }
}

#[test]
fn a_hidden_leader_yields_to_a_visible_tab() {
    let (mut world, tabs) = tabs(2);
    world.hide(tabs[0]);
    world.run_until(3_000, "the visible one leads", |world| world.leaders() == [tabs[1]]);
    world.stays_well();
    assert_eq!(world.open_sockets(), [tabs[1]]);
}

#[test]
fn hidden_tabs_keep_their_leader() {
    let (mut world, tabs) = tabs(4);
    for tab in &tabs {
        world.hide(*tab);
    }
    world.run_for(120_000);
    assert_eq!(world.leaders(), [tabs[0]]);
    assert_eq!(world.connections_made, 1);
}

#[test]
fn a_tab_that_lags_fetches_what_it_missed_over_the_leaders_socket() {
    let (mut world, tabs) = tabs(3);
    world.freeze(tabs[2]);
    world.run_for(100);
    // What is posted to it is lost, as if its queue had been dropped.
    world.weather.partition = [tabs[2]].into();
    write(&mut world, "s", 200);
    world.run_for(1_000);
    world.weather.partition.clear();
    world.thaw(tabs[2]);
    world.run_until(3_000, "it has caught up", World::is_well);
    assert_eq!(world.connections_made, 1);
    assert!(world.fetches > 0);
}

#[test]
fn a_reader_far_behind_goes_on_by_pages_at_its_own_pace() {
    let (mut world, tabs) = tabs(2);
    write(&mut world, "s", 3_000);
    world.run_until(5_000, "all have read it", World::is_well);
    let reader = world.read(tabs[1], &session("s"), 5);
    world.run_until(60_000, "the reader has read it", World::is_well);
    let at = world.tabs[tabs[1].0].sessions[&session("s")].readers[&reader].at;
    assert!(at > 2_000, "{at} of {}", world.tail(&session("s")));
    write(&mut world, "s", 10);
    world.run_until(5_000, "it follows what is new", World::is_well);
}

#[test]
fn tabs_of_different_groups_do_not_share() {
    let mut world = World::new(3);
    let one = world.open_tab(Some(group("one")));
    let other = world.open_tab(Some(group("other")));
    for tab in [one, other] {
        world.follow(tab, &session("s"));
    }
    world.run_until(3_000, "both are connected", World::is_well);
    let mut sockets = world.open_sockets();
    sockets.sort();
    assert_eq!(sockets, [one, other]);
    world.stays_well();
}

#[test]
fn a_tab_without_a_group_keeps_its_own_socket_and_posts_nothing() {
    let (mut world, _) = tabs(2);
    let solo = world.open_tab(None);
    world.follow(solo, &session("s"));
    world.run_until(3_000, "it is connected", |world| world.is_caught_up(solo));
    assert_eq!(world.tabs[solo.0].role, Some((Role::Solo, 1)));
    assert_eq!(world.tabs[solo.0].joins, 0);
    assert_eq!(world.open_sockets().len(), 2);
}

#[test]
fn a_suspended_leader_hands_over_and_comes_back_as_a_follower() {
    let (mut world, tabs) = tabs(2);
    world.suspend(tabs[0]);
    write(&mut world, "s", 5);
    world.run_until(500, "the other one leads at once", |world| {
        world.leaders() == [tabs[1]] && world.is_caught_up(tabs[1])
    });
    world.run_for(10_000);
    world.restore(tabs[0]);
    world.run_until(1_000, "it is back", World::is_well);
    assert_eq!(world.leaders(), [tabs[1]]);
    world.stays_well();
}

#[test]
fn a_leader_that_gets_no_token_lets_another_tab_lead() {
    let mut world = World::new(5);
    let mut open = || {
        let tab = world.open_tab_as("user/anonymous", Some(group("one")), true);
        world.follow(tab, &session("s"));
        world.run_until(3_000, "it is connected", |world| world.is_caught_up(tab));
        tab
    };
    let (one, other) = (open(), open());
    assert_eq!(world.leaders(), [one]);
    world.tabs[one.0].token = Token::Failed;
    world.cut(one, false);
    world.run_until(TAKEOVER_MS, "the other one leads", |world| world.leaders() == [other]);
    world.run_until(1_000, "all is well", World::is_well);
    world.stays_well();
}

#[test]
fn a_leader_cut_off_in_silence_is_not_taken_for_dead_by_its_followers() {
    let (mut world, tabs) = tabs(3);
    world.cut(tabs[0], true);
    write(&mut world, "s", 5);
    world.run_until(30_000, "it notices and connects again", World::is_well);
    assert_eq!(world.leaders(), [tabs[0]]);
    assert_eq!(world.connections_made, 2);
}

#[test]
fn a_browser_cut_in_two_is_one_again_when_its_tabs_hear_each_other() {
    let (mut world, tabs) = tabs(4);
    world.weather.partition = [tabs[2], tabs[3]].into();
    write(&mut world, "s", 5);
    let mut made = |ms| {
        let before = world.connections_made;
        world.run_for(ms);
        world.connections_made - before
    };
    let (soon, later) = (made(60_000), made(60_000));
    assert!(soon <= 24 && later <= 6, "they give way for ever longer: {soon}, {later} sockets");
    write(&mut world, "s", 5);
    world.weather.partition.clear();
    world.run_until(5_000, "one of them leads", World::is_well);
    world.stays_well();
}

#[test]
fn what_a_person_says_and_then_stops_is_stopped_in_that_order() {
    let (mut world, tabs) = tabs(2);
    world.cut(tabs[0], false);
    let message = world.send(tabs[1], &session("s"));
    let stop = world.stop(tabs[1], &session("s"), StopTarget::All);
    world.run_until(5_000, "both are acknowledged", World::is_well);
    let record = &world.records[&session("s")];
    let at = |act: &str| record.offset_of(act).unwrap();
    assert!(at(message.as_str()) < at(stop.as_str()));
    assert!(at(stop.as_str()) < at(&format!("{stop}.1")), "the message is stopped by name");
    let log = &world.server.sessions[&session("s")];
    assert!(log.input().is_none(), "nothing waits for an agent");
    let events = log.events.iter().map(|event| serde_json::from_str::<Value>(event).unwrap());
    let mut fates = events.filter(|event| event["kind"] == "input.state");
    assert_eq!(fates.next().unwrap()["state"], "stopped");
}
