//! Offers to work on agents' input, and the slots that bound the work.

use durable_sessions_protocol::id::{Id, SessionId};
use durable_sessions_protocol::limits::WAKE_OFFER_MS;

use super::frames::{Frame, strings};
use super::session::Requests;

/// All offers of this client.
#[derive(Debug, Default)]
pub(super) struct Serve {
    offers: Vec<Offer>,
    /// Runs that a worker was told of and has not taken over yet.
    left: Vec<Left>,
}

#[derive(Debug)]
struct Left {
    session: SessionId,
    input: Id,
    producer: Id,
    run: Id,
}

#[derive(Debug)]
struct Offer {
    agent: Id,
    sessions: Vec<String>,
    slots: u32,
    producer: Option<Id>,
    /// The last `serve` that said so.
    request: u64,
    busy: Vec<Busy>,
    /// Wakes that came before a slot was free, or while their input was in hand: the server may
    /// know of a run's end earlier than this side knows of its ack. At most as many as slots.
    waiting: Vec<Waiting>,
}

/// An input in hand.
#[derive(Debug)]
struct Busy {
    session: SessionId,
    input: Id,
    attempt: u32,
}

#[derive(Debug)]
struct Waiting {
    wake: Wake,
    /// The server offers the input elsewhere after this time.
    until: u64,
}

/// An input to work on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wake {
    pub(super) agent: Id,
    pub(super) session: SessionId,
    pub(super) input: Id,
    pub(super) attempt: u32,
    /// A run that works on it and has lost its process.
    pub(super) run: Option<Id>,
}

impl Wake {
    /// Whether two are about one input.
    fn is_about(&self, other: &Self) -> bool {
        self.session == other.session && self.input == other.input
    }
}

impl Serve {
    /// Makes, changes or withdraws an offer.
    pub(super) fn offer(
        &mut self,
        agent: Id,
        sessions: Vec<String>,
        slots: u32,
        producer: Option<Id>,
    ) {
        match self.offers.iter_mut().find(|offer| offer.agent == agent) {
            Some(offer) => {
                offer.sessions = sessions;
                offer.slots = slots;
                offer.producer = producer;
            }
            None => self.offers.push(Offer {
                agent,
                sessions,
                slots,
                producer,
                request: 0,
                busy: Vec::new(),
                waiting: Vec::new(),
            }),
        }
    }

    /// Whether an earlier process may have left runs of this producer.
    pub(super) fn is_fixed(&self, producer: &Id) -> bool {
        self.offers.iter().any(|offer| offer.producer.as_ref() == Some(producer))
    }

    /// The `serve` frames of a new connection, or of one agent; each with its agent and request.
    pub(super) fn frames(
        &mut self,
        agent: Option<&Id>,
        requests: &mut Requests,
    ) -> Vec<(Id, u64, String)> {
        self.offers
            .iter_mut()
            .filter(|offer| agent.is_none_or(|agent| offer.agent == *agent))
            .map(|offer| {
                offer.request = requests.next();
                (offer.agent.clone(), offer.request, offer.frame())
            })
            .collect()
    }

    /// The server will not have an offer, which is withdrawn. `false`: it was withdrawn before, or
    /// another has taken its place.
    pub(super) fn refused(&mut self, agent: &Id, request: u64) -> bool {
        let offer = self.offers.iter_mut().find(|offer| offer.agent == *agent);
        let Some(offer) = offer.filter(|offer| offer.request == request && offer.slots > 0) else {
            return false;
        };
        offer.sessions.clear();
        offer.waiting.clear();
        offer.slots = 0;
        true
    }

    /// An input is offered. Says whether to work on it now.
    pub(super) fn wake(&mut self, wake: Wake, now: u64) -> Option<Wake> {
        let offer = self.offers.iter_mut().find(|offer| offer.agent == wake.agent)?;
        let in_hand = offer.in_hand(&wake).map(|busy| busy.attempt);
        // A later attempt says that the run in hand was lost, which this side learns, too.
        if in_hand.is_some_and(|attempt| wake.attempt <= attempt) {
            return None;
        }
        offer.waiting.retain(|waiting| !waiting.wake.is_about(&wake) && now < waiting.until);
        let slots = usize::try_from(offer.slots).unwrap_or(usize::MAX);
        if in_hand.is_none() && offer.busy.len() < slots {
            let (session, input) = (wake.session.clone(), wake.input.clone());
            if let (Some(run), Some(producer)) = (wake.run.clone(), offer.producer.clone()) {
                let (session, input) = (session.clone(), input.clone());
                self.left.push(Left { session, input, producer, run });
            }
            offer.busy.push(Busy { session, input, attempt: wake.attempt });
            return Some(wake);
        }
        if offer.waiting.len() < slots {
            let until = now.saturating_add(WAKE_OFFER_MS);
            offer.waiting.push(Waiting { wake, until });
        }
        None
    }

    /// A slot is free. Says what to work on in it.
    pub(super) fn done(
        &mut self,
        agent: &Id,
        session: &SessionId,
        input: &Id,
        now: u64,
    ) -> Option<Wake> {
        let offer = self.offers.iter_mut().find(|offer| offer.agent == *agent)?;
        offer.busy.retain(|busy| busy.session != *session || busy.input != *input);
        offer.waiting.retain(|waiting| now < waiting.until);
        let next =
            offer.waiting.iter().position(|waiting| offer.in_hand(&waiting.wake).is_none())?;
        let waiting = offer.waiting.remove(next);
        self.wake(waiting.wake, now)
    }

    /// The runs of a session that are to be taken over as a producer.
    pub(super) fn left(&self, session: &SessionId, producer: &Id) -> Vec<Id> {
        let is_its = |left: &&Left| left.session == *session && left.producer == *producer;
        self.left.iter().filter(is_its).map(|left| left.run.clone()).collect()
    }

    /// The run that a wake is about, and its producer.
    pub(super) fn left_by(&self, wake: &Wake) -> Option<(Id, Id)> {
        let run = wake.run.as_ref()?;
        let left = self.left.iter().find(|left| left.run == *run)?;
        Some((left.producer.clone(), left.run.clone()))
    }

    /// A run is taken over.
    pub(super) fn taken(&mut self, run: &Id) {
        self.left.retain(|left| left.run != *run);
    }

    /// The work on an input is over. Answers the run of it that nobody has taken over.
    pub(super) fn given_up(&mut self, session: &SessionId, input: &Id) -> Option<Id> {
        let is_it = |left: &Left| left.session == *session && left.input == *input;
        let index = self.left.iter().position(is_it)?;
        Some(self.left.remove(index).run)
    }

    /// The connection is gone, and its offers with it.
    pub(super) fn cut(&mut self) {
        for offer in &mut self.offers {
            offer.waiting.clear();
        }
    }
}

impl Offer {
    /// The work on the input of a wake, if there is any.
    fn in_hand(&self, wake: &Wake) -> Option<&Busy> {
        self.busy.iter().find(|busy| busy.session == wake.session && busy.input == wake.input)
    }

    fn frame(&self) -> String {
        let mut frame = Frame::new("serve");
        frame
            .number("request", self.request)
            .text("agent", self.agent.as_str())
            .number("slots", u64::from(self.slots));
        if let Some(producer) = &self.producer {
            frame.text("producer", producer.as_str());
        }
        if self.sessions.is_empty() {
            return frame.end();
        }
        let sessions = strings(self.sessions.iter().map(String::as_str));
        frame.raw("sessions", "[", &sessions, "]").end()
    }
}

#[cfg(test)]
#[cfg(not(target_arch = "wasm32"))]
mod tests {
    use super::*;

    fn id(text: &str) -> Id {
        Id::parse(text).unwrap()
    }

    fn wake(input: &str) -> Wake {
        Wake {
            agent: id("bot"),
            session: SessionId::parse("s").unwrap(),
            input: id(input),
            attempt: 1,
            run: None,
        }
    }

    #[test]
    fn a_wake_that_finds_no_slot_is_worked_on_when_one_is_free() {
        let session = SessionId::parse("s").unwrap();
        let mut serve = Serve::default();
        serve.offer(id("bot"), Vec::new(), 1, None);
        assert_eq!(serve.wake(wake("a"), 0), Some(wake("a")));
        assert_eq!(serve.wake(wake("a"), 1), None);
        assert_eq!(serve.wake(wake("b"), 2), None);
        assert_eq!(serve.done(&id("bot"), &session, &id("a"), 3), Some(wake("b")));
        assert_eq!(serve.wake(wake("c"), 4), None);
        assert_eq!(serve.done(&id("bot"), &session, &id("b"), 4 + WAKE_OFFER_MS), None);
    }

    #[test]
    fn inputs_of_one_name_in_two_sessions_both_wait() {
        let (first, second) =
            (wake("a"), Wake { session: SessionId::parse("t").unwrap(), ..wake("a") });
        let mut serve = Serve::default();
        serve.offer(id("bot"), Vec::new(), 2, None);
        for input in ["x", "y"] {
            assert!(serve.wake(wake(input), 0).is_some());
        }
        assert_eq!((serve.wake(first.clone(), 1), serve.wake(second.clone(), 1)), (None, None));
        assert_eq!(serve.done(&id("bot"), &first.session, &id("x"), 2), Some(first.clone()));
        assert_eq!(serve.done(&id("bot"), &first.session, &id("y"), 2), Some(second));
    }

    #[test]
    fn an_input_whose_run_was_lost_is_worked_on_again_when_that_run_is_out_of_hand() {
        let session = SessionId::parse("s").unwrap();
        let mut serve = Serve::default();
        serve.offer(id("bot"), Vec::new(), 2, None);
        let again = Wake { attempt: 2, ..wake("a") };
        assert_eq!(serve.wake(wake("a"), 0), Some(wake("a")));
        assert_eq!(serve.wake(again.clone(), 1), None);
        assert_eq!(serve.wake(wake("b"), 2), Some(wake("b")));
        // It takes no slot from others meanwhile.
        assert_eq!(serve.wake(wake("c"), 3), None);
        assert_eq!(serve.done(&id("bot"), &session, &id("b"), 4), Some(wake("c")));
        assert_eq!(serve.done(&id("bot"), &session, &id("a"), 5), Some(again.clone()));
        assert_eq!(serve.wake(again, 6), None, "it is in hand");
    }
}
