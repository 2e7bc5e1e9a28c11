//! Agents that write to the sessions all the while, straight to the server.

use durable_sessions_protocol::id::SessionId;
use serde_json::{Value, json};

use super::world::{Event, World};

/// Runs of a session at a time.
const RUNS_MAX: usize = 2;
const AGENT: &str = "agent/bot";

impl World {
    /// An agent begins a run, writes to one, or ends one; and comes back after its pause.
    pub(super) fn agent(&mut self, session: SessionId) {
        if self.has_ended {
            return;
        }
        let pause = self.random.within(0..self.weather.agents_ms * 2);
        self.work(&session);
        self.note(pause, Event::Agent { session });
    }

    /// One event of an agent's.
    pub(super) fn work(&mut self, session: &SessionId) {
        self.written += 1;
        let log = self.server.log(session);
        let runs = log.open_runs();
        let input = log.input().map(|input| input.to_string());
        let name = format!("r{}", self.written);
        let event = if runs.is_empty() || (runs.len() < RUNS_MAX && self.random.percent(10)) {
            started(&name, input)
        } else {
            let run = self.random.pick(&runs).unwrap();
            let (is_stopping, run) = (run.state == "stopping", run.id.as_str());
            if is_stopping {
                json!({"kind": "run.ended", "run": run, "outcome": "stopped"})
            } else if self.random.percent(8) {
                json!({"kind": "run.ended", "run": run, "outcome": "completed"})
            } else {
                let message = format!("a-{run}");
                let id = format!("d{}", self.written);
                json!({"kind": "delta", "id": id, "run": run, "message": message, "text": "word "})
            }
        };
        self.server.write(self.now, session, AGENT, &event.to_string());
        self.serve();
    }
}

fn started(run: &str, input: Option<String>) -> Value {
    let mut event = json!({"kind": "run.started", "run": run, "agent": "assistant"});
    if let Some(input) = input {
        event["in_reply_to"] = input.into();
    }
    event
}
