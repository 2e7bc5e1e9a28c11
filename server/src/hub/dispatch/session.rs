//! What one session has for workers.

use std::collections::{BTreeSet, HashMap};

use durable_sessions_protocol::id::SessionId;

use super::lane::Lane;
use super::{Report, Wake};

/// A session's last report, and what became of the work in it.
#[derive(Debug, Default)]
pub(super) struct Stand {
    report: Report,
    items: Vec<Item>,
    /// The items that wait, in the order in which they are offered: those that were passed over
    /// least, then those that stand first in the log.
    waiting: HashMap<Lane, BTreeSet<(u32, usize)>>,
}

#[derive(Debug)]
struct Item {
    lane: Lane,
    wake: Wake,
    /// How often an offer of it ran out.
    passes: u32,
    /// Under which number it is offered now; `None`: it waits.
    offer: Option<u64>,
}

/// What a new report changes beside the work.
#[derive(Debug)]
pub(super) struct Change {
    pub(super) before: Report,
    /// Offers of what is no longer to be done.
    pub(super) over: Vec<u64>,
    /// Lanes in which nothing waits any more.
    pub(super) emptied: Vec<Lane>,
}

impl Stand {
    pub(super) fn report(&self) -> &Report {
        &self.report
    }

    /// Takes a report in; what is still to be done keeps its offer.
    pub(super) fn update(&mut self, session: &SessionId, report: Report) -> Change {
        let items = std::mem::take(&mut self.items).into_iter();
        let mut known: HashMap<(Lane, Wake), (u32, Option<u64>)> =
            items.map(|item| ((item.lane, item.wake), (item.passes, item.offer))).collect();
        let waited = std::mem::take(&mut self.waiting);
        let before = std::mem::replace(&mut self.report, report);
        for work in self.report.clone().into_work(session) {
            let (passes, offer) = known.remove(&work).unwrap_or_default();
            let (lane, wake) = work;
            if offer.is_none() {
                let place = (passes, self.items.len());
                self.waiting.entry(lane.clone()).or_default().insert(place);
            }
            self.items.push(Item { lane, wake, passes, offer });
        }
        let mut emptied: Vec<Lane> = waited.into_keys().collect();
        emptied.retain(|lane| !self.waiting.contains_key(lane));
        let over = known.into_values().filter_map(|(_, offer)| offer).collect();
        Change { before, over, emptied }
    }

    /// Where something waits.
    pub(super) fn lanes(&self) -> impl Iterator<Item = &Lane> {
        self.waiting.keys()
    }

    /// Whether something waits in a lane.
    pub(super) fn waits(&self, lane: &Lane) -> bool {
        self.waiting.contains_key(lane)
    }

    /// Offers what comes next in a lane.
    pub(super) fn offer(&mut self, lane: &Lane, number: u64) -> Option<Wake> {
        let waiting = self.waiting.get_mut(lane)?;
        let (_, index) = waiting.pop_first()?;
        if waiting.is_empty() {
            self.waiting.remove(lane);
        }
        let item = self.items.get_mut(index)?;
        item.offer = Some(number);
        Some(item.wake.clone())
    }

    /// An offer ended without a claim: the work waits again. `passed` says that its time ran out.
    pub(super) fn wait_again(&mut self, number: u64, passed: bool) -> Option<Lane> {
        let index = self.items.iter().position(|item| item.offer == Some(number))?;
        let item = self.items.get_mut(index)?;
        item.offer = None;
        item.passes += u32::from(passed);
        self.waiting.entry(item.lane.clone()).or_default().insert((item.passes, index));
        Some(item.lane.clone())
    }
}
