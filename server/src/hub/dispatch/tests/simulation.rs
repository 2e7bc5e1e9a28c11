//! Any row of reports, workers that come and go, and time, against what must hold after each step.

use std::collections::{BTreeMap, HashMap, HashSet};

use durable_sessions_protocol::limits::WAKE_OFFER_MS;
use proptest::prelude::*;

use super::super::lane::Lane;
use super::*;

const AGENTS: [&str; 2] = ["assistant", "critic"];
const PRODUCERS: [&str; 2] = ["p", "q"];
const SESSIONS: usize = 4;
const INPUTS: usize = 6;
const RUNS: usize = 3;
const CONNECTIONS: u64 = 5;
const OFFER: Duration = Duration::from_millis(WAKE_OFFER_MS);

#[derive(Debug, Clone)]
enum Step {
    /// A session tells what waits for which agent, who works on how much, and which runs of which
    /// producers nobody holds.
    Report {
        session: usize,
        inputs: BTreeMap<usize, usize>,
        claims: Vec<(usize, u64)>,
        runs: BTreeMap<usize, usize>,
    },
    Serve {
        connection: u64,
        agent: usize,
        slots: u32,
        pattern: Option<usize>,
        producer: Option<usize>,
    },
    Park {
        agent: usize,
        pattern: Option<usize>,
    },
    /// A worker reads what it was offered: one of the connections, or a parked request.
    Read(usize),
    /// One of them is gone.
    Disconnect(usize),
    Pass(Duration),
    Forget,
}

fn step() -> impl Strategy<Value = Step> {
    let agent = || 0..AGENTS.len();
    let pattern = || prop::option::of(0..SESSIONS);
    let producer = || 0..PRODUCERS.len();
    let report = (
        0..SESSIONS,
        prop::collection::btree_map(0..INPUTS, agent(), 0..INPUTS),
        prop::collection::vec((agent(), 1..=CONNECTIONS), 0..3),
        prop::collection::btree_map(0..RUNS, producer(), 0..RUNS),
    );
    let serve = (1..=CONNECTIONS, agent(), 0..4_u32, pattern(), prop::option::of(producer()));
    let pass = prop_oneof![Just(OFFER), (1..WAKE_OFFER_MS).prop_map(Duration::from_millis)];
    prop_oneof![
        6 => report.prop_map(|(session, inputs, claims, runs)| {
            Step::Report { session, inputs, claims, runs }
        }),
        4 => serve.prop_map(|(connection, agent, slots, pattern, producer)| {
            Step::Serve { connection, agent, slots, pattern, producer }
        }),
        2 => (agent(), pattern()).prop_map(|(agent, pattern)| Step::Park { agent, pattern }),
        3 => any::<usize>().prop_map(Step::Read),
        2 => any::<usize>().prop_map(Step::Disconnect),
        3 => pass.prop_map(Step::Pass),
        1 => Just(Step::Forget),
    ]
}

fn report(
    session: usize,
    inputs: &BTreeMap<usize, usize>,
    claims: &[(usize, u64)],
    runs: &BTreeMap<usize, usize>,
) -> Report {
    let offers = inputs.iter().map(|(&input, &agent)| Offer {
        agent: id(AGENTS[agent]),
        input: id(&format!("s{session}-m{input}")),
        attempt: 1,
        offset: Offset::new(input as u64 + 1).unwrap(),
    });
    let claims =
        claims.iter().map(|&(agent, connection)| Claim { agent: id(AGENTS[agent]), connection });
    let orphans = runs.iter().map(|(&run, &producer)| Orphan {
        principal: principal("worker"),
        producer: id(PRODUCERS[producer]),
        agent: id(AGENTS[0]),
        run: id(&format!("s{session}-r{run}-{producer}")),
        input: id("m"),
        attempt: 1,
    });
    Report { offers: offers.collect(), claims: claims.collect(), orphans: orphans.collect() }
}

fn service(agent: usize, slots: u32, pattern: Option<usize>, producer: Option<usize>) -> Service {
    let pattern = pattern.map(|session| format!("s{session}"));
    let producer = producer.map(|producer| (principal("worker"), id(PRODUCERS[producer])));
    Service { agent: id(AGENTS[agent]), producer, ..super::service(slots, pattern.as_deref()) }
}

/// The table, and what the sessions and the workers know of it.
struct World {
    table: Table,
    now: Instant,
    reports: HashMap<SessionId, Report>,
    /// Who serves what, and where it is told of offers; a parked request until it was told.
    services: BTreeMap<(u64, Id), Service>,
    queues: BTreeMap<u64, (WakeSender, Wakes)>,
    last_number: u64,
    /// Offers that were read and stand.
    heard: Vec<Standing>,
    /// When offers were made, by number.
    made: HashMap<u64, Instant>,
}

#[derive(Debug, Clone)]
struct Standing {
    connection: u64,
    number: u64,
    wake: Wake,
}

impl World {
    fn new() -> Self {
        Self {
            table: Table::default(),
            now: Instant::now(),
            reports: HashMap::new(),
            services: BTreeMap::new(),
            queues: (1..=CONNECTIONS).map(|number| (number, wake_queue())).collect(),
            last_number: CONNECTIONS,
            heard: Vec::new(),
            made: HashMap::new(),
        }
    }

    fn take(&mut self, step: &Step) {
        match *step {
            Step::Report { session: number, ref inputs, ref claims, ref runs } => {
                let session = session(&format!("s{number}"));
                let report = report(number, inputs, claims, runs);
                self.reports.insert(session.clone(), report.clone());
                self.table.report(&session, report, self.now);
                let is_wanted = |standing: &Standing| self.lane(&standing.wake).is_some();
                let heard = self.heard.iter().filter(|standing| is_wanted(standing)).cloned();
                self.heard = heard.collect();
            }
            Step::Serve { connection, agent, slots, pattern, producer } => {
                let service = service(agent, slots, pattern, producer);
                self.services.insert((connection, service.agent.clone()), service.clone());
                self.table.serve(connection, service, &self.queues[&connection].0, self.now);
            }
            Step::Park { agent, pattern } => {
                self.last_number += 1;
                let (number, service) = (self.last_number, service(agent, 1, pattern, None));
                self.services.insert((number, service.agent.clone()), service.clone());
                self.queues.insert(number, wake_queue());
                self.table.park(number, service, &self.queues[&number].0, self.now);
            }
            Step::Read(who) => self.read(self.somebody(who)),
            Step::Disconnect(who) => {
                let who = self.somebody(who);
                self.table.disconnect(who, self.now);
                self.heard.retain(|standing| standing.connection != who);
                self.services.retain(|(connection, _), _| *connection != who);
                if who > CONNECTIONS {
                    let (_, wakes) = self.queues.remove(&who).unwrap();
                    assert!(wakes.unheard().is_empty(), "nobody is there to hear it");
                }
            }
            Step::Pass(time) => {
                self.now += time;
                self.table.expire(self.now);
                let (made, now) = (&self.made, self.now);
                self.heard.retain(|standing| now - made[&standing.number] < OFFER);
            }
            Step::Forget => {
                self.table.forget_sessions();
                self.reports.clear();
                self.heard.clear();
            }
        }
    }

    fn somebody(&self, who: usize) -> u64 {
        *self.queues.keys().nth(who % self.queues.len()).unwrap()
    }

    fn read(&mut self, connection: u64) {
        let (_, wakes) = self.queues.get_mut(&connection).unwrap();
        for (number, wake) in wakes.unheard() {
            assert_eq!(wakes.take(), Some(wake.clone()));
            if connection > CONNECTIONS {
                // It is told one thing, and wants no more.
                self.services.remove(&(connection, wake.agent.clone())).unwrap();
            }
            self.heard.push(Standing { connection, number, wake });
        }
    }

    /// The lane of work that is to be done; `None` when it is not.
    fn lane(&self, wake: &Wake) -> Option<Lane> {
        let report = self.reports.get(&wake.session)?.clone();
        let mut work = report.into_work(&wake.session);
        work.find_map(|(lane, work)| (work == *wake).then_some(lane))
    }

    fn check(&mut self) {
        let unheard = self.queues.iter().flat_map(|(&connection, (_, wakes))| {
            let wakes = wakes.unheard().into_iter();
            wakes.map(move |(number, wake)| Standing { connection, number, wake })
        });
        let standing: Vec<Standing> = unheard.chain(self.heard.iter().cloned()).collect();
        let mut offered = HashSet::new();
        for offer in &standing {
            assert!(offered.insert(offer.wake.clone()), "offered to two at once: {offer:?}");
            let lane = self.lane(&offer.wake);
            assert!(lane.is_some(), "not to be done: {offer:?}");
            let is_new = !self.made.contains_key(&offer.number);
            let made = *self.made.entry(offer.number).or_insert(self.now);
            assert!(self.now - made < OFFER, "its time is over: {offer:?}");
            if is_new {
                let service = &self.services[&(offer.connection, offer.wake.agent.clone())];
                assert!(takes(service, &lane.unwrap(), &offer.wake), "{offer:?} of {service:?}");
                let used = self.used(&standing, offer.connection, &offer.wake.agent);
                assert!(used <= service.slots as usize, "{used} of {service:?}");
            }
        }
        for (session, report) in &self.reports {
            for (lane, wake) in report.clone().into_work(session) {
                if offered.contains(&wake) {
                    continue;
                }
                for ((connection, agent), service) in &self.services {
                    let is_free = self.used(&standing, *connection, agent) < service.slots as usize;
                    let fits = service.agent == lane.agent && takes(service, &lane, &wake);
                    assert!(!(is_free && fits), "{wake:?} waits, {connection} is free");
                }
            }
        }
    }

    /// What takes slots of a connection.
    fn used(&self, standing: &[Standing], connection: u64, agent: &Id) -> usize {
        let offers = standing
            .iter()
            .filter(|offer| offer.connection == connection && offer.wake.agent == *agent);
        let runs = self.reports.values().flat_map(|report| &report.claims);
        let runs = runs.filter(|run| run.connection == connection && run.agent == *agent);
        offers.count() + runs.count()
    }
}

fn takes(service: &Service, lane: &Lane, wake: &Wake) -> bool {
    service.sessions.match_session(&wake.session)
        && (lane.producer.is_none() || lane.producer == service.producer)
}

proptest! {
    #[test]
    fn offers_keep_to_slots_sessions_and_time_and_nothing_waits_for_a_free_worker(
        steps in prop::collection::vec(step(), 1..60)
    ) {
        let mut world = World::new();
        for step in &steps {
            world.take(step);
            world.check();
        }
    }

    #[test]
    fn all_that_waits_is_offered_in_time_though_workers_let_everything_pass(
        sessions in prop::collection::vec(1..12_usize, 1..6),
        slots in prop::collection::vec(1..4_u32, 1..4),
    ) {
        let mut table = Table::default();
        let mut now = Instant::now();
        for (number, &count) in sessions.iter().enumerate() {
            let inputs = (0..count).map(|input| (input, 0)).collect();
            let report = report(number, &inputs, &[], &BTreeMap::new());
            table.report(&session(&format!("s{number}")), report, now);
        }
        let mut queues = Vec::new();
        for (number, &slots) in slots.iter().enumerate() {
            let (sender, wakes) = wake_queue();
            table.serve(number as u64, service(0, slots, None, None), &sender, now);
            queues.push(wakes);
        }
        let mut offered = HashSet::new();
        // Each session has its turn before another has a second one.
        for _ in 0..sessions.len() * sessions.iter().max().unwrap() {
            for wakes in &mut queues {
                offered.extend(std::iter::from_fn(|| wakes.take()));
            }
            now += OFFER;
            table.expire(now);
        }
        prop_assert_eq!(offered.len(), sessions.iter().sum::<usize>());
    }
}
