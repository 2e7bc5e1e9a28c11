//! A log that never had an event may be forgotten by its server, with its id.

use crate::sim::World;
use crate::sim::conversation::{id, session};
use crate::sim::server::Log;
use durable_sessions_client::core::{Act, Follow, Input, Output};

#[test]
fn an_act_on_a_log_without_events_is_delivered_to_the_log_that_takes_its_place() {
    let mut world = World::new();
    let user = world.add("user/ann");
    world.tell(user, Input::Attach { session: session(), follow: Follow::PATCHES });
    while !world.peers[user].told.iter().any(|told| matches!(told, Output::Reset { .. })) {
        assert!(world.step());
    }
    world.peers[user].is_reachable = false;
    world.cut(user);
    world.tell(user, Input::Send { session: session(), act: Act::text(id("a"), "hello") });
    *world.server.log(&session()) = Log::new("other");
    world.peers[user].is_reachable = true;
    loop {
        assert!(world.step());
        match world.peers[user].told.pop_front() {
            Some(Output::Sent { id, .. }) => break assert_eq!(id.as_str(), "a"),
            Some(Output::Refused { problem, .. }) => panic!("{problem}"),
            _ => {}
        }
    }
    assert_eq!(world.server.log(&session()).events.len(), 1);
}
