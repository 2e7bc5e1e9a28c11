//! From the events of a request to drafts, the same for every transport.

use durable_sessions_protocol::error::{ErrorCode, Problem};
use durable_sessions_protocol::event::Draft;
use durable_sessions_protocol::limits::PUBLISH_MAX_EVENTS;
use serde_json::value::RawValue;

use super::problem::invalid;
use crate::hub::Refusal;

/// Parses the events of one publish; a refusal names the first that is wrong.
pub(super) fn parse(events: &[&RawValue]) -> Result<Vec<Draft>, Refusal> {
    if events.is_empty() {
        return Err(Refusal { problem: invalid("a publish has at least one event"), index: None });
    }
    if events.len() > PUBLISH_MAX_EVENTS {
        let problem = Problem::new(
            ErrorCode::TooLarge,
            format!("the publish has {} events, the limit is {PUBLISH_MAX_EVENTS}", events.len()),
        );
        return Err(Refusal { problem, index: None });
    }
    events
        .iter()
        .enumerate()
        .map(|(index, event)| {
            Draft::parse(event.get()).map_err(|problem| Refusal { problem, index: Some(index) })
        })
        .collect()
}
