//! Merging: fewer events that fold to the same transcript.
//!
//! Deltas of one part become one, so that who joins late pays for messages and not for tokens. Events
//! stay the texts they are: of a delta its envelope is read and its text is copied as it is spelled.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt::Write;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

/// Bytes that joining adds at most to the first of the deltas: the range it covers.
const JOINED_MAX_OVERHEAD_BYTES: usize = 96;

/// Consecutive events of a log on their way into one batch.
///
/// A joined delta stands where the first of its deltas stood, with `first`, that one's offset, and
/// `offset`, the last one's; its `at` is the first one's, and its `id` is gone. Between the deltas it
/// is made of, no event names their run, and none stops runs, tells the fate of an input or hides
/// messages. So each run's events stay in their order. What was merged can be merged again.
#[derive(Debug, Default)]
pub struct Merge {
    pieces: Vec<Piece>,
    /// The delta that the next one of a run may join, by the run.
    open: HashMap<String, Open>,
    bytes: usize,
}

#[derive(Debug)]
enum Piece {
    /// An event as it is.
    Whole(String),
    Joined(Joined),
}

#[derive(Debug)]
struct Joined {
    first: u64,
    last: u64,
    /// Everything between `offset` and the end of the text.
    body: String,
    end: bool,
}

/// A delta that more may be added to.
#[derive(Debug)]
struct Open {
    piece: usize,
    message: String,
    part: u32,
    part_type: String,
    /// Who wrote it, as it is spelled.
    from: String,
}

impl Merge {
    /// Of no events.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Bytes of the merged events, at most: with the commas between them.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Adds the next event, unless it would make more than `max_bytes` of them; the first is always
    /// added. Says whether it was.
    pub fn push(&mut self, event: &str, max_bytes: usize) -> bool {
        let delta = Delta::parse(event);
        let open = delta.as_ref().and_then(|delta| {
            self.open.get(&*delta.run).filter(|open| open.takes(delta)).map(|open| open.piece)
        });
        let more = match (&delta, open.and_then(|piece| self.pieces.get(piece))) {
            (Some(delta), Some(Piece::Joined(_))) => delta.text.len(),
            (Some(delta), Some(Piece::Whole(_))) => delta.text.len() + JOINED_MAX_OVERHEAD_BYTES,
            _ => event.len() + 1,
        };
        if !self.pieces.is_empty() && self.bytes + more > max_bytes {
            return false;
        }
        self.bytes += more;
        match (delta, open) {
            (Some(delta), Some(piece)) => self.join(piece, &delta),
            (Some(delta), None) => self.begin(event, &delta),
            (None, _) => {
                self.close(event);
                self.pieces.push(Piece::Whole(event.to_owned()));
            }
        }
        true
    }

    /// The merged events, in order.
    pub fn into_events(self) -> impl ExactSizeIterator<Item = String> {
        self.pieces.into_iter().map(|piece| match piece {
            Piece::Whole(event) => event,
            Piece::Joined(joined) => joined.into_event(),
        })
    }

    fn begin(&mut self, event: &str, delta: &Delta<'_>) {
        let open = Open {
            piece: self.pieces.len(),
            message: delta.message.clone().into_owned(),
            part: delta.part(),
            part_type: delta.part_type().to_owned(),
            from: delta.from().to_owned(),
        };
        self.pieces.push(Piece::Whole(event.to_owned()));
        if delta.is_end() {
            self.open.remove(&*delta.run);
        } else {
            self.open.insert(delta.run.clone().into_owned(), open);
        }
    }

    fn join(&mut self, piece: usize, delta: &Delta<'_>) {
        let Some(piece) = self.pieces.get_mut(piece) else { return };
        if let Piece::Whole(event) = piece
            && let Some(first) = Delta::parse(event)
        {
            *piece = Piece::Joined(Joined::begin(&first));
        }
        if let Piece::Joined(joined) = piece {
            joined.body.push_str(delta.text);
            joined.last = delta.offset;
            joined.end = delta.is_end();
        }
        if delta.is_end() {
            self.open.remove(&*delta.run);
        }
    }

    /// Nothing joins across an event that is no delta, of the runs that it concerns.
    fn close(&mut self, event: &str) {
        let names = serde_json::from_str::<Names<'_>>(event).ok();
        let Some(names) = names.filter(|names| names.is_confined()) else {
            self.open.clear();
            return;
        };
        for run in [names.run, names.parent].into_iter().flatten() {
            self.open.remove(&*run);
        }
    }
}

impl Open {
    fn takes(&self, delta: &Delta<'_>) -> bool {
        self.message == delta.message
            && self.part == delta.part()
            && self.part_type == delta.part_type()
            && self.from == delta.from()
    }
}

impl Joined {
    fn begin(delta: &Delta<'_>) -> Self {
        let mut body = format!("\"at\":{}", delta.at.get());
        if let Some(from) = delta.from {
            // Writing to a string cannot fail.
            let _ = write!(body, ",\"from\":{}", from.get());
        }
        body.push_str(",\"kind\":\"delta\",\"run\":");
        crate::quote::write_string(&mut body, &delta.run);
        body.push_str(",\"message\":");
        crate::quote::write_string(&mut body, &delta.message);
        let _ = write!(body, ",\"part\":{},\"type\":", delta.part());
        crate::quote::write_string(&mut body, delta.part_type());
        body.push_str(",\"text\":\"");
        body.push_str(delta.text);
        let first = delta.first.unwrap_or(delta.offset);
        Self { first, last: delta.offset, body, end: false }
    }

    fn into_event(self) -> String {
        let Self { first, last, body, end } = self;
        let mut event = String::with_capacity(body.len() + JOINED_MAX_OVERHEAD_BYTES);
        // Writing to a string cannot fail.
        let _ = write!(event, "{{\"first\":{first},\"offset\":{last},");
        event.push_str(&body);
        event.push_str(if end { "\",\"end\":true}" } else { "\"}" });
        event
    }
}

/// A delta that can be joined: one that has no field beside these.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Fields<'a> {
    offset: u64,
    first: Option<u64>,
    #[serde(borrow)]
    at: &'a RawValue,
    #[serde(borrow)]
    from: Option<&'a RawValue>,
    #[serde(borrow)]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    run: Cow<'a, str>,
    #[serde(borrow)]
    message: Cow<'a, str>,
    part: Option<u32>,
    #[serde(borrow, rename = "type")]
    part_type: Option<Cow<'a, str>>,
    #[serde(borrow)]
    text: &'a RawValue,
    end: Option<bool>,
    #[serde(rename = "id")]
    _id: Option<IgnoredAny>,
}

/// The same with its text as it is spelled between the quotes.
struct Delta<'a> {
    offset: u64,
    first: Option<u64>,
    at: &'a RawValue,
    from: Option<&'a RawValue>,
    run: Cow<'a, str>,
    message: Cow<'a, str>,
    part: Option<u32>,
    part_type: Option<Cow<'a, str>>,
    text: &'a str,
    end: Option<bool>,
}

impl<'a> Delta<'a> {
    fn parse(event: &'a str) -> Option<Self> {
        // Almost all that are none are told apart without parsing them.
        if !event.contains("\"delta\"") {
            return None;
        }
        let fields: Fields<'a> = serde_json::from_str(event).ok()?;
        let text = fields.text.get().strip_prefix('"')?.strip_suffix('"')?;
        (fields.kind == "delta").then_some(Self {
            offset: fields.offset,
            first: fields.first,
            at: fields.at,
            from: fields.from,
            run: fields.run,
            message: fields.message,
            part: fields.part,
            part_type: fields.part_type,
            text,
            end: fields.end,
        })
    }

    fn part(&self) -> u32 {
        self.part.unwrap_or(0)
    }

    fn part_type(&self) -> &str {
        self.part_type.as_deref().unwrap_or("text")
    }

    fn from(&self) -> &str {
        self.from.map_or("", RawValue::get)
    }

    fn is_end(&self) -> bool {
        self.end == Some(true)
    }
}

/// What an event that is not joined is about.
#[derive(Deserialize)]
struct Names<'a> {
    #[serde(borrow)]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    run: Option<Cow<'a, str>>,
    #[serde(borrow)]
    parent: Option<Cow<'a, str>>,
    message: Option<IgnoredAny>,
    replaces: Option<IgnoredAny>,
}

impl Names<'_> {
    /// Whether it concerns the runs that it names and no others.
    fn is_confined(&self) -> bool {
        match &*self.kind {
            "message" => self.replaces.is_none(),
            "delta" | "data" => self.message.is_none() || self.run.is_some(),
            "run.started" | "run.suspended" | "run.resumed" | "run.ended" | "steer" => {
                self.run.is_some()
            }
            "session.updated" => true,
            // Stops and fates concern runs that they do not name, later kinds nobody knows what.
            _ => false,
        }
    }
}
