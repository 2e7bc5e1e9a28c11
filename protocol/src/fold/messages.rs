//! Events that make, write, hide and settle messages.

use super::older::ORDER_UNKNOWN;
use super::{Author, Fold, MessageSlot, MessageState, Node, Patch};
use crate::limits::MESSAGE_MAX_PARTS;

impl Fold {
    pub(super) fn message<N: Node>(
        &mut self,
        event: &N,
        patch: &mut impl FnMut(Patch<N>),
    ) -> Option<()> {
        let id = event.text("id")?;
        event.field("role")?;
        if self.messages.get(&id).is_some() {
            return None;
        }
        if let Some(replaced) = event.text("replaces") {
            self.hide(&replaced, event, patch);
        }
        let author = match event.text("run") {
            Some(run) => self.author(&run),
            None => Author::User,
        };
        self.add(event, &id, author, patch)
    }

    /// A steer is shown as a message of its user.
    pub(super) fn steer<N: Node>(
        &mut self,
        event: &N,
        patch: &mut impl FnMut(Patch<N>),
    ) -> Option<()> {
        let id = event.text("id")?;
        if self.messages.get(&id).is_some() {
            return None;
        }
        event.text("run")?;
        self.add(event, &id, Author::Steer, patch)
    }

    fn add<N: Node>(
        &mut self,
        event: &N,
        id: &str,
        author: Author,
        patch: &mut impl FnMut(Patch<N>),
    ) -> Option<()> {
        let role = match author {
            Author::Steer => N::from_text("user"),
            Author::User | Author::Run(_) => event.field("role")?,
        };
        let state = self.show(id, author);
        patch(Patch::Message {
            id: event.field("id")?,
            role,
            from: event.field("from"),
            at: event.field("at"),
            run: event.field("run"),
            text: event.field("text"),
            parts: event.field("parts"),
            data: event.field("data"),
            state,
        });
        Some(())
    }

    pub(super) fn delta<N: Node>(
        &mut self,
        event: &N,
        patch: &mut impl FnMut(Patch<N>),
    ) -> Option<()> {
        let part = part_index(event.number("part").unwrap_or(0))?;
        let text = event.field("text")?;
        let place = self.part_place(event, patch)?;
        patch(Patch::Append { message: place, part, part_type: event.field("type"), text });
        Some(())
    }

    pub(super) fn data<N: Node>(
        &mut self,
        event: &N,
        patch: &mut impl FnMut(Patch<N>),
    ) -> Option<()> {
        let part = part_index(event.number("part")?)?;
        let place = self.part_place(event, patch)?;
        patch(Patch::Part { message: place, part, value: event.field("data") });
        Some(())
    }

    /// The place of the message an event writes a part of. The first such event makes the message.
    fn part_place<N: Node>(
        &mut self,
        event: &N,
        patch: &mut impl FnMut(Patch<N>),
    ) -> Option<usize> {
        let id = event.text("message")?;
        if let Some(slot) = self.messages.get(&id) {
            return self.message_slots.get(slot)?.place;
        }
        let run = event.text("run")?;
        let author = self.author(&run);
        let state = self.show(&id, author);
        patch(Patch::Message {
            id: event.field("message")?,
            role: N::from_text("assistant"),
            from: event.field("from"),
            at: event.field("at"),
            run: event.field("run"),
            text: None,
            parts: None,
            data: None,
            state,
        });
        Some(self.visible.len().saturating_sub(1))
    }

    /// Adds a new message at the end; where it stands.
    fn show(&mut self, id: &str, author: Author) -> MessageState {
        let slot = self.message_slots.len();
        let place = Some(self.visible.len());
        // Beyond 2^63 messages nothing is in order any more.
        let order = i64::try_from(slot).unwrap_or(i64::MAX);
        self.message_slots.push(MessageSlot { order, place, author });
        self.messages.insert(id, slot);
        self.visible.push(slot);
        self.written_by(author, slot)
    }

    /// A message becomes its author's; where it stands then.
    pub(super) fn written_by(&mut self, author: Author, slot: usize) -> MessageState {
        if let Author::Run(run) = author
            && let Some(run) = self.run_slots.get_mut(run)
        {
            run.messages.push(slot);
            return run.state.of_message();
        }
        MessageState::Sent
    }

    /// Hides a message and all after it in the log, also where it is hidden already: of two edits
    /// of one message the later one counts.
    fn hide<N: Node>(&mut self, id: &str, event: &N, patch: &mut impl FnMut(Patch<N>)) {
        let known = self.messages.get(id).and_then(|slot| self.message_slots.get(slot));
        let order = known.map(|known| known.order).filter(|order| *order != ORDER_UNKNOWN);
        let places = match (order, &mut self.older) {
            (Some(order), _) => {
                let slots = &self.message_slots;
                self.visible.partition_point(|&slot| {
                    slots.get(slot).is_some_and(|message| message.order < order)
                })
            }
            (None, Some(older)) => {
                older.hidden_at = event.number("offset").unwrap_or(u64::MAX);
                0
            }
            (None, None) => return,
        };
        if places == self.visible.len() {
            return;
        }
        while self.visible.len() > places
            && let Some(slot) = self.visible.pop()
        {
            if let Some(message) = self.message_slots.get_mut(slot) {
                message.place = None;
            }
        }
        patch(Patch::Truncate { messages: places });
    }

    pub(super) fn input_state<N: Node>(
        &mut self,
        event: &N,
        patch: &mut impl FnMut(Patch<N>),
    ) -> Option<()> {
        let fate = event.text("state")?;
        let message = self.message_slots.get(self.messages.get(&event.text("id")?)?)?;
        let state = match (message.author, fate.as_str()) {
            (Author::Run(_), _) => return None,
            (Author::Steer, "used") => MessageState::Completed,
            (_, "stopped") => MessageState::Stopped,
            (_, "expired") => MessageState::Lost,
            _ => return None,
        };
        patch(Patch::MessageState { message: message.place?, state, error: None });
        Some(())
    }
}

/// A reader makes room for all parts up to an index, so it takes none past the limit.
fn part_index(part: u64) -> Option<u64> {
    (part < u64::from(MESSAGE_MAX_PARTS)).then_some(part)
}
