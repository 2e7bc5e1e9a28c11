//! What the server answers to publishes.

use durable_sessions_protocol::error::{ErrorCode, Problem};
use durable_sessions_protocol::offset::Offset;

use super::run::{Phase, RunEnd};
use super::unit::{END, Kind, Unit};
use super::{Report, Writer};
use crate::core::backoff::Random;
use crate::core::limits::RETRY_AFTER_MAX_MS;

impl Writer {
    pub(in crate::core) fn acked(
        &mut self,
        request: u64,
        first: Offset,
        reports: &mut Vec<Report>,
    ) {
        let Some(unit) = self.take(request) else { return };
        self.backoff.reset();
        self.settle(unit, first, reports);
        self.report_left(reports);
        self.report_room(reports);
    }

    pub(in crate::core) fn refused(
        &mut self,
        request: u64,
        problem: Problem,
        now: u64,
        random: &mut Random,
        reports: &mut Vec<Report>,
    ) {
        if problem.code == ErrorCode::SequenceGap {
            // One before it was put off. It is sent again behind that one.
            return self.put_back(request, &problem, reports);
        }
        if problem.code.retryable() {
            if now >= self.paused_until {
                let asked = problem.retry_after_ms.unwrap_or(0).min(RETRY_AFTER_MAX_MS);
                let pause = self.backoff.next_pause(random).max(asked);
                self.paused_until = now.saturating_add(pause);
            }
            return self.put_back(request, &problem, reports);
        }
        if problem.code == ErrorCode::Fenced {
            return self.fence(reports);
        }
        if problem.code == ErrorCode::LogChanged {
            return self.lose_log(reports);
        }
        let Some(unit) = self.take(request) else { return };
        self.settle_refused(unit, problem, reports);
        self.report_left(reports);
        self.report_room(reports);
    }

    fn settle(&mut self, unit: Unit, first: Offset, reports: &mut Vec<Report>) {
        match unit.kind {
            Kind::Start => {
                if let Some(run) = self.runs.iter_mut().find(|run| run.id == unit.run) {
                    // A stop may have come before the ack: the handler is told both, in order.
                    let was_stopped = run.phase == Phase::Stopped;
                    if run.phase == Phase::Starting {
                        run.phase = Phase::Open;
                    }
                    reports.push(Report::Started { run: unit.run.clone(), offset: first });
                    if was_stopped {
                        reports.push(Report::Stopped { run: unit.run });
                    }
                }
            }
            Kind::Write => {}
            Kind::End { .. } => {
                self.forget(&unit.run);
                reports.push(Report::Ended { run: unit.run });
            }
        }
    }

    fn settle_refused(&mut self, unit: Unit, problem: Problem, reports: &mut Vec<Report>) {
        match (unit.kind, problem.code) {
            // The server ended it in the meantime: that is what was asked for.
            (Kind::End { .. }, ErrorCode::RunEnded) => {
                self.forget(&unit.run);
                reports.push(Report::Ended { run: unit.run });
            }
            (Kind::End { .. }, ErrorCode::RunStopped) if !unit.is_stopped_end() => {
                let end = RunEnd::Stopped.to_json(&unit.run);
                self.push(Unit::new(unit.run, END, end));
            }
            (Kind::End { .. }, code) if !unit.is_plain_end() && code != ErrorCode::NotOwner => {
                // Its result or error is not acceptable; the run still has to end.
                let end = RunEnd::Failed { error: None }.to_json(&unit.run);
                reports.push(Report::WriteRefused { run: unit.run.clone(), problem });
                self.push(Unit::new(unit.run, END, end));
            }
            (Kind::Write, ErrorCode::RunStopped | ErrorCode::RunEnded) => {
                self.stop(unit.run.as_str(), reports);
            }
            (Kind::Write, ErrorCode::NotOwner | ErrorCode::NotFound)
            | (Kind::Start | Kind::End { .. }, _) => {
                self.forget(&unit.run);
                self.drop_unsent(unit.run.as_str());
                reports.push(Report::RunRefused { run: unit.run, problem });
            }
            (Kind::Write, _) => self.write_refused(&unit.run, problem, reports),
        }
    }

    fn put_back(&mut self, request: u64, problem: &Problem, reports: &mut Vec<Report>) {
        let Some(index) = self.units.iter().position(|unit| unit.request == Some(request)) else {
            return;
        };
        let Some(unit) = self.units.get_mut(index) else { return };
        unit.request = None;
        // With nothing before it the server has lost what it acknowledged, or this is another's
        // stream: going on would write the same events elsewhere.
        let is_lost = index == 0
            && problem.code == ErrorCode::SequenceGap
            && problem.expected_seq.is_none_or(|expected| Some(expected) != unit.seq);
        if is_lost {
            self.fence(reports);
        }
    }

    fn take(&mut self, request: u64) -> Option<Unit> {
        let index = self.units.iter().position(|unit| unit.request == Some(request))?;
        let unit = self.units.remove(index)?;
        self.bytes = self.bytes.saturating_sub(unit.events.len());
        self.events = self.events.saturating_sub(unit.count);
        Some(unit)
    }
}

#[cfg(test)]
#[cfg(not(target_arch = "wasm32"))]
mod tests {
    use durable_sessions_protocol::id::{Id, LogId, SessionId};
    use durable_sessions_protocol::limits::EVENT_MAX_BYTES;
    use serde_json::Value;

    use super::super::{PartName, Started};
    use super::*;

    fn run() -> Id {
        Id::parse("r").unwrap()
    }

    /// Writes with one open run.
    fn writer() -> Writer {
        let mut writer = Writer::new(Id::parse("p").unwrap());
        writer.granted(1, 0, &mut Vec::new());
        let agent = Id::parse("bot").unwrap();
        let (in_reply_to, parent, lease_ms) = (None, None, None);
        let started = Started { run: run(), agent, in_reply_to, parent, lease_ms };
        writer.start(&started, &mut Vec::new());
        assert_eq!(sent(&mut writer, 0).unwrap()[0]["kind"], "run.started");
        writer.acked(0, Offset::ZERO, &mut Vec::new());
        writer
    }

    /// The events of the next publish, if one may go out now; as a request of this number.
    fn sent(writer: &mut Writer, request: u64) -> Option<Value> {
        let (session, log) = (SessionId::parse("s").unwrap(), LogId::parse("l").unwrap());
        let frame = writer.transmit(1_000, request, &session, &log)?.end();
        let mut frame: Value = serde_json::from_str(&frame).unwrap();
        Some(frame["events"].take())
    }

    fn data(writer: &mut Writer, bytes: usize) -> Vec<Report> {
        let mut reports = Vec::new();
        let data = "x".repeat(bytes);
        let event = format!(r#"{{"kind":"data","name":"n","run":"r","data":"{data}"}}"#);
        writer.write(&run(), event, &mut reports);
        reports
    }

    fn refuse(writer: &mut Writer, request: u64, code: ErrorCode) -> Vec<Report> {
        let mut reports = Vec::new();
        let problem = Problem::new(code, "no");
        writer.refused(request, problem, 1_000, &mut Random::new(5), &mut reports);
        reports
    }

    const DONE: RunEnd = RunEnd::Completed { data: None };

    #[test]
    fn a_run_is_completed_when_what_it_wrote_is_in_the_log() {
        let mut writer = writer();
        data(&mut writer, 10);
        assert!(sent(&mut writer, 1).is_some());
        writer.end(&run(), DONE);
        assert_eq!(sent(&mut writer, 2), None, "its write is not answered");
        writer.cut();
        writer.granted(1, 1, &mut Vec::new());
        assert_eq!(sent(&mut writer, 3).unwrap()[0]["kind"], "data");
        assert_eq!(sent(&mut writer, 4), None, "nor on another connection");
        writer.acked(3, Offset::ZERO.next(), &mut Vec::new());
        assert_eq!(sent(&mut writer, 5).unwrap()[0]["outcome"], "completed");
    }

    #[test]
    fn another_end_waits_for_nothing() {
        for end in [RunEnd::Failed { error: None }, RunEnd::Stopped] {
            let mut writer = writer();
            data(&mut writer, 10);
            assert!(sent(&mut writer, 1).is_some());
            writer.end(&run(), end);
            assert_eq!(sent(&mut writer, 2).unwrap()[0]["kind"], "run.ended");
        }
    }

    #[test]
    fn a_run_whose_write_is_refused_has_failed() {
        for ends_before in [false, true] {
            let mut writer = writer();
            data(&mut writer, 10);
            assert!(sent(&mut writer, 1).is_some());
            if ends_before {
                writer.end(&run(), DONE);
            }
            let reports = refuse(&mut writer, 1, ErrorCode::Invalid);
            assert!(matches!(reports[..], [Report::WriteRefused { .. }]), "{reports:?}");
            if !ends_before {
                writer.end(&run(), DONE);
            }
            let end = sent(&mut writer, 2).unwrap();
            assert_eq!(
                (&end[0]["outcome"], &end[0]["error"]["code"]),
                (&"failed".into(), &"invalid".into())
            );
            assert_eq!(writer.bytes, end[0].to_string().len(), "what it counts is what it holds");
        }
    }

    #[test]
    fn a_run_that_writes_too_much_at_once_has_failed() {
        let mut writer = writer();
        let reports = data(&mut writer, EVENT_MAX_BYTES);
        assert!(matches!(reports[..], [Report::WriteRefused { .. }]), "{reports:?}");
        writer.end(&run(), DONE);
        assert_eq!(sent(&mut writer, 1).unwrap()[0]["error"]["code"], "too_large");
    }

    #[test]
    fn a_stop_that_refuses_a_write_is_how_a_completed_run_ends() {
        let mut writer = writer();
        data(&mut writer, 10);
        assert!(sent(&mut writer, 1).is_some());
        writer.end(&run(), DONE);
        refuse(&mut writer, 1, ErrorCode::RunStopped);
        assert_eq!(sent(&mut writer, 2).unwrap()[0]["outcome"], "completed");
        refuse(&mut writer, 2, ErrorCode::RunStopped);
        assert_eq!(sent(&mut writer, 3).unwrap()[0]["outcome"], "stopped");
    }

    #[test]
    fn long_text_is_written_in_pieces_that_fit_whatever_it_says() {
        for unit in ["x", "\u{1}", "é", "🦀"] {
            let mut writer = writer();
            let text = format!("a{}", unit.repeat(300 * 1024 / unit.len()));
            let to = PartName { message: run(), part: 0, part_type: "text".into() };
            let mut reports = Vec::new();
            writer.append(0, &run(), &to, &text, &mut reports);
            reports.retain(|report| *report != Report::Full);
            assert_eq!(reports, []);
            let mut read = String::new();
            for request in 1.. {
                let Some(events) = sent(&mut writer, request) else { break };
                for event in events.as_array().unwrap() {
                    assert!(event.to_string().len() <= EVENT_MAX_BYTES);
                    read.push_str(event["text"].as_str().unwrap());
                }
                writer.acked(request, Offset::ZERO, &mut Vec::new());
            }
            assert!(read == text, "{unit:?}");
        }
    }
}
