//! One exchange, cut after every byte.

use crate::sim::conversation::{AGENT, Conversation, USER};
use crate::sim::{Direction, Fault};

fn every_cut_leads_to_the_same_log(peer: usize, direction: Direction, is_silent: bool) {
    let mut whole = Conversation::new();
    whole.play();
    let expected = whole.timeless_log();
    assert_eq!(expected.len(), 15, "{expected:#?}");
    let first = &whole.world.peers[peer];
    assert_eq!(first.opened, 1);
    let bytes = match direction {
        Direction::Up => first.first_up,
        Direction::Down => first.first_down,
    };
    assert!(bytes > 400, "{bytes}");
    for after in 0..=bytes {
        let fault = Fault { direction, after, is_silent };
        let mut cut = Conversation::with_fault(peer, fault);
        cut.play();
        assert_eq!(cut.timeless_log(), expected, "{fault:?}");
        assert_eq!(cut.user.transcript.to_json(), cut.stored_transcript().to_json(), "{fault:?}");
        assert_eq!(cut.user.sent, ["m1", "m2", "stop"], "{fault:?}");
        assert_eq!(cut.user.patches, whole.user.patches, "{fault:?}");
    }
}

#[test]
fn a_user_cut_after_any_byte_sent_ends_with_the_same_transcript() {
    every_cut_leads_to_the_same_log(USER, Direction::Up, false);
    every_cut_leads_to_the_same_log(USER, Direction::Up, true);
}

#[test]
fn a_user_cut_after_any_byte_received_ends_with_the_same_transcript() {
    every_cut_leads_to_the_same_log(USER, Direction::Down, false);
    every_cut_leads_to_the_same_log(USER, Direction::Down, true);
}

#[test]
fn an_agent_cut_after_any_byte_sent_writes_the_same_log() {
    every_cut_leads_to_the_same_log(AGENT, Direction::Up, false);
    every_cut_leads_to_the_same_log(AGENT, Direction::Up, true);
}

#[test]
fn an_agent_cut_after_any_byte_received_writes_the_same_log() {
    every_cut_leads_to_the_same_log(AGENT, Direction::Down, false);
    every_cut_leads_to_the_same_log(AGENT, Direction::Down, true);
}
