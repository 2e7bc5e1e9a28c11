//! How much input may wait for agents at a time. People's messages wait for room. What agents write
//! does not: the claim or the end that makes some might stand behind it in the same stream.

use durable_sessions_protocol::error::{ErrorCode, Problem};
use durable_sessions_protocol::event::{Draft, Event, PrincipalKind};

use super::publish::invalid;
use super::{State, Writer};

/// People's messages of one session that may wait for agents. Beyond it: `rate_limited`.
pub(super) const PENDING_MAX_MESSAGES: usize = 1024;
/// Inputs that runs of one session have delegated and no run has claimed. One more is `invalid`.
pub(super) const DELEGATED_MAX_INPUTS: usize = 1024;

impl State {
    /// Whether there is room for these now, as far as people send them. A refusal for the lack of it
    /// is not recorded: the same publish is welcome later.
    pub(super) fn check_room(&self, writer: &Writer, drafts: &[Draft]) -> Result<(), Problem> {
        if writer.principal.kind == PrincipalKind::Agent {
            return Ok(());
        }
        let inputs = drafts.iter().filter(|draft| {
            matches!(&draft.event, Event::Message(message) if self.addressee(message).is_some())
        });
        let inputs = inputs.count();
        if inputs == 0 || self.pending.of_people() + inputs <= PENDING_MAX_MESSAGES {
            return Ok(());
        }
        Err(Problem::new(
            ErrorCode::RateLimited,
            format!(
                "at most {PENDING_MAX_MESSAGES} messages of people may wait for agents: send again when runs have claimed some"
            ),
        ))
    }

    /// Whether a run may delegate one more input.
    pub(super) fn check_room_to_delegate(&self) -> Result<(), Problem> {
        if self.pending.delegated() < DELEGATED_MAX_INPUTS {
            return Ok(());
        }
        Err(invalid(format!(
            "at most {DELEGATED_MAX_INPUTS} delegated messages may wait for agents: delegate when runs have claimed some"
        )))
    }
}
