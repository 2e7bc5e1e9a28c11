//! What people do.

use serde_json::{Value, json};

use super::{AGENTS, Dice, Generator, NAMES, is_of, plain};
use crate::call::{Call, Place};
use crate::model::view::View;
use crate::world::World;

impl Generator {
    pub(super) fn message(&mut self, dice: &mut Dice, view: &View, world: &World) -> Option<Call> {
        let id = self.id("m");
        // Now and then one that is as long as ids get.
        let id = if dice.chance(3) { format!("{:é<1$}", id, (128 + id.len()) / 2) } else { id };
        let mut event = json!({"kind": "message", "id": id, "role": "user", "text": "hi"});
        match dice.below(10) {
            0..4 => {}
            4..9 => event["to"] = json!(dice.pick(&NAMES)?),
            _ => event["to"] = Value::Null,
        }
        if dice.chance(55) {
            event["if_running"] =
                json!(dice.pick(&["queue", "parallel", "interrupt", "interrupt", "reject"])?);
        }
        if dice.chance(6) {
            let id = dice.pick(&view.messages).map_or("none".to_owned(), |(id, ..)| id);
            event["replaces"] = json!(id);
        }
        let event = self.mark(event);
        let mut publishing = plain(&user(dice), event);
        if dice.chance(15) {
            self.counted(&mut publishing, world);
        }
        Some(Call::Publish(publishing))
    }

    pub(super) fn stop(&mut self, dice: &mut Dice, view: &View, world: &World) -> Option<Call> {
        let mut event = json!({"kind": "stop.requested", "id": self.id("s")});
        match dice.below(20) {
            0..13 => {
                let open: Vec<_> = view.open().cloned().collect();
                let run = if dice.chance(70) { dice.pick(&open) } else { dice.pick(&view.runs) };
                event["run"] = json!(run.map_or("none".to_owned(), |run| run.id));
            }
            13..16 => {
                let message = dice.pick(&view.messages).map_or("none".to_owned(), |(id, ..)| id);
                event["message"] = json!(message);
            }
            16..18 => {
                let waiting: Vec<_> = view.waiting().cloned().collect();
                event["message"] = json!(dice.pick(&waiting)?.id);
            }
            _ => {
                event["all"] = json!(true);
                if dice.chance(70) {
                    // What somebody saw a while ago.
                    // Or what nobody has seen yet.
                    let back = dice.below(40) as u64;
                    event["seen"] = json!((world.model.tail() + 10).saturating_sub(back));
                }
            }
        }
        if dice.chance(30) {
            event["cascade"] = json!(dice.chance(20));
        }
        let event = self.mark(event);
        let mut publishing = plain(&user(dice), event);
        // An agent may stop what it likes, too, and a user may count what it sends.
        if dice.chance(10) {
            publishing.who.principal = "agent/d".to_owned();
        } else if dice.chance(15) {
            self.counted(&mut publishing, world);
        }
        Some(Call::Publish(publishing))
    }

    pub(super) fn steer(&mut self, dice: &mut Dice, view: &View) -> Option<Call> {
        let open: Vec<_> = view.open().cloned().collect();
        let run = if dice.chance(85) { dice.pick(&open) } else { dice.pick(&view.runs) };
        let run = run.map_or("none".to_owned(), |run| run.id);
        // Now and then under an id that is taken.
        let taken = dice.pick(&view.inputs).filter(|_| dice.chance(5)).map(|input| input.id);
        let id = taken.unwrap_or_else(|| self.id("t"));
        let event = self.mark(json!({"kind": "steer", "id": id, "run": run, "text": "more"}));
        Some(Call::Publish(plain(&user(dice), event)))
    }

    pub(super) fn answer(&mut self, dice: &mut Dice, view: &View) -> Option<Call> {
        let unanswered: Vec<_> = view.asks.iter().filter(|ask| !ask.is_answered).cloned().collect();
        let ask = if dice.chance(70) { dice.pick(&unanswered) } else { dice.pick(&view.asks) }?;
        let run = if dice.chance(95) { ask.run } else { dice.pick(&view.runs)?.id };
        let id = if dice.chance(97) { ask.id } else { "none".to_owned() };
        // Two answers of equal body are one, also from two tabs.
        let answer = dice.below(2);
        let event = json!({"kind": "run.resumed", "run": run, "ask": id, "answer": answer});
        let who = if dice.chance(15) { "agent/d".to_owned() } else { user(dice) };
        Some(Call::Publish(plain(&who, event)))
    }

    /// A title, or data of the app's own.
    pub(super) fn remark(&mut self, dice: &mut Dice) -> Option<Call> {
        let mut event = match dice.below(3) {
            0 => json!({"kind": "data", "name": "typing", "data": {"n": self.count}}),
            1 => json!({"kind": "session.updated", "title": format!("title {}", self.count)}),
            _ => json!({"kind": "session.updated", "data": {"n": 1}}),
        };
        if dice.chance(40) {
            // Without an id it is another each time it is sent.
            return Some(Call::Publish(plain(&user(dice), event)));
        }
        event["id"] = json!(self.id("u"));
        let event = self.mark(event);
        Some(Call::Publish(plain(&user(dice), event)))
    }

    /// As many messages, delegated inputs, steers or asks as may wait, and one more.
    pub(super) fn burst(&mut self, dice: &mut Dice, view: &View, world: &World) -> Option<Call> {
        if dice.chance(30) {
            return self.flood(dice, view, world);
        }
        let open: Vec<_> = view.open().cloned().collect();
        let run = dice.pick(&open)?;
        if let Some(agent) = (0..AGENTS.len()).find(|agent| is_of(&run, *agent))
            && dice.chance(50)
        {
            let count = (64 + dice.below(2)).saturating_sub(view.open_asks(&run.id).count());
            let asks = (0..count).map(|_| {
                let id = self.id("k");
                self.mark(json!({"kind": "run.suspended", "run": run.id, "ask": id, "body": 1}))
            });
            let asks = asks.collect();
            return Some(Call::Publish(self.publishing(dice, world, agent, asks)?));
        }
        let pending = view.pending_steers(&run.id).count();
        let count = (64 + dice.below(2)).saturating_sub(pending);
        let events = (0..count).map(|_| {
            let id = self.id("t");
            self.mark(json!({"kind": "steer", "id": id, "run": run.id, "text": "more"}))
        });
        let events = events.collect();
        let mut publishing = plain(&user(dice), Value::Null);
        publishing.events = events;
        self.counted(&mut publishing, world);
        Some(Call::Publish(publishing))
    }

    /// All the input that may wait, of people or of a run.
    fn flood(&mut self, dice: &mut Dice, view: &View, world: &World) -> Option<Call> {
        let all = 1024 + dice.below(2);
        let delegated = view.waiting().filter(|input| input.by.is_some()).count();
        let agent = dice.below(AGENTS.len());
        let own: Vec<_> = view.open().filter(|run| is_of(run, agent)).cloned().collect();
        if let Some(run) = dice.pick(&own).filter(|_| dice.chance(60)) {
            let inputs = (0..all.saturating_sub(delegated)).map(|_| {
                let id = self.id("m");
                self.mark(json!({
                    "kind": "message", "id": id, "role": "assistant", "run": run.id,
                    "to": "writer", "text": "please"
                }))
            });
            let inputs = inputs.collect();
            return Some(Call::Publish(self.publishing(dice, world, agent, inputs)?));
        }
        let sent = view.waiting().count() - delegated;
        let mut publishing = plain(&user(dice), Value::Null);
        publishing.events = (0..all.saturating_sub(sent))
            .map(|_| {
                let id = self.id("m");
                self.mark(json!({"kind": "message", "id": id, "role": "user", "text": "hi"}))
            })
            .collect();
        self.counted(&mut publishing, world);
        Some(Call::Publish(publishing))
    }

    /// The same as the next publish of the user's own producer.
    #[expect(clippy::unused_self, reason = "it reads as the others do")]
    fn counted(&self, publishing: &mut crate::call::Publishing, world: &World) {
        let known = world.model.place(&publishing.who.principal, "tab");
        let (epoch, seq) = known.map_or((1, 0), |it| (it.epoch, it.seq));
        publishing.place = Some(Place { producer: "tab".to_owned(), epoch, seq });
    }
}

fn user(dice: &mut Dice) -> String {
    format!("user/u{}", dice.below(3))
}
