//! From random steps to calls that mean something in the world as it is, and a few that do not.

mod agents;
mod people;
mod tally;

use serde_json::{Value, json};

use crate::call::{Call, Place, Publishing, Who};
use crate::model::view::{Run, View};
use crate::world::World;

pub(crate) use self::tally::Tally;

/// One random choice: what to do, and the dice for the rest.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Step {
    pub(crate) op: u16,
    pub(crate) dice: u32,
}

/// How an agent's process reaches the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reach {
    Socket(&'static str),
    Http(&'static str),
    /// Over HTTP, each act by its id.
    Plain,
}

/// Two producers of one principal, one of the same name of another, one over HTTP, and none.
const AGENTS: [(&str, Reach); 5] = [
    ("agent/a", Reach::Socket("p")),
    ("agent/a", Reach::Socket("q")),
    ("agent/b", Reach::Socket("p")),
    ("agent/c", Reach::Http("h")),
    ("agent/d", Reach::Plain),
];
/// Names that runs and inputs carry. More would leave fewer that wait for each other.
const NAMES: [&str; 3] = ["assistant", "writer", "critic"];

#[derive(Debug, Default)]
pub(crate) struct Generator {
    /// Makes ids and contents that occur once.
    count: u64,
    /// The connection of each agent, and the life of the server it belongs to.
    sockets: [Option<(u64, u64)>; 5],
    /// Counts the processes of all agents.
    processes: u64,
    clients: [u64; 5],
    lives: u64,
    /// What was published, to be sent again.
    sent: Vec<Publishing>,
}

/// Numbers out of one number.
#[derive(Debug)]
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: usize) -> usize {
        // The constants of splitmix64.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % limit.max(1) as u64) as usize
    }

    /// True in so many of a hundred cases.
    fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    fn pick<T: Clone>(&mut self, from: &[T]) -> Option<T> {
        if from.is_empty() { None } else { Some(from[self.below(from.len())].clone()) }
    }
}

impl Generator {
    /// What a step comes to in this world.
    pub(crate) fn call(&mut self, step: &Step, world: &World) -> Option<Call> {
        let mut dice = Dice(u64::from(step.dice));
        let view = world.model.view();
        let call = match step.op {
            0..110 => self.message(&mut dice, &view, world),
            110..150 => self.stop(&mut dice, &view, world),
            150..215 => self.steer(&mut dice, &view),
            215..270 => self.answer(&mut dice, &view),
            270..280 => self.remark(&mut dice),
            280..283 => self.burst(&mut dice, &view, world),
            283..750 => self.agents_publish(&mut dice, &view, world),
            750..780 => self.attach(&mut dice, &view, world),
            780..795 => self.renew(&mut dice, &view),
            795..810 => self.leave(&mut dice),
            810..875 => Some(pass(&mut dice, world)),
            875..885 => Some(Call::Drift { ms: dice.below(3_000) as u64 }),
            885..930 => self.again(&mut dice),
            930..950 => self.hostile(&mut dice, &view),
            950..977 => Some(Call::Sync),
            977..983 => Some(Call::Checkpoint),
            983..988 => {
                // Whoever was connected has detached.
                Some(Call::Unload { ms: dice.below(2_000) as u64 })
            }
            _ => {
                self.lives += 1;
                Some(Call::Kill { ms: dice.below(40_000) as u64, back: dice.chance(30) })
            }
        };
        if let Some(Call::Publish(publishing)) = &call {
            self.sent.push(publishing.clone());
        }
        call
    }

    fn id(&mut self, prefix: &str) -> String {
        self.count += 1;
        format!("{prefix}{}", self.count)
    }

    /// Marks an event: however often it is sent, the log has it once.
    fn mark(&mut self, mut event: Value) -> Value {
        self.count += 1;
        event["n"] = json!(self.count);
        event
    }

    /// Something sent before, as it was.
    fn again(&mut self, dice: &mut Dice) -> Option<Call> {
        let recent = self.sent.len().saturating_sub(12);
        let from = if dice.chance(60) { &self.sent[recent..] } else { &self.sent[..] };
        Some(Call::Publish(dice.pick(from)?))
    }

    /// What nobody may do, or does wrong.
    fn hostile(&mut self, dice: &mut Dice, view: &View) -> Option<Call> {
        let user = format!("user/u{}", dice.below(3));
        let mut publishing = dice.pick(&self.sent)?;
        let run = dice.pick(&view.runs).map_or("none".to_owned(), |run| run.id);
        match dice.below(8) {
            0 => publishing.log = Some("other".to_owned()),
            // Another body under a taken id.
            1 => {
                let event = publishing.events.pop()?;
                publishing.events.push(self.mark(event));
            }
            // Somebody else's act.
            2 => publishing.who.principal = user,
            3 => {
                publishing =
                    plain(&user, json!({"kind": "run.ended", "run": run, "outcome": "stopped"}));
            }
            4 => {
                publishing = plain(
                    &user,
                    json!({"kind": "delta", "id": "x", "run": run, "message": "x", "text": ""}),
                )
            }
            5 => {
                publishing = plain(
                    "agent/d",
                    json!({"kind": "message", "id": "x", "role": "user", "text": ""}),
                )
            }
            6 => {
                publishing = plain("agent/d", json!({"kind": "steer", "run": run, "text": "no id"}))
            }
            _ => {
                let input = dice.pick(&view.inputs)?.id;
                let state = dice.pick(&["stopped", "expired"])?;
                publishing =
                    plain("agent/d", json!({"kind": "input.state", "id": input, "state": state}));
            }
        }
        Some(Call::Publish(publishing))
    }

    fn attach(&mut self, dice: &mut Dice, view: &View, world: &World) -> Option<Call> {
        self.attach_as(dice.below(3), dice, view, world)
    }

    fn attach_as(
        &mut self,
        agent: usize,
        dice: &mut Dice,
        view: &View,
        world: &World,
    ) -> Option<Call> {
        let (principal, Reach::Socket(producer)) = AGENTS[agent] else { return None };
        let known = world.model.place(principal, producer).map(|place| place.epoch);
        let is_new = known.is_none() || dice.chance(30);
        if is_new || self.clients[agent] == 0 {
            self.processes += 1;
            self.clients[agent] = self.processes;
        }
        let open = view.open().filter(|run| is_of(run, agent)).map(|run| run.id.clone());
        let mut runs: Vec<String> = if dice.chance(75) {
            open.collect()
        } else {
            open.filter(|_| dice.chance(50)).collect()
        };
        if dice.chance(10) {
            runs.push("none".to_owned());
        }
        let epoch = match known {
            _ if is_new => None,
            Some(epoch) if dice.chance(5) => Some(epoch + 1),
            Some(epoch) if dice.chance(5) => Some(epoch.saturating_sub(1)),
            known => known,
        };
        // Now and then a request of an older connection comes late.
        let old = self.sockets[agent].filter(|(_, life)| *life == self.lives && dice.chance(10));
        let number =
            old.map_or(world.connections + 1, |(number, _)| number.saturating_sub(1).max(1));
        if old.is_none() {
            self.sockets[agent] = Some((number, self.lives));
        }
        let client = format!("c{}", self.clients[agent]);
        let who = Who { principal: principal.to_owned(), connection: Some((number, client)) };
        Some(Call::Claim { who, producer: producer.to_owned(), epoch, runs })
    }

    fn renew(&mut self, dice: &mut Dice, view: &View) -> Option<Call> {
        let agent = dice.below(3);
        let who = self.who(agent)?;
        let runs = view.runs.iter().filter(|_| dice.chance(50)).map(|run| run.id.clone()).collect();
        Some(Call::Renew { who, runs })
    }

    fn leave(&mut self, dice: &mut Dice) -> Option<Call> {
        let agent = dice.below(3);
        let who = self.who(agent)?;
        let (connection, client) = who.connection?;
        self.sockets[agent] = None;
        Some(Call::Leave { connection, client })
    }

    /// The agent as it is connected now.
    fn who(&self, agent: usize) -> Option<Who> {
        let (principal, reach) = AGENTS[agent];
        let connection = match reach {
            Reach::Http(_) | Reach::Plain => None,
            Reach::Socket(_) => {
                let (number, life) = self.sockets[agent]?;
                if life != self.lives {
                    return None;
                }
                Some((number, format!("c{}", self.clients[agent])))
            }
        };
        Some(Who { principal: principal.to_owned(), connection })
    }

    /// A publish in an agent's own way, mostly at its right place.
    fn publishing(
        &self,
        dice: &mut Dice,
        world: &World,
        agent: usize,
        events: Vec<Value>,
    ) -> Option<Publishing> {
        let who = self.who(agent)?;
        let place = match AGENTS[agent].1 {
            Reach::Plain => None,
            Reach::Socket(producer) | Reach::Http(producer) => {
                let known = world.model.place(&who.principal, producer);
                let (epoch, seq) = known.map_or((1, 0), |it| (it.epoch, it.seq));
                let is_http = matches!(AGENTS[agent].1, Reach::Http(_));
                let (epoch, seq) = match dice.below(100) {
                    0 => (epoch, seq + 1),
                    1 => (epoch.saturating_sub(1), seq),
                    2 => (epoch, seq.saturating_sub(1)),
                    3 => (epoch + 1, seq),
                    4 | 5 if is_http => (epoch + 1, 0),
                    _ => (epoch, seq),
                };
                Some(Place { producer: producer.to_owned(), epoch, seq })
            }
        };
        Some(Publishing { who, log: dice.chance(20).then(|| "log".to_owned()), place, events })
    }
}

/// Whether an agent's process may write for the run.
fn is_of(run: &Run, agent: usize) -> bool {
    let (principal, reach) = AGENTS[agent];
    let producer = match reach {
        Reach::Socket(producer) | Reach::Http(producer) => Some(producer),
        Reach::Plain => None,
    };
    run.principal == principal && run.producer.as_deref() == producer
}

/// One act over HTTP, without a producer.
fn plain(principal: &str, event: Value) -> Publishing {
    let who = Who { principal: principal.to_owned(), connection: None };
    Publishing { who, log: None, place: None, events: vec![event] }
}

/// Time goes by: a little, or to the next clock, one before it, or far beyond all.
fn pass(dice: &mut Dice, world: &World) -> Call {
    let left = world.model.deadline().map_or(1_000, |at| at.saturating_sub(world.now));
    let ms = match dice.below(20) {
        0..12 => dice.below(2_000) as u64,
        12 => 30_000,
        13..15 => dice.below(10) as u64 * 1_000,
        15 => left.saturating_sub(1),
        16..19 => left,
        _ => 24 * 60 * 60 * 1000,
    };
    Call::Pass { ms }
}
