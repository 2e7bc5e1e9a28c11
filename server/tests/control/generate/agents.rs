//! What agents write.

use serde_json::{Value, json};

use super::{AGENTS, Dice, Generator, NAMES, Reach, is_of};
use crate::call::Call;
use crate::model::view::{Fate, Run, View};
use crate::world::World;

impl Generator {
    /// A publish of some agent: of one event, or with a producer of several.
    pub(super) fn agents_publish(
        &mut self,
        dice: &mut Dice,
        view: &View,
        world: &World,
    ) -> Option<Call> {
        let agent = dice.below(AGENTS.len());
        if self.who(agent).is_none() {
            return self.attach_as(agent, dice, view, world);
        }
        let is_counted = AGENTS[agent].1 != Reach::Plain;
        let count = if is_counted && dice.chance(35) { 2 + dice.below(3) } else { 1 };
        let mut events = Vec::new();
        let mut started = None;
        for _ in 0..count {
            let own: Vec<Run> = view.open().filter(|run| is_of(run, agent)).cloned().collect();
            // Mostly its own open run, or the one this very publish starts.
            let run = match dice.below(100) {
                0..5 => dice.pick(&view.runs).map(|run| run.id),
                5..8 => Some("none".to_owned()),
                8..40 if started.is_some() => started.clone(),
                _ => dice.pick(&own).map(|run| run.id).or_else(|| started.clone()),
            };
            let event = match run {
                Some(run) if dice.chance(78) => self.of_run(dice, view, &run),
                _ => self.start(dice, view, world),
            };
            if event["kind"] == "run.started" {
                started = event["run"].as_str().map(str::to_owned);
            }
            let mut event = self.mark(event);
            let needs_id = !is_counted && event["kind"] == "delta";
            if needs_id
                || dice.chance(5) && matches!(event["kind"].as_str(), Some("delta" | "data"))
            {
                event["id"] = json!(self.id("d"));
            }
            events.push(event);
        }
        if is_counted && dice.chance(2) {
            events.push(json!({"kind": "delta"}));
        }
        Some(Call::Publish(self.publishing(dice, world, agent, events)?))
    }

    fn start(&mut self, dice: &mut Dice, view: &View, world: &World) -> Value {
        let run = self.id("r");
        let mut event = json!({"kind": "run.started", "run": run, "agent": dice.pick(&NAMES)});
        let waiting: Vec<_> = view.waiting().cloned().collect();
        let offered = dice.pick(&world.model.offers());
        let input = match dice.below(20) {
            0..11 => offered.and_then(|offer| view.input(&offer.input).cloned()),
            11..14 => dice.pick(&waiting),
            14 => dice.pick(&view.inputs),
            _ => None,
        };
        if let Some(input) = input {
            event["in_reply_to"] = json!(input.id);
            if dice.chance(96) {
                event["agent"] = json!(input.agent);
            }
            if let (Some(by), true) = (input.by, dice.chance(20)) {
                event["parent"] = json!(by);
            }
        } else if dice.chance(4) {
            event["in_reply_to"] = json!("none");
        }
        let is_child = event.get("in_reply_to").is_none();
        if dice.chance(if is_child { 60 } else { 3 }) {
            let open: Vec<Run> = view.open().cloned().collect();
            let parent = if dice.chance(60) { dice.pick(&open) } else { dice.pick(&view.runs) };
            event["parent"] = json!(parent.map_or("none".to_owned(), |run| run.id));
        }
        if dice.chance(20) {
            event["lease_ms"] = json!(dice.pick(&[999_u64, 1_000, 5_000, 60_000, 86_400_001]));
        }
        if let Some(taken) = dice.pick(&view.runs).filter(|_| dice.chance(3)) {
            event["run"] = json!(taken.id);
        }
        event
    }

    fn of_run(&mut self, dice: &mut Dice, view: &View, run: &str) -> Value {
        match dice.below(107) {
            100..103 => {
                let ask = dice.pick(&view.asks).map_or("none".to_owned(), |ask| ask.id);
                let of = view.ask(&ask).map_or(run, |ask| &ask.run);
                json!({"kind": "run.resumed", "run": of, "ask": ask, "answer": 0})
            }
            103 => json!({"kind": "stop.requested", "id": self.id("s"), "run": run}),
            104..107 => {
                let other = dice.pick(&view.runs).map_or("none".to_owned(), |run| run.id);
                json!({"kind": "steer", "id": self.id("t"), "run": other, "text": "more"})
            }
            0..28 => {
                let message = match dice.below(20) {
                    0 => dice.pick(&view.messages).map_or_else(|| self.id("a"), |(id, ..)| id),
                    1 => self.id("a"),
                    _ => format!("a-{run}"),
                };
                json!({"kind": "delta", "run": run, "message": message, "text": "x"})
            }
            28..36 => {
                let mut event = json!({"kind": "data", "name": "n", "run": run, "data": 1});
                event["id"] = json!(self.id("d"));
                if dice.chance(40) {
                    event["message"] = json!(format!("a-{run}"));
                    event["part"] = json!(dice.below(3));
                }
                event
            }
            36..54 => {
                let id = self.id("m");
                let mut event = json!({
                    "kind": "message", "id": id, "role": "assistant", "run": run, "text": "please"
                });
                match dice.below(10) {
                    0 => event["to"] = Value::Null,
                    1 => {}
                    _ => event["to"] = json!(dice.pick(&NAMES)),
                }
                if event["to"].is_string() && dice.chance(4) {
                    event["if_running"] = json!("queue");
                }
                event
            }
            54..66 => {
                let taken = dice.pick(&view.asks).filter(|_| dice.chance(6)).map(|ask| ask.id);
                let ask = taken.unwrap_or_else(|| self.id("k"));
                let mut event =
                    json!({"kind": "run.suspended", "run": run, "ask": ask, "body": "spend?"});
                if dice.chance(60) {
                    let terms = [999_u64, 1_000, 3_000, 40_000, 2_592_000_000, 2_592_000_001];
                    event["expires_ms"] = json!(dice.pick(&terms));
                }
                event
            }
            66..80 => {
                let its: Vec<_> = view.steers.iter().filter(|it| it.run == run).collect();
                let pending: Vec<_> = its
                    .iter()
                    .filter(|it| it.fate == Fate::Waiting)
                    .map(|it| it.id.clone())
                    .collect();
                let id = match dice.below(20) {
                    0 => dice.pick(&view.steers).map(|it| it.id),
                    1 => dice.pick(&view.inputs).map(|it| it.id),
                    2 => Some("none".to_owned()),
                    _ => dice.pick(&pending),
                };
                match id {
                    Some(id) => json!({"kind": "input.state", "id": id, "state": "used"}),
                    None => {
                        json!({"kind": "delta", "run": run, "message": format!("a-{run}"), "text": "y"})
                    }
                }
            }
            _ => {
                let outcome =
                    dice.pick(&["completed", "completed", "failed", "stopped", "stopped", "lost"]);
                let mut event = json!({"kind": "run.ended", "run": run, "outcome": outcome});
                if dice.chance(25) {
                    event["data"] = json!(42);
                }
                event
            }
        }
    }
}
