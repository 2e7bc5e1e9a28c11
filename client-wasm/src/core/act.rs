//! What a user does: a message, a stop, or the app's own data.

use durable_sessions_protocol::id::Id;
use durable_sessions_protocol::offset::Offset;
use durable_sessions_protocol::quote::write_string;

/// One act of a user. Its id makes it safe to send again, so the body must not change under it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Act {
    /// Names the act; made at random.
    pub id: Id,
    /// What it is.
    pub body: Body,
}

/// The content of an act.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    /// The event's whole JSON, with its `kind` and the act's id.
    Event(String),
    /// A stop. Its JSON is made at the press.
    Stop {
        /// What stops.
        target: StopTarget,
        /// Whether the runs below stop too.
        cascade: bool,
    },
}

/// What a stop is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StopTarget {
    /// That run.
    Run(Id),
    /// The run that claimed this message, or the message itself.
    Message(Id),
    /// All that the requester saw: what stands at or before its cursor.
    All,
}

impl Act {
    /// A message of text to the server's default agent.
    #[must_use]
    pub fn text(id: Id, text: &str) -> Self {
        let mut event = String::with_capacity(text.len() + 64);
        event.push_str("{\"kind\":\"message\",\"id\":");
        write_string(&mut event, id.as_str());
        event.push_str(",\"role\":\"user\",\"text\":");
        write_string(&mut event, text);
        event.push('}');
        Self { id, body: Body::Event(event) }
    }

    /// A stop of all work up to the requester's cursor, or of one thing.
    #[must_use]
    pub fn stop(id: Id, target: StopTarget) -> Self {
        Self { id, body: Body::Stop { target, cascade: true } }
    }

    /// The event's JSON; `seen` is the requester's cursor.
    pub(super) fn into_event(self, seen: Option<Offset>) -> String {
        let (target, cascade) = match self.body {
            Body::Event(event) => return event,
            Body::Stop { target, cascade } => (target, cascade),
        };
        let mut event = String::from("{\"kind\":\"stop.requested\",\"id\":");
        write_string(&mut event, self.id.as_str());
        match target {
            StopTarget::Run(run) => {
                event.push_str(",\"run\":");
                write_string(&mut event, run.as_str());
            }
            StopTarget::Message(message) => {
                event.push_str(",\"message\":");
                write_string(&mut event, message.as_str());
            }
            StopTarget::All => {
                event.push_str(",\"all\":true");
                if let Some(seen) = seen {
                    super::frames::field_number(&mut event, "seen", seen.as_u64());
                }
            }
        }
        if !cascade {
            event.push_str(",\"cascade\":false");
        }
        event.push('}');
        event
    }
}
