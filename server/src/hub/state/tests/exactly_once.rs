//! One writer that resends, over connections that overlap, against a server that is killed and
//! forgets what it had not synced: each publish is in the log once, in order, and the writer never
//! fences itself nor loses its run.

use std::collections::VecDeque;

use durable_sessions_protocol::error::ErrorCode;
use durable_sessions_protocol::event::Draft;
use durable_sessions_protocol::frame::{ProducerClaim, ProducerGrant, ProducerSeq};
use durable_sessions_protocol::offset::Offset;
use proptest::prelude::*;

use super::super::{Connection, Publish, Writer};
use super::{Bench, id, writer};

const PUBLISHES: u64 = 12;
const WINDOW: u64 = 4;

#[derive(Debug, Clone)]
enum Request {
    Attach { epoch: Option<u64>, runs: Vec<String> },
    Publish { epoch: u64, seq: u64 },
}

#[derive(Debug)]
enum Answer {
    Granted(Result<ProducerGrant, ErrorCode>),
    Published(u64, Result<Offset, ErrorCode>),
}

/// A socket: what the client wrote to it and the server has not read yet.
#[derive(Debug)]
struct Socket {
    number: u64,
    requests: VecDeque<Request>,
}

#[derive(Debug)]
struct World {
    bench: Bench,
    sockets: Vec<Socket>,
    /// Decided, and waiting for the sync.
    answers: Vec<(u64, Answer)>,
    next_socket: u64,
    client: Client,
}

#[derive(Debug, Default)]
struct Client {
    socket: u64,
    epoch: Option<u64>,
    attached: bool,
    next: u64,
    /// Publishes it has ever sent.
    begun: u64,
    acknowledged: Vec<Option<Offset>>,
}

/// The run starts, writes, and ends; then the next one.
fn event(seq: u64) -> String {
    let run = seq / 4;
    match seq % 4 {
        0 => format!(r#"{{"kind":"run.started","run":"r{run}","agent":"assistant"}}"#),
        3 => format!(r#"{{"kind":"run.ended","run":"r{run}","outcome":"completed"}}"#),
        _ => format!(r#"{{"kind":"delta","run":"r{run}","message":"m{run}","text":"{seq}"}}"#),
    }
}

impl World {
    fn new() -> Self {
        let client = Client {
            acknowledged: vec![None; usize::try_from(PUBLISHES).unwrap()],
            ..Client::default()
        };
        Self {
            bench: Bench::new(),
            sockets: Vec::new(),
            answers: Vec::new(),
            next_socket: 1,
            client,
        }
    }

    /// The client gives its socket up, whatever the server thinks of it, and opens another.
    fn connect(&mut self) {
        let number = self.next_socket;
        self.next_socket += 1;
        let client = &mut self.client;
        client.socket = number;
        client.attached = false;
        // The runs it has begun, acknowledged or not, whose end it has not seen acknowledged.
        let runs = (0..client.begun.div_ceil(4))
            .filter(|run| client.acknowledged.get((run * 4 + 3) as usize) == Some(&None))
            .map(|run| format!("r{run}"))
            .collect();
        let attach = Request::Attach { epoch: client.epoch, runs };
        self.sockets.push(Socket { number, requests: VecDeque::from([attach]) });
    }

    fn send_more(&mut self) {
        let client = &mut self.client;
        let (Some(epoch), true) = (client.epoch, client.attached) else { return };
        let oldest = client.acknowledged.iter().position(Option::is_none);
        let Some(oldest) = oldest.map(|seq| seq as u64) else { return };
        let Some(socket) = self.sockets.iter_mut().find(|s| s.number == client.socket) else {
            return;
        };
        while client.next < PUBLISHES && client.next < oldest + WINDOW {
            socket.requests.push_back(Request::Publish { epoch, seq: client.next });
            client.next += 1;
            client.begun = client.begun.max(client.next);
        }
    }

    /// The server reads one request of some socket.
    fn deliver(&mut self, nth: usize) {
        let with_requests: Vec<usize> =
            (0..self.sockets.len()).filter(|&i| !self.sockets[i].requests.is_empty()).collect();
        if with_requests.is_empty() {
            return;
        }
        let socket = &mut self.sockets[with_requests[nth % with_requests.len()]];
        let number = socket.number;
        let request = socket.requests.pop_front().unwrap();
        let from = writer("agent/a", Some(number));
        let answer = match request {
            Request::Attach { epoch, runs } => {
                let runs = runs.iter().map(|run| id(run)).collect();
                let claim = ProducerClaim { id: id("p"), epoch, runs };
                let result = self.bench.state.claim(&from, &claim, self.bench.now);
                Answer::Granted(result.map_err(|problem| problem.code))
            }
            Request::Publish { epoch, seq } => {
                Answer::Published(seq, self.publish(from, epoch, seq))
            }
        };
        self.answers.push((number, answer));
    }

    fn publish(&mut self, from: Writer, epoch: u64, seq: u64) -> Result<Offset, ErrorCode> {
        let publish = Publish {
            writer: from,
            log: None,
            producer: Some(ProducerSeq { id: id("p"), epoch, seq }),
            declare_epoch: false,
            drafts: Ok(vec![Draft::parse(&event(seq)).unwrap()]),
        };
        let result = self.bench.state.publish(publish, self.bench.now);
        result.map(|published| published.first).map_err(|refusal| refusal.problem.code)
    }

    /// The disk has what was admitted; the answers go out, to sockets the client still reads.
    fn sync(&mut self) {
        self.bench.sync();
        for (socket, answer) in std::mem::take(&mut self.answers) {
            let client = &mut self.client;
            if socket != client.socket {
                continue;
            }
            match answer {
                Answer::Granted(grant) => {
                    let grant = grant.expect("the client's newest socket is never fenced");
                    client.epoch = Some(grant.epoch);
                    client.attached = true;
                    // Resend from the oldest that has no answer, under the same numbers.
                    client.next =
                        client.acknowledged.iter().take_while(|ack| ack.is_some()).count() as u64;
                    assert!(grant.seq >= client.next, "an acknowledged publish is gone");
                }
                Answer::Published(seq, offset) => {
                    let offset = offset.expect("a publish of the only writer is not refused");
                    let known = &mut client.acknowledged[seq as usize];
                    assert!(known.is_none_or(|known| known == offset));
                    *known = Some(offset);
                }
            }
        }
    }

    fn kill(&mut self) {
        self.answers.clear();
        self.sockets.clear();
        self.bench.kill();
        self.connect();
    }

    /// The server notices that an old socket is gone.
    fn close_old(&mut self, nth: usize) {
        let current = self.client.socket;
        let old: Vec<u64> =
            self.sockets.iter().map(|s| s.number).filter(|&number| number != current).collect();
        if old.is_empty() {
            return;
        }
        let number = old[nth % old.len()];
        self.sockets.retain(|socket| socket.number != number);
        let gone = Connection { number, client: Some(id("client")) };
        self.bench.state.leave(&gone, self.bench.now);
    }

    fn settle(&mut self) {
        self.connect();
        for _ in 0..200 {
            self.send_more();
            self.deliver(0);
            self.sync();
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 4_000,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]
    // DS-4.1, DS-4.4, DS-4.9
    #[test]
    fn each_acknowledged_publish_is_in_the_log_once(
        steps in prop::collection::vec((0..16_u8, 0..4_usize), 0..120)
    ) {
        let mut world = World::new();
        world.connect();
        for (step, nth) in steps {
            match step {
                0 => world.connect(),
                1 => world.kill(),
                2 => world.close_old(nth),
                3..=5 => world.sync(),
                6..=9 => world.send_more(),
                _ => world.deliver(nth),
            }
            world.bench.now += 10;
            world.bench.state.tick(world.bench.now);
        }
        world.settle();
        let wanted: Vec<String> =
            (0..PUBLISHES).map(|seq| Draft::parse(&event(seq)).unwrap().event.to_json()).collect();
        prop_assert_eq!(world.bench.log(), wanted);
        let events = world.bench.events();
        for (index, event) in events.iter().enumerate() {
            prop_assert_eq!(event.offset.as_u64(), index as u64 + 1);
            prop_assert_eq!(world.client.acknowledged[index], Some(event.offset));
        }
    }
}
