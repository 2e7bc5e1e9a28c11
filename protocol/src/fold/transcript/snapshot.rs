//! Transcripts that others go on with: the newest part of one, and pages of what came before.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::run::{self, Run};
use super::{Message, Transcript, owned};
use crate::fold::Fold;
use crate::id::{Id, LogId};
use crate::offset::Offset;

impl Transcript {
    /// Goes on with a transcript's JSON, as [`snapshot`](Self::snapshot) makes it: the next event to
    /// apply is the one behind its `offset`. `None` if it has no log.
    #[must_use]
    pub fn resume(snapshot: &Value) -> Option<Self> {
        let log = LogId::parse(snapshot.get("log")?.as_str()?).ok()?;
        let offset = |name| snapshot.get(name).and_then(Value::as_u64).and_then(Offset::new);
        let mut transcript = Self {
            fold: Fold::resume(snapshot),
            offset: offset("offset").unwrap_or_default(),
            first: offset("first").unwrap_or_default().max(Offset::ZERO.next()),
            title: snapshot.get("title").filter(|title| !title.is_null()).cloned(),
            ..Self::new(log)
        };
        let mut hidden = array(snapshot, "unlisted").iter().peekable();
        for (place, message) in array(snapshot, "messages").iter().enumerate() {
            transcript.keep_hidden(&mut hidden, place as u64);
            transcript.messages.push(Message::of_json(message, transcript.next_order));
            transcript.next_order += 1;
        }
        transcript.keep_hidden(&mut hidden, u64::MAX);
        let mut runs = Vec::new();
        for root in array(snapshot, "runs") {
            flatten(root, None, &mut runs);
        }
        runs.sort_by_key(|(place, ..)| *place);
        let places: BTreeMap<&str, usize> =
            runs.iter().enumerate().map(|(at, (_, _, run))| (id(run), at)).collect();
        for (_, parent, run) in &runs {
            let parent = parent.and_then(|parent| places.get(parent).copied());
            transcript.runs.push(Run::of_json(run, parent));
        }
        Some(transcript)
    }

    /// Hidden messages that stand before the `place`-th one shown.
    fn keep_hidden<'a>(
        &mut self,
        hidden: &mut std::iter::Peekable<impl Iterator<Item = &'a Value>>,
        place: u64,
    ) {
        let is_before =
            |hidden: &&Value| hidden.get("place").and_then(Value::as_u64) <= Some(place);
        while let Some(hidden) = hidden.next_if(is_before) {
            if hidden.get("place").is_some() {
                let (order, run) = (self.next_order, owned(hidden.get("run").cloned()));
                let id = owned(hidden.get("id").cloned());
                self.hidden.extend(id.map(|id| Hidden { order, first: Offset::ZERO, id, run }));
                self.next_order += 1;
            }
        }
    }

    /// See [`Fold::names_older`].
    #[must_use]
    pub fn names_older(&self, event: &Value) -> bool {
        self.fold.names_older(event)
    }

    /// Takes in older messages; see [`Fold::older`], whose answer it gives.
    #[must_use]
    pub fn older(&mut self, page: &Value) -> bool {
        let mut patches = Vec::new();
        let is_taken = self.fold.older(page, &mut |patch| patches.push(patch));
        for patch in patches {
            self.patch(patch, Offset::ZERO);
        }
        if let Some(first) = page.get("first").and_then(Value::as_u64).and_then(Offset::new)
            && is_taken
        {
            self.first = first;
        }
        is_taken
    }

    pub(super) fn prepend(&mut self, messages: &[Value], mut runs: Vec<Value>) {
        let oldest = self.messages.first().map_or(0, |message| message.order);
        let before = i64::try_from(messages.len()).unwrap_or(i64::MAX);
        let orders = oldest.saturating_sub(before)..;
        let older = orders.zip(messages).map(|(order, message)| Message::of_json(message, order));
        self.messages.splice(..0, older.collect::<Vec<_>>());
        runs.append(&mut self.older_runs);
        self.older_runs = runs;
    }

    /// Knows a message that began before its first event, so that it shows nothing of it: as a
    /// snapshot has it in `unlisted`. Its run, if it is to be shown, is applied before.
    pub fn leave_out(&mut self, message: &Value) {
        self.fold.leave_out(message);
    }

    /// Knows a message that begins here and is hidden, so that a later event may replace it.
    pub fn hide(&mut self, id: &Id, run: Option<&Id>) {
        let (id, run) = (id.to_string(), run.map(ToString::to_string));
        let (order, first) = (self.next_order, self.offset.next());
        self.hidden.push(Hidden { order, first, id, run });
        self.next_order += 1;
    }

    /// Knows that nothing follows up to an offset that would change what it shows.
    pub fn advance(&mut self, offset: Offset) {
        self.offset = self.offset.max(offset);
    }

    /// The snapshot of the messages whose first events are these, and of what began before an offset.
    #[must_use]
    pub fn page(mut self, shown: &BTreeSet<Offset>, before: Offset) -> Value {
        let (messages, hidden): (Vec<_>, Vec<_>) = std::mem::take(&mut self.messages)
            .into_iter()
            .filter(|message| message.first < before)
            .partition(|message| shown.contains(&message.first));
        self.messages = messages;
        self.hidden.retain(|hidden| hidden.first < before);
        self.hidden.extend(hidden.into_iter().map(Hidden::from));
        let runs = self.runs.partition_point(|run| run.started < before);
        self.runs.truncate(runs);
        self.snapshot()
    }

    /// The JSON that [`resume`](Self::resume), and [`Fold::resume`] over any JSON, go on with: the
    /// transcript of `to_json` with the `place` of each run among all; `first`, where the first event
    /// is that it shows; and `unlisted`, the messages that are not shown though events may still name them: each with its `id`, the
    /// `run` that writes it, and its `place`, how many of the messages shown stand before it in the
    /// log, unless it began before `first`.
    #[must_use]
    pub fn snapshot(&self) -> Value {
        let left_out = self.fold.left_out().map(|(id, run)| unlisted(id, run, None));
        let mut hidden: Vec<&Hidden> = self.hidden.iter().collect();
        hidden.sort_by_key(|hidden| hidden.order);
        let hidden = hidden.into_iter().map(|Hidden { order, id, run, .. }| {
            let place = self.messages.partition_point(|message| message.order < *order);
            unlisted(id, run.as_deref(), Some(place))
        });
        let unlisted: Vec<Value> = left_out.chain(hidden).collect();
        let mut json = self.json(true);
        if let Value::Object(fields) = &mut json {
            fields.insert("first".to_owned(), json!(self.first));
            fields.insert("hasOlder".to_owned(), json!(self.first > Offset::ZERO.next()));
            if !unlisted.is_empty() {
                fields.insert("unlisted".to_owned(), unlisted.into());
            }
        }
        json
    }
}

/// A message that is shown no more.
#[derive(Debug)]
pub(super) struct Hidden {
    /// Its place among all of the log.
    order: i64,
    /// The offset of its first event; zero when it came with a snapshot.
    first: Offset,
    id: String,
    /// The run that writes it.
    run: Option<String>,
}

impl From<Message> for Hidden {
    fn from(Message { order, first, id, run, role, .. }: Message) -> Self {
        // A steer names the run that it is for.
        Self { order, first, id, run: run.filter(|_| role != "user") }
    }
}

fn unlisted(id: &str, run: Option<&str>, place: Option<usize>) -> Value {
    let mut json = json!({"id": id});
    if let Value::Object(fields) = &mut json {
        fields.extend(run.map(|run| ("run".to_owned(), run.into())));
        fields.extend(place.map(|place| ("place".to_owned(), place.into())));
    }
    json
}

/// A run and those below it, each with its place and the id of the one it works for.
fn flatten<'a>(
    run: &'a Value,
    parent: Option<&'a str>,
    out: &mut Vec<(u64, Option<&'a str>, &'a Value)>,
) {
    let place = run.get("place").and_then(Value::as_u64).unwrap_or(out.len() as u64);
    out.push((place, parent, run));
    for child in run::children(run) {
        flatten(child, Some(id(run)), out);
    }
}

fn id(run: &Value) -> &str {
    run.get("id").and_then(Value::as_str).unwrap_or_default()
}

fn array<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value.get(name).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}
