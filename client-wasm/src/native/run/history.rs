//! What a handler may know of the conversation.

use std::collections::BTreeSet;

use durable_sessions_protocol::fold::{Message, MessageState, Transcript};
use durable_sessions_protocol::id::Id;

use crate::native::shared::Folded;

/// The conversation of a run up to its input and, if it has written something, to there.
pub(super) fn of(folded: &Folded, run: &Id, input: &Message) -> Vec<Message> {
    let transcript = &folded.transcript;
    let place = transcript.messages().iter().position(|message| message.id == input.id);
    let attempts = attempts(transcript, input);
    let is_part = |index: usize, message: &Message| {
        let is_own = message.run.as_deref().is_some_and(|run| attempts.contains(run));
        // What came to a user's input meanwhile belongs to the conversation; what an agent gave
        // out is about what stood there then.
        let is_later = place.is_some_and(|place| index > place);
        let waits = is_later && (message.role == "user" || input.run.is_some());
        message.id != input.id && !is_own && !waits
    };
    let mut history: Vec<Message> = transcript
        .messages()
        .iter()
        .enumerate()
        .filter(|(index, message)| is_part(*index, message))
        .map(|(_, message)| message.clone())
        .collect();
    history.push(input.clone());
    let own = |message: &&Message| message.run.as_deref() == Some(run.as_str());
    let taken =
        |message: &&Message| message.role == "user" && message.state == MessageState::Completed;
    history.extend(transcript.messages().iter().filter(own).filter(taken).cloned());
    history.extend(written(folded, run).cloned());
    history
}

/// The message that a run has begun to answer with, and the first of its parts that is free.
pub(super) fn answer(folded: &Folded, run: &Id) -> Option<(Id, u32)> {
    let message = written(folded, run).next_back()?;
    Some((Id::parse(&message.id).ok()?, u32::try_from(message.parts.len()).ok()?))
}

/// What a run has said, without what it gave out to other agents.
fn written<'a>(folded: &'a Folded, run: &'a Id) -> impl DoubleEndedIterator<Item = &'a Message> {
    let is_its = |message: &&Message| {
        let given = |event: &serde_json::Value| event["id"] == message.id.as_str();
        message.role == "assistant"
            && message.run.as_deref() == Some(run.as_str())
            && folded.ledger.find_errand(run.as_str(), given).is_none()
    };
    folded.transcript.messages().iter().filter(is_its)
}

/// The runs that worked on an input, and those below them.
fn attempts<'a>(transcript: &'a Transcript, input: &Message) -> BTreeSet<&'a str> {
    let mut attempts = BTreeSet::new();
    let mut places = BTreeSet::new();
    // A run starts after the one it works for.
    for (place, run) in transcript.runs().iter().enumerate() {
        let is_below = run.parent.is_some_and(|parent| places.contains(&parent));
        if is_below || run.in_reply_to.as_deref() == Some(&input.id) {
            places.insert(place);
            attempts.insert(run.id.as_str());
        }
    }
    attempts
}
