//! What the server answers to publishes.

use durable_sessions_protocol::error::{ErrorCode, Problem};
use durable_sessions_protocol::offset::Offset;

use super::run::{Phase, RunEnd};
use super::unit::{Kind, Unit};
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
            Kind::End => {
                self.forget(&unit.run);
                reports.push(Report::Ended { run: unit.run });
            }
        }
    }

    fn settle_refused(&mut self, unit: Unit, problem: Problem, reports: &mut Vec<Report>) {
        match (unit.kind, problem.code) {
            // The server ended it in the meantime: that is what was asked for.
            (Kind::End, ErrorCode::RunEnded) => {
                self.forget(&unit.run);
                reports.push(Report::Ended { run: unit.run });
            }
            (Kind::End, ErrorCode::RunStopped) if !unit.is_stopped_end() => {
                let end = RunEnd::Stopped.to_json(&unit.run);
                self.push(Unit::new(unit.run, Kind::End, end));
            }
            (Kind::End, code) if !unit.is_plain_end() && code != ErrorCode::NotOwner => {
                // Its result or error is not acceptable; the run still has to end.
                let end = RunEnd::Failed { error: None }.to_json(&unit.run);
                reports.push(Report::WriteRefused { run: unit.run.clone(), problem });
                self.push(Unit::new(unit.run, Kind::End, end));
            }
            (Kind::Write, ErrorCode::RunStopped | ErrorCode::RunEnded) => {
                self.stop(unit.run.as_str(), reports);
            }
            (Kind::Write, ErrorCode::NotOwner | ErrorCode::NotFound)
            | (Kind::Start | Kind::End, _) => {
                self.forget(&unit.run);
                self.drop_unsent(unit.run.as_str());
                reports.push(Report::RunRefused { run: unit.run, problem });
            }
            (Kind::Write, _) => {
                reports.push(Report::WriteRefused { run: unit.run, problem });
            }
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
