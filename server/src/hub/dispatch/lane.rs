//! Who may be offered a piece of work.

use durable_sessions_protocol::event::Principal;
use durable_sessions_protocol::id::{Id, SessionId};

use super::{Report, Task, Wake};

/// Work that goes to the same workers.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Lane {
    pub(super) agent: Id,
    /// Only those who write as this producer; `None`: anyone who serves the agent.
    pub(super) producer: Option<(Principal, Id)>,
}

impl Report {
    /// What workers are to be offered: runs that go on before input that is new to all.
    pub(super) fn into_work(self, session: &SessionId) -> impl Iterator<Item = (Lane, Wake)> {
        let taken_over = {
            let session = session.clone();
            self.orphans.into_iter().map(move |orphan| {
                let producer = Some((orphan.principal, orphan.producer));
                let lane = Lane { agent: orphan.agent.clone(), producer };
                let wake = Wake {
                    agent: orphan.agent,
                    session: session.clone(),
                    input: orphan.input,
                    attempt: orphan.attempt,
                    task: Task::TakeOver(orphan.run),
                };
                (lane, wake)
            })
        };
        let session = session.clone();
        let claimed = self.offers.into_iter().map(move |offer| {
            let lane = Lane { agent: offer.agent.clone(), producer: None };
            let wake = Wake {
                agent: offer.agent,
                session: session.clone(),
                input: offer.input,
                attempt: offer.attempt,
                task: Task::Claim(offer.offset),
            };
            (lane, wake)
        });
        taken_over.chain(claimed)
    }
}
