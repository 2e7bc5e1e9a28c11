//! The runs of the transcript, and the tree they are shown as.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::fold::RunState;
use crate::offset::Offset;

/// A run of the transcript.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    /// Its id.
    pub id: String,
    /// The agent's name.
    pub agent: String,
    /// Where it stands.
    pub state: RunState,
    /// The run it works for, by its place in [`Transcript::runs`](super::Transcript::runs).
    pub parent: Option<usize>,
    /// The input it claimed.
    pub in_reply_to: Option<String>,
    /// Open asks: `{id, body}`. None once the run has ended.
    pub asks: Vec<Value>,
    /// Why it failed.
    pub error: Option<Value>,
    /// What it used.
    pub usage: Option<Value>,
    /// The offset of its start; zero when the run came with a snapshot.
    pub(super) started: Offset,
}

impl Run {
    /// Reads a run of a transcript's JSON, without its children.
    pub(super) fn of_json(value: &Value, parent: Option<usize>) -> Self {
        let text = |name| value.get(name).and_then(Value::as_str).unwrap_or_default();
        Self {
            id: text("id").to_owned(),
            agent: text("agent").to_owned(),
            state: RunState::parse(text("state")).unwrap_or(RunState::Running),
            parent,
            in_reply_to: value.get("inReplyTo").and_then(Value::as_str).map(str::to_owned),
            asks: value.get("asks").and_then(Value::as_array).cloned().unwrap_or_default(),
            error: value.get("error").cloned(),
            usage: value.get("usage").cloned(),
            started: Offset::ZERO,
        }
    }

    fn to_json(&self, parent: Option<&str>, place: Option<usize>, children: Vec<Value>) -> Value {
        let mut out = json!({
            "id": self.id,
            "agent": self.agent,
            "state": self.state.as_str(),
            "children": children,
            "asks": self.asks,
        });
        let optional = [
            ("parent", parent.map(Value::from)),
            ("place", place.map(Value::from)),
            ("inReplyTo", self.in_reply_to.clone().map(Value::from)),
            ("error", self.error.clone()),
            ("usage", self.usage.clone()),
        ];
        if let Value::Object(fields) = &mut out {
            for (name, value) in optional {
                if let Some(value) = value {
                    fields.insert(name.to_owned(), value);
                }
            }
        }
        out
    }
}

/// The runs that work for no other, and the open ones, each with those below it. Runs of older
/// pages stand before those that are not of them. With `places`, each run has its number.
pub(super) fn tree(runs: &[Run], older: &[Value], places: bool) -> (Vec<Value>, Vec<Value>) {
    let mut flat = Vec::new();
    for root in older {
        flatten(root, None, &mut flat);
    }
    let known: BTreeMap<&str, usize> =
        runs.iter().enumerate().map(|(place, run)| (&*run.id, place)).collect();
    let own = |place: usize| {
        let run = runs.get(place)?;
        let parent = run.parent.and_then(|parent| Some(&*runs.get(parent)?.id));
        Some(Twig { parent, run, place: Some(place) })
    };
    let mut seen = BTreeSet::new();
    let mut twigs = Vec::with_capacity(flat.len() + runs.len());
    for (parent, run) in &flat {
        if seen.insert(&*run.id) {
            let known = known.get(&*run.id).copied().and_then(own);
            let (parent, place) = (parent.as_deref(), None);
            twigs.push(match known {
                Some(known) => Twig { parent: known.parent.or(parent), ..known },
                None => Twig { parent, run, place },
            });
        }
    }
    for (place, run) in runs.iter().enumerate() {
        if seen.insert(&*run.id) {
            twigs.extend(own(place));
        }
    }
    grow(&twigs, places)
}

/// A run with the id of the one it works for.
struct Twig<'a> {
    parent: Option<&'a str>,
    run: &'a Run,
    /// `None` for a run that only an older page has.
    place: Option<usize>,
}

fn flatten(run: &Value, parent: Option<&str>, out: &mut Vec<(Option<String>, Run)>) {
    let flat = Run::of_json(run, None);
    let id = flat.id.clone();
    out.push((parent.map(str::to_owned), flat));
    for child in children(run) {
        flatten(child, Some(&id), out);
    }
}

pub(super) fn children(run: &Value) -> &[Value] {
    run.get("children").and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// Roots and open runs.
fn grow(twigs: &[Twig<'_>], with_places: bool) -> (Vec<Value>, Vec<Value>) {
    let places: BTreeMap<&str, usize> =
        twigs.iter().enumerate().map(|(place, twig)| (&*twig.run.id, place)).collect();
    let (mut roots, mut active) = (Vec::new(), Vec::new());
    let mut children: Vec<Vec<Value>> = vec![Vec::new(); twigs.len()];
    // From the last on: a run starts after the one it works for.
    for (index, twig) in twigs.iter().enumerate().rev() {
        let mut below = children.get_mut(index).map(std::mem::take).unwrap_or_default();
        below.reverse();
        let place = twig.place.filter(|_| with_places);
        let view = twig.run.to_json(twig.parent, place, below);
        if !twig.run.state.has_ended() {
            active.push((twig.place, view.clone()));
        }
        let parent = twig.parent.and_then(|parent| places.get(parent));
        match parent.filter(|&&place| place < index).and_then(|&place| children.get_mut(place)) {
            Some(siblings) => siblings.push(view),
            None => roots.push(view),
        }
    }
    roots.reverse();
    active.sort_by_key(|(place, _)| *place);
    (roots, active.into_iter().map(|(_, run)| run).collect())
}
