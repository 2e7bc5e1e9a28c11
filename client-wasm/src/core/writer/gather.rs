//! Joining small pieces of text: a model's tokens come faster than a log needs to tell of them.

use durable_sessions_protocol::id::Id;
use durable_sessions_protocol::limits::EVENT_MAX_BYTES;

use super::run::PartName;
use super::unit::{COMPLETION, Tail, Unit};
use super::{Report, Stand, Writer};
use crate::core::limits::{DELTA_GATHER_MS, TEXT_MAX_BYTES, WINDOW_MAX_PUBLISHES};

impl Writer {
    /// Takes more text of a run's part. It grows the delta that waits, or is one itself, which
    /// waits when another was sent just before.
    pub(in crate::core) fn append(
        &mut self,
        now: u64,
        run: &Id,
        to: &PartName,
        text: &str,
        reports: &mut Vec<Report>,
    ) {
        let mut text = text;
        while text.len() > TEXT_MAX_BYTES {
            let (piece, rest) = text.split_at(text.floor_char_boundary(TEXT_MAX_BYTES));
            self.append(now, run, to, piece, reports);
            text = rest;
        }
        let Some(open) = self.run(run).filter(|run| run.phase.may_write()) else { return };
        let gathers_until = open.gathers_until;
        let last = self.units.iter_mut().rev().find(|unit| unit.run == *run);
        if let Some(added) = last.and_then(|last| last.extend(to, text)) {
            self.bytes += added;
            return self.report_full(reports);
        }
        let event = to.delta(run, text);
        if event.len() > EVENT_MAX_BYTES {
            return self.refuse_large(run, reports);
        }
        self.release(run);
        let tail = Tail { to: to.clone(), bytes: event.len() };
        self.add(run, event);
        if let Some(unit) = self.units.back_mut() {
            unit.tail = Some(tail);
            // What is joined to something that waits for nothing goes with it.
            unit.held_until = (unit.count == 1 && gathers_until > now).then_some(gathers_until);
        }
        self.report_full(reports);
    }

    /// What a run has written waits for no more.
    pub(super) fn release(&mut self, run: &Id) {
        for unit in self.units.iter_mut().filter(|unit| unit.run == *run) {
            unit.held_until = None;
        }
    }

    pub(super) fn release_all(&mut self) {
        for unit in &mut self.units {
            unit.held_until = None;
        }
    }

    /// The publish to send next; it has its place in the stream. Those that have a place keep it;
    /// a place is given to the first that waits for nothing.
    pub(super) fn next_unit(&mut self, now: u64) -> Option<usize> {
        let placed = self.placed();
        let again = self.units.iter().take(placed).position(|unit| unit.request.is_none());
        if again.is_some() {
            return again;
        }
        if placed >= WINDOW_MAX_PUBLISHES {
            return None;
        }
        let is_due = |unit: &Unit| {
            unit.held_until.is_none_or(|until| until <= now)
                && (unit.kind != COMPLETION || !self.is_unanswered(placed, &unit.run))
        };
        let index = self.units.iter().skip(placed).position(is_due)?;
        let mut unit = self.units.remove(placed + index)?;
        unit.seq = Some(self.next_seq);
        unit.held_until = None;
        self.next_seq += 1;
        if unit.tail.is_some()
            && let Some(run) = self.runs.iter_mut().find(|run| run.id == unit.run)
        {
            run.gathers_until = now.saturating_add(DELTA_GATHER_MS);
        }
        self.units.insert(placed, unit);
        Some(placed)
    }

    /// When the next publish may go out that nobody else's word is needed for.
    pub(in crate::core) fn timeout(&self) -> Option<u64> {
        if self.paused_until > 0 {
            return Some(self.paused_until);
        }
        if !matches!(self.stand, Stand::Granted { .. }) || self.placed() >= WINDOW_MAX_PUBLISHES {
            return None;
        }
        self.units.iter().filter_map(|unit| unit.held_until).min()
    }

    /// Whether something of a run is among those that have a place in the stream and no answer.
    fn is_unanswered(&self, placed: usize, run: &Id) -> bool {
        self.units.iter().take(placed).any(|unit| unit.run == *run)
    }

    /// How many publishes have a place in the stream: the first ones.
    fn placed(&self) -> usize {
        self.units.iter().take_while(|unit| unit.seq.is_some()).count()
    }
}

#[cfg(test)]
#[cfg(not(target_arch = "wasm32"))]
mod tests {
    use durable_sessions_protocol::id::{LogId, SessionId};
    use durable_sessions_protocol::offset::Offset;

    use super::super::{RunEnd, Started};
    use super::*;

    fn id(text: &str) -> Id {
        Id::parse(text).unwrap()
    }

    fn text_of(part: u32) -> PartName {
        PartName { message: id("m"), part, part_type: "text".to_owned() }
    }

    /// A writer whose runs are open.
    fn writer(runs: &[&str]) -> Writer {
        let mut writer = Writer::new(id("p"));
        writer.granted(1, 0, &mut Vec::new());
        for run in runs {
            let (agent, in_reply_to, parent) = (id("bot"), None, None);
            let started = Started { run: id(run), agent, in_reply_to, parent, lease_ms: None };
            writer.start(&started, &mut Vec::new());
            assert_eq!(sent(&mut writer, 0).len(), 1);
        }
        writer
    }

    /// The events of the publishes that go out at a time; each is acknowledged at once.
    fn sent(writer: &mut Writer, now: u64) -> Vec<serde_json::Value> {
        let (session, log) = (SessionId::parse("s").unwrap(), LogId::parse("l").unwrap());
        let mut events = Vec::new();
        while let Some(mut frame) = writer.transmit(now, now + 1, &session, &log) {
            let frame: serde_json::Value = serde_json::from_str(&frame.end()).unwrap();
            events.extend(frame["events"].as_array().unwrap().clone());
            writer.acked(now + 1, Offset::ZERO, &mut Vec::new());
        }
        events
    }

    fn append(writer: &mut Writer, now: u64, run: &str, part: u32, text: &str) {
        writer.append(now, &id(run), &text_of(part), text, &mut Vec::new());
    }

    fn texts(events: &[serde_json::Value]) -> Vec<&str> {
        events.iter().filter_map(|event| event["text"].as_str()).collect()
    }

    #[test]
    fn the_first_piece_goes_at_once_and_those_behind_it_together() {
        let mut writer = writer(&["r"]);
        append(&mut writer, 100, "r", 0, "a\n");
        assert_eq!(texts(&sent(&mut writer, 100)), ["a\n"]);
        for (now, text) in [(101, "b\""), (110, "c"), (124, "d\\")] {
            append(&mut writer, now, "r", 0, text);
            assert!(sent(&mut writer, now).is_empty());
        }
        assert_eq!(writer.timeout(), Some(125));
        assert_eq!(texts(&sent(&mut writer, 125)), ["b\"cd\\"]);
        assert_eq!(writer.timeout(), None);
        append(&mut writer, 200, "r", 0, "e");
        assert_eq!(texts(&sent(&mut writer, 200)), ["e"]);
    }

    /// How many events a thousand tokens make at a pace, and how many milliseconds they wait in the
    /// middle and at the 99th of a hundred.
    fn cost(every_ms: u64) -> (usize, u64, u64) {
        let mut writer = writer(&["r"]);
        let (mut waiting, mut waits, mut events) = (Vec::new(), Vec::new(), 0);
        for now in 1_000..1_000 + 1_000 * every_ms + 100 {
            if now % every_ms == 0 && waits.len() + waiting.len() < 1_000 {
                append(&mut writer, now, "r", 0, "x");
                waiting.push(now);
            }
            let sent = sent(&mut writer, now);
            if !sent.is_empty() {
                events += sent.len();
                assert_eq!(texts(&sent).concat().len(), waiting.len());
                waits.extend(waiting.drain(..).map(|at| now - at));
            }
        }
        waits.sort_unstable();
        (events, waits[500], waits[990])
    }

    #[test]
    fn joining_costs_at_most_its_time_and_nothing_at_a_slow_pace() {
        // 30, 50, 100 and 200 tokens a second.
        assert_eq!(cost(33), (1_000, 0, 0));
        assert_eq!(cost(20), (801, 10, 20));
        assert_eq!(cost(10), (401, 10, 20));
        assert_eq!(cost(5), (201, 10, 20));
    }

    #[test]
    fn another_part_an_event_or_the_end_waits_for_nothing_and_passes_nothing() {
        let mut writer = writer(&["r"]);
        append(&mut writer, 0, "r", 0, "a");
        assert_eq!(sent(&mut writer, 0).len(), 1);
        append(&mut writer, 1, "r", 0, "b");
        append(&mut writer, 1, "r", 1, "c");
        assert_eq!(texts(&sent(&mut writer, 1)), ["b", "c"]);
        append(&mut writer, 2, "r", 1, "d");
        writer.write(&id("r"), r#"{"kind":"data","name":"n"}"#.to_owned(), &mut Vec::new());
        let events = sent(&mut writer, 2);
        assert_eq!((texts(&events), events.len()), (vec!["d"], 2));
        append(&mut writer, 3, "r", 1, "e");
        writer.end(&id("r"), RunEnd::Completed { data: None });
        let events = sent(&mut writer, 3);
        assert_eq!((texts(&events), &events[1]["kind"]), (vec!["e"], &"run.ended".into()));
    }

    #[test]
    fn what_waits_holds_up_no_other_run_and_keeps_its_order() {
        let mut writer = writer(&["r", "q"]);
        append(&mut writer, 0, "r", 0, "a");
        assert_eq!(sent(&mut writer, 0).len(), 1);
        append(&mut writer, 1, "r", 0, "b");
        append(&mut writer, 1, "q", 0, "x");
        assert_eq!(texts(&sent(&mut writer, 1)), ["x"]);
        append(&mut writer, 2, "q", 0, "y");
        append(&mut writer, 3, "r", 0, "c");
        assert_eq!(texts(&sent(&mut writer, 25)), ["bc"]);
        assert_eq!(texts(&sent(&mut writer, 26)), ["y"]);
    }

    #[test]
    fn a_publish_that_overtook_another_keeps_its_place_through_a_cut() {
        let (session, log) = (SessionId::parse("s").unwrap(), LogId::parse("l").unwrap());
        let mut writer = writer(&["r", "q"]);
        append(&mut writer, 0, "r", 0, "a");
        assert_eq!(sent(&mut writer, 0).len(), 1);
        append(&mut writer, 1, "r", 0, "held");
        append(&mut writer, 1, "q", 0, "early");
        let first = writer.transmit(1, 7, &session, &log).unwrap().end();
        assert!(first.contains("early") && first.contains("\"seq\":3"), "{first}");
        writer.cut();
        writer.granted(1, 3, &mut Vec::new());
        let again = writer.transmit(50, 8, &session, &log).unwrap().end();
        assert_eq!(first, again);
        let next = writer.transmit(50, 9, &session, &log).unwrap().end();
        assert!(next.contains("held") && next.contains("\"seq\":4"), "{next}");
    }

    #[test]
    fn a_delta_that_is_large_enough_waits_no_longer() {
        let mut writer = writer(&["r"]);
        append(&mut writer, 0, "r", 0, "a");
        assert_eq!(sent(&mut writer, 0).len(), 1);
        let text = "x".repeat(10_000);
        append(&mut writer, 1, "r", 0, &text);
        assert!(sent(&mut writer, 1).is_empty());
        append(&mut writer, 2, "r", 0, &text);
        assert_eq!(texts(&sent(&mut writer, 2)), [&text, &text]);
    }
}
