//! Runs that outlive their process: taking over what an earlier one left, and leaving some.

use durable_sessions_protocol::id::Id;
use durable_sessions_protocol::offset::Offset;

use super::run::{Phase, Run};
use super::{Report, Writer};

/// A run of an earlier process: it goes on once the server has granted it and a worker takes it.
#[derive(Debug)]
pub(super) struct Adopted {
    pub(super) run: Id,
    is_granted: bool,
    is_taken: bool,
}

impl Writer {
    pub(in crate::core) fn is_of(&self, producer: &Id) -> bool {
        self.producer == *producer
    }

    /// Names a run from the next claim on. `false`: it is known already.
    pub(in crate::core) fn adopt(&mut self, run: &Id) -> bool {
        let is_new = self.run(run).is_none();
        if is_new {
            let adopted = Adopted { run: run.clone(), is_granted: false, is_taken: false };
            self.adopted.push(adopted);
            self.runs.push(Run::new(run.clone(), Phase::Starting));
        }
        is_new
    }

    /// Names a run no more that nobody has taken over. `false`: it is at work, or not known.
    pub(in crate::core) fn disown(&mut self, run: &Id) -> bool {
        let is_idle = self.adopted.iter().any(|adopted| adopted.run == *run && !adopted.is_taken);
        if is_idle {
            self.forget(run);
        }
        is_idle
    }

    /// Goes on with a run that is named.
    pub(in crate::core) fn take_over(&mut self, run: &Id, reports: &mut Vec<Report>) {
        for adopted in self.adopted.iter_mut().filter(|adopted| adopted.run == *run) {
            adopted.is_taken = true;
        }
        self.report_adopted(reports);
    }

    /// The claim was granted: the runs it named are this process's.
    pub(super) fn grant_adopted(&mut self, reports: &mut Vec<Report>) {
        for adopted in &mut self.adopted {
            adopted.is_granted = true;
        }
        self.report_adopted(reports);
    }

    fn report_adopted(&mut self, reports: &mut Vec<Report>) {
        let is_ready = |adopted: &mut Adopted| adopted.is_granted && adopted.is_taken;
        for Adopted { run: id, .. } in self.adopted.extract_if(.., is_ready) {
            let Some(run) = self.runs.iter_mut().find(|run| run.id == id) else { continue };
            // It may have been stopped while nobody held it: the handler is told both, in order.
            let was_stopped = run.phase == Phase::Stopped;
            if run.phase == Phase::Starting {
                run.phase = Phase::Open;
            }
            reports.push(Report::Started { run: id.clone(), offset: Offset::ZERO });
            if was_stopped {
                reports.push(Report::Stopped { run: id });
            }
        }
    }

    /// Leaves a run to the next process, once what it has written is delivered.
    pub(in crate::core) fn leave(&mut self, run: &Id, reports: &mut Vec<Report>) {
        match self.runs.iter_mut().find(|open| open.id == *run) {
            Some(open) if open.phase != Phase::Ending => open.phase = Phase::Leaving,
            Some(_) => {}
            None => reports.push(Report::Left { run: run.clone() }),
        }
        self.release(run);
        self.report_left(reports);
    }

    /// Forgets the runs that leave and have nothing on its way.
    pub(super) fn report_left(&mut self, reports: &mut Vec<Report>) {
        let units = &self.units;
        let has_left =
            |run: &Run| run.phase == Phase::Leaving && !units.iter().any(|unit| unit.run == run.id);
        for run in self.runs.extract_if(.., |run| has_left(run)) {
            reports.push(Report::Left { run: run.id });
        }
    }
}
