//! The fields of each kind of event.

use serde::Serialize;

use super::{Address, IfRunning, InputFate, Outcome, Role, StopTarget};
use crate::id::Id;
use crate::json::Json;

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident: $type:ty,)* })*) => {
        $(
            $(#[$doc])*
            #[derive(Debug, Clone, PartialEq, Serialize)]
            #[serde(rename_all = "snake_case")]
            pub struct $name { $($(#[$field_doc])* pub $field: $type,)* }
        )*
    };
}

kinds! {
    /// Fields of `message`.
    Message {
        /// Names the message; a client makes it at random.
        id: Id,
        /// A user writes `user`, an agent `assistant`.
        role: Role,
        /// The agent's open run.
        #[serde(skip_serializing_if = "Option::is_none")]
        run: Option<Id>,
        /// The words. Not together with `parts`.
        #[serde(skip_serializing_if = "Option::is_none")]
        text: Option<String>,
        /// An array of the app's parts, files as URLs.
        #[serde(skip_serializing_if = "Option::is_none")]
        parts: Option<Json>,
        /// Whom it is for.
        #[serde(skip_serializing_if = "Address::is_default")]
        to: Address,
        /// What to do while that agent is at work.
        #[serde(skip_serializing_if = "Option::is_none")]
        if_running: Option<IfRunning>,
        /// Hides this message and all after it: edit and regenerate.
        #[serde(skip_serializing_if = "Option::is_none")]
        replaces: Option<Id>,
        /// The app's own JSON.
        #[serde(skip_serializing_if = "Option::is_none")]
        data: Option<Json>,
    }
    /// Fields of `run.started`.
    RunStarted {
        /// Names the run; a client makes it at random.
        run: Id,
        /// The agent's name.
        agent: Id,
        /// The run this one works for.
        #[serde(skip_serializing_if = "Option::is_none")]
        parent: Option<Id>,
        /// The input it claims.
        #[serde(skip_serializing_if = "Option::is_none")]
        in_reply_to: Option<Id>,
        /// Milliseconds without a sign of life after which the run is lost.
        #[serde(skip_serializing_if = "Option::is_none")]
        lease_ms: Option<u64>,
        /// The app's own JSON.
        #[serde(skip_serializing_if = "Option::is_none")]
        data: Option<Json>,
    }
    /// Fields of `delta`.
    Delta {
        /// The run that writes.
        run: Id,
        /// The message it writes to.
        message: Id,
        /// Index of the part, below [`crate::limits::MESSAGE_MAX_PARTS`].
        part: u32,
        /// `text`, `reasoning`, `tool-input` or the app's own.
        #[serde(rename = "type")]
        part_type: String,
        /// What is appended.
        text: String,
        /// Whether the part is whole now.
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        end: bool,
        /// Makes a delta without a producer safe to send again.
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<Id>,
    }
    /// Fields of `data`.
    Data {
        /// What the app calls it.
        name: String,
        /// The app's own JSON.
        #[serde(skip_serializing_if = "Option::is_none")]
        data: Option<Json>,
        /// Makes it safe to send again.
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<Id>,
        /// The run it belongs to.
        #[serde(skip_serializing_if = "Option::is_none")]
        run: Option<Id>,
        /// The message whose part it sets.
        #[serde(skip_serializing_if = "Option::is_none")]
        message: Option<Id>,
        /// Index of the part it sets, below [`crate::limits::MESSAGE_MAX_PARTS`].
        #[serde(skip_serializing_if = "Option::is_none")]
        part: Option<u32>,
    }
    /// Fields of `run.suspended`.
    RunSuspended {
        /// The run that waits.
        run: Id,
        /// Names the ask.
        ask: Id,
        /// What is asked, opaque to the server.
        body: Json,
        /// Milliseconds after which an unanswered ask ends its run.
        #[serde(skip_serializing_if = "Option::is_none")]
        expires_ms: Option<u64>,
    }
    /// Fields of `run.resumed`.
    RunResumed {
        /// The run that goes on.
        run: Id,
        /// The ask that is answered.
        ask: Id,
        /// The answer.
        answer: Json,
    }
    /// Fields of `stop.requested`.
    StopRequested {
        /// Names the stop; a client makes it at random.
        id: Id,
        /// What stops: `run`, `message`, or `all` with `seen`.
        #[serde(flatten)]
        target: StopTarget,
        /// Whether the runs below stop too.
        #[serde(skip_serializing_if = "is_true")]
        cascade: bool,
        /// For people.
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
        /// The runs it fenced; the server's word.
        #[serde(skip_serializing_if = "Option::is_none")]
        runs: Option<Vec<Id>>,
    }
    /// Fields of `steer`.
    Steer {
        /// Names the steer; a client makes it at random.
        id: Id,
        /// The run it is for.
        run: Id,
        /// The words. Not together with `parts`.
        #[serde(skip_serializing_if = "Option::is_none")]
        text: Option<String>,
        /// An array of the app's parts.
        #[serde(skip_serializing_if = "Option::is_none")]
        parts: Option<Json>,
        /// The app's own JSON.
        #[serde(skip_serializing_if = "Option::is_none")]
        data: Option<Json>,
    }
    /// Fields of `input.state`.
    InputState {
        /// The message or steer.
        id: Id,
        /// Its fate.
        state: InputFate,
    }
    /// Fields of `run.ended`.
    RunEnded {
        /// The run.
        run: Id,
        /// How it ended.
        outcome: Outcome,
        /// Why it failed: `{code, detail}`, or the app's own.
        #[serde(skip_serializing_if = "Option::is_none")]
        error: Option<Json>,
        /// What it used, the app's own.
        #[serde(skip_serializing_if = "Option::is_none")]
        usage: Option<Json>,
        /// The result.
        #[serde(skip_serializing_if = "Option::is_none")]
        data: Option<Json>,
    }
    /// Fields of `session.updated`.
    SessionUpdated {
        /// Shown in listings.
        #[serde(skip_serializing_if = "Option::is_none")]
        title: Option<String>,
        /// Makes it safe to send again.
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<Id>,
        /// The app's own JSON.
        #[serde(skip_serializing_if = "Option::is_none")]
        data: Option<Json>,
    }
}

fn is_true(value: &bool) -> bool {
    *value
}
