//! Who works here: each agent over a connection of its own and under its own name, as it would be
//! in a process of its own.

use std::error::Error as StdError;
use std::sync::Arc;

use durable_sessions_client::core::Status;
use durable_sessions_client::native::{Client, ConnectionState, Options, Serve, Worker};
use durable_sessions_protocol::id::Id;
use futures_util::future::{join_all, select_all};

use crate::agents::{Desk, Pen, work};

/// Inputs at a time for each agent; more wait their turn.
const SLOTS: u32 = 8;

/// A server that will not have an agent, for good.
#[derive(Debug, thiserror::Error)]
#[error("{agent}: {reason}")]
pub(crate) struct Refusal {
    agent: String,
    reason: String,
}

/// The agents of this process, at least one.
#[derive(Debug)]
pub(crate) struct Staff {
    members: Vec<Member>,
}

#[derive(Debug)]
struct Member {
    name: String,
    client: Client,
    worker: Worker,
}

impl Staff {
    /// Sets agents to work. Each writes as `producer`, or under a name made of its own.
    pub(crate) fn start(
        server: &str,
        names: &[String],
        producer: Option<&Id>,
        pen: Pen,
    ) -> Result<Self, Box<dyn StdError>> {
        let pen = Arc::new(pen);
        let start = |name: &String| Member::start(server, name, producer, &pen);
        Ok(Self { members: names.iter().map(start).collect::<Result<_, _>>()? })
    }

    /// Waits until the server has greeted each of them; one that it refuses is the error.
    pub(crate) async fn live(&self) -> Result<(), Refusal> {
        let greeted = join_all(self.members.iter().map(Member::greeted));
        tokio::select! {
            biased;
            // Also of one that was greeted, while others still connect.
            refusal = self.refused() => Err(refusal),
            _ = greeted => Ok(()),
        }
    }

    /// Waits until the server refuses one of them.
    pub(crate) async fn refused(&self) -> Refusal {
        select_all(self.members.iter().map(|member| Box::pin(member.refused()))).await.0
    }

    /// Ends the work of all at once: what they wrote is delivered, and their runs are left to the
    /// next process.
    pub(crate) async fn shutdown(self) {
        join_all(self.members.into_iter().map(|member| member.worker.shutdown())).await;
    }
}

impl Member {
    fn start(
        server: &str,
        name: &str,
        producer: Option<&Id>,
        pen: &Arc<Pen>,
    ) -> Result<Self, Box<dyn StdError>> {
        let producer = match producer {
            Some(producer) => producer.clone(),
            None => Id::parse(&format!("demo-{name}"))?,
        };
        let client = Client::connect(server, Options::agent(name))?;
        let desk = Arc::new(Desk { client: client.clone(), pen: Arc::clone(pen) });
        let offer = Serve { slots: SLOTS, producer: Some(producer), ..Serve::default() };
        let agent = name.to_owned();
        let worker =
            client.serve(name, offer, move |run| work(Arc::clone(&desk), agent.clone(), run));
        Ok(Self { name: name.to_owned(), client, worker })
    }

    async fn greeted(&self) {
        self.reach(|status| status == Status::Live).await;
    }

    async fn refused(&self) -> Refusal {
        // A server that refuses a client for good ends the connection, not the worker.
        let closed = self.reach(|status| status == Status::Closed).await;
        self.refusal(closed)
    }

    /// The state of the connection once it is one that is waited for; `None` if it is gone before.
    async fn reach(&self, is_wanted: impl Fn(Status) -> bool) -> Option<ConnectionState> {
        let mut state = self.client.state();
        state.wait_for(|state| is_wanted(state.status)).await.ok().map(|state| state.clone())
    }

    fn refusal(&self, closed: Option<ConnectionState>) -> Refusal {
        let problem = closed.and_then(|state| state.error);
        let reason = match problem {
            Some(problem) => problem.to_string(),
            None => "the connection was closed for good".to_owned(),
        };
        Refusal { agent: self.name.clone(), reason }
    }
}
