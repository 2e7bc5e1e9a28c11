//! Folds that do not begin where their log does.

use super::{Author, Fold, MessageSlot, Node, Patch, RunState};

/// Before every message whose place in the log is known.
pub(super) const ORDER_UNKNOWN: i64 = i64::MIN;

/// A message of a transcript: listed with what it is, or only named.
struct Entry<N> {
    id: String,
    message: N,
    is_listed: bool,
}

impl Fold {
    /// The fold that goes on after a transcript, as `GET …/transcript` answers it: the next event to
    /// apply is the one behind its `offset`. No patches are emitted. Whoever owns the transcript
    /// begins with its `messages` in their order, and with its runs, whose `place` is their number.
    #[must_use]
    pub fn resume<N: Node>(transcript: &N) -> Self {
        let is_part = transcript.number("first").is_some_and(|first| first > 1);
        let mut fold = if is_part { Self::part() } else { Self::new() };
        for run in items(transcript, "runs") {
            fold.resume_run(&run);
        }
        for (order, Entry { id, message, is_listed }) in (0..).zip(fold.in_order(transcript)) {
            let slot = fold.remember(&id, order, &message);
            if is_listed {
                fold.visible.push(slot);
            }
        }
        fold.place_all();
        fold
    }

    /// Takes in messages from before the first event, from a transcript that `GET …/transcript`
    /// answered with `before`: the offset that was the `first` of the one before it. Emits
    /// [`Patch::Older`] with what comes into view.
    ///
    /// The page is as of its own `offset`. If this fold is not as far yet, wait until it is. If it is
    /// further, apply again those of the events behind the page's `offset` that
    /// [`names_older`](Self::names_older) was true of before they were applied: of the messages that
    /// were not known then they change nothing at first. `false`: a message of it was hidden, or its
    /// run ended, since then; ask for the page again.
    #[must_use]
    pub fn older<N: Node>(&mut self, page: &N, patch: &mut impl FnMut(Patch<N>)) -> bool {
        let (Some(older), Some(offset)) = (&self.older, page.number("offset")) else {
            return false;
        };
        let is_over = |message: &N| {
            let run = message.text("run").and_then(|run| self.run_state(&run));
            message.text("state").as_deref() == Some("streaming")
                && run.is_some_and(RunState::has_ended)
        };
        if older.hidden_at > offset || items(page, "messages").iter().any(is_over) {
            return false;
        }
        let before = older.messages;
        let entries = self.in_order(page);
        let count = before.saturating_add(i64::try_from(entries.len()).unwrap_or(i64::MAX));
        if let Some(older) = &mut self.older {
            older.messages = count;
        }
        let orders = count.saturating_neg()..;
        let (mut shown, mut messages) = (Vec::new(), Vec::new());
        for (order, Entry { id, message, is_listed }) in orders.zip(entries) {
            let known = self.messages.get(&id).and_then(|slot| self.message_slots.get(slot));
            if known.is_none_or(|known| known.order == ORDER_UNKNOWN) {
                let slot = self.remember(&id, order, &message);
                if is_listed {
                    shown.push(slot);
                    messages.push(message);
                }
            }
        }
        shown.append(&mut self.visible);
        self.visible = shown;
        self.place_all();
        if page.number("first").is_none_or(|first| first <= 1) {
            self.older = None;
        }
        patch(Patch::Older { messages, runs: items(page, "runs") });
        true
    }

    /// Whether an event writes, settles or hides a message from before the fold's first event.
    #[must_use]
    pub fn names_older<N: Node>(&self, event: &N) -> bool {
        if self.older.is_none() {
            return false;
        }
        let is_older = |id: String, if_unknown: bool| match self.messages.get(&id) {
            Some(slot) => {
                let message = self.message_slots.get(slot);
                message.is_some_and(|message| message.order == ORDER_UNKNOWN)
            }
            None => if_unknown,
        };
        match event.text("kind").as_deref() {
            Some("delta" | "data") => event.text("message").is_some_and(|id| is_older(id, false)),
            Some("input.state") => event.text("id").is_some_and(|id| is_older(id, true)),
            _ => false,
        }
    }

    /// Knows a message that began before the fold's first event, so that nothing of it is shown.
    #[cfg(feature = "codec")]
    pub(super) fn leave_out(&mut self, message: &serde_json::Value) {
        if let Some(id) = Node::text(message, "id")
            && self.messages.get(&id).is_none()
        {
            self.remember(&id, ORDER_UNKNOWN, message);
        }
    }

    /// The messages that began before the fold's first event, with the runs that wrote them.
    #[cfg(feature = "codec")]
    pub(super) fn left_out(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        let slots = self.message_slots.iter().enumerate();
        let left_out = slots.filter(|(_, message)| message.order == ORDER_UNKNOWN);
        left_out.filter_map(|(slot, message)| {
            let run = match message.author {
                Author::Run(run) => self.runs.name(run),
                Author::User | Author::Steer => None,
            };
            Some((self.messages.name(slot)?, run))
        })
    }

    /// The messages of a transcript as they stand in the log. What began before all of it is only
    /// remembered.
    fn in_order<N: Node>(&mut self, transcript: &N) -> Vec<Entry<N>> {
        let mut entries = Vec::new();
        let mut unlisted = items(transcript, "unlisted").into_iter();
        let mut next = unlisted.next();
        let mut messages = items(transcript, "messages").into_iter();
        let mut place = 0;
        loop {
            while let Some(message) = next.take_if(|next| next.number("place") <= Some(place)) {
                if let Some(id) = message.text("id") {
                    if message.number("place").is_some() {
                        entries.push(Entry { id, message, is_listed: false });
                    } else if self.messages.get(&id).is_none() {
                        self.remember(&id, ORDER_UNKNOWN, &message);
                    }
                }
                next = unlisted.next();
            }
            let Some(message) = messages.next() else { return entries };
            if let Some(id) = message.text("id") {
                entries.push(Entry { id, message, is_listed: true });
            }
            place += 1;
        }
    }

    /// Knows a message from now on, or knows better where it stands.
    fn remember<N: Node>(&mut self, id: &str, order: i64, message: &N) -> usize {
        let slot = self.messages.get(id).unwrap_or_else(|| {
            let slot = self.message_slots.len();
            self.messages.insert(id, slot);
            self.message_slots.push(MessageSlot { order, place: None, author: Author::User });
            slot
        });
        let is_users = message.text("role").as_deref() == Some("user");
        let author = match message.text("run") {
            Some(_) if is_users => Author::Steer,
            Some(run) => self.author(&run),
            None => Author::User,
        };
        if let Some(known) = self.message_slots.get_mut(slot) {
            known.order = order;
            known.author = author;
        }
        self.written_by(author, slot);
        slot
    }

    /// Tells every message that is shown where.
    fn place_all(&mut self) {
        for (place, &slot) in self.visible.iter().enumerate() {
            if let Some(message) = self.message_slots.get_mut(slot) {
                message.place = Some(place);
            }
        }
    }

    fn resume_run<N: Node>(&mut self, run: &N) {
        if let Some(id) = run.text("id")
            && self.runs.get(&id).is_none()
        {
            let state = run.text("state").and_then(|state| RunState::parse(&state));
            let slot = self.add_run(&id, true, state.unwrap_or(RunState::Running));
            if let Some(slot) = self.run_slots.get_mut(slot) {
                let place = run.number("place").and_then(|place| usize::try_from(place).ok());
                slot.place = place.or(slot.place);
                for ask in items(run, "asks") {
                    slot.asks.extend(ask.text("id"));
                }
            }
        }
        for child in items(run, "children") {
            self.resume_run(&child);
        }
    }
}

fn items<N: Node>(node: &N, name: &'static str) -> Vec<N> {
    node.field(name).map(Node::items).unwrap_or_default()
}
