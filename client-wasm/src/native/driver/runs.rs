//! The runs of this process, between the core and their handlers.

use std::collections::BTreeMap;

use durable_sessions_protocol::error::Problem;
use durable_sessions_protocol::id::{Id, SessionId};
use serde_json::Value;
use tokio::sync::{oneshot, watch};

use super::Output;
use crate::native::run::Signal;

/// How a run is told what becomes of it.
#[derive(Debug)]
pub(in crate::native) struct RunLink {
    /// Whether its start is in the log.
    pub(in crate::native) started: oneshot::Sender<Result<(), Problem>>,
    /// Whether it may go on.
    pub(in crate::native) signal: watch::Sender<Signal>,
}

/// Whether a run's end is in the log, with all that it wrote before it.
pub(in crate::native) type Ended = Result<(), Problem>;

#[derive(Debug, Default)]
pub(super) struct Runs(BTreeMap<Id, Open>);

#[derive(Debug)]
struct Open {
    session: SessionId,
    started: Option<oneshot::Sender<Result<(), Problem>>>,
    signal: watch::Sender<Signal>,
    ended: Option<oneshot::Sender<Ended>>,
    left: Option<oneshot::Sender<()>>,
    /// Why something it wrote is not in the log.
    refused: Option<Problem>,
}

impl Runs {
    pub(super) fn start(&mut self, session: &SessionId, run: &Id, link: RunLink) {
        let RunLink { started, signal } = link;
        let session = session.clone();
        let (started, ended, left, refused) = (Some(started), None, None, None);
        let open = Open { session, started, signal, ended, left, refused };
        self.0.insert(run.clone(), open);
    }

    pub(super) fn ending(&mut self, run: &Id, ended: oneshot::Sender<Ended>) {
        // A run that is not known any more was lost, and its handler has been told; dropping
        // `ended` says the same.
        if let Some(open) = self.0.get_mut(run) {
            open.signal.send_if_modified(Signal::returned);
            open.ended = Some(ended);
        }
    }

    pub(super) fn leaving(&mut self, run: &Id, left: oneshot::Sender<()>) {
        if let Some(open) = self.0.get_mut(run) {
            open.left = Some(left);
        }
    }

    pub(super) fn is_open(&self, run: &Id) -> bool {
        self.0.contains_key(run)
    }

    pub(super) fn are_open_in(&self, session: &SessionId) -> bool {
        self.0.values().any(|open| open.session == *session)
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "the driver sorts the outputs")]
    pub(super) fn perform(&mut self, output: Output<Value>) {
        match output {
            Output::RunStarted { run, .. } => {
                let started = self.0.get_mut(&run).and_then(|open| open.started.take());
                if let Some(started) = started {
                    let _ = started.send(Ok(()));
                }
            }
            Output::RunStopped { run, .. } => {
                if let Some(open) = self.0.get(&run) {
                    open.signal.send_replace(Signal::Stopped);
                }
            }
            Output::WriteRefused { run, problem, .. } => {
                if let Some(open) = self.0.get_mut(&run) {
                    open.refused = Some(problem.clone());
                    open.signal.send_if_modified(|signal| signal.write_refused(problem));
                }
            }
            Output::RunRefused { run, problem, .. } => {
                let Some(open) = self.0.remove(&run) else { return };
                open.signal.send_replace(Signal::Gone(problem.clone()));
                if let Some(started) = open.started {
                    let _ = started.send(Err(problem.clone()));
                }
                if let Some(ended) = open.ended {
                    let _ = ended.send(Err(problem));
                }
            }
            Output::RunLeft { run, .. } => {
                let left = self.0.remove(&run).and_then(|open| open.left);
                if let Some(left) = left {
                    let _ = left.send(());
                }
            }
            Output::RunEnded { run, .. } => {
                let Some(open) = self.0.remove(&run) else { return };
                if let Some(ended) = open.ended {
                    let _ = ended.send(open.refused.map_or(Ok(()), Err));
                }
            }
            _ => {}
        }
    }
}
