//! Whether anybody is still there.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use crate::config::Clocks;

/// When the client was heard last; written by one half of a connection, read by the other.
#[derive(Debug)]
pub(super) struct LastReceived {
    start: Instant,
    after_ns: AtomicU64,
}

impl LastReceived {
    pub(super) fn now() -> Self {
        Self { start: Instant::now(), after_ns: AtomicU64::new(0) }
    }

    /// Something came.
    pub(super) fn mark(&self) {
        // Fine enough that a pong never seems to come before its ping.
        let ns = u64::try_from(self.start.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.after_ns.store(ns, Ordering::Relaxed);
    }

    fn time(&self) -> Instant {
        self.start + Duration::from_nanos(self.after_ns.load(Ordering::Relaxed))
    }
}

/// What a tick of the clock calls for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Tick {
    /// Nothing yet.
    Wait,
    /// Send a `ping`.
    Ping,
    /// The client is gone.
    Dead,
}

/// The server pings when either direction was silent for the heartbeat: so the client always has
/// something to hear, and the server something to expect.
#[derive(Debug)]
pub(super) struct Liveness {
    heartbeat: Duration,
    grace: Duration,
    last_sent: Instant,
    /// When the ping was sent that nothing came after yet.
    asked: Option<Instant>,
}

impl Liveness {
    pub(super) fn new(clocks: &Clocks) -> Self {
        Self {
            heartbeat: Duration::from_millis(clocks.heartbeat_ms),
            grace: Duration::from_millis(clocks.heartbeat_grace_ms),
            last_sent: Instant::now(),
            asked: None,
        }
    }

    /// The socket took everything.
    pub(super) fn sent(&mut self) {
        self.last_sent = Instant::now();
    }

    /// When to look at the clock again.
    pub(super) fn wake(&self, received: &LastReceived) -> Instant {
        // An answer brings the deadline forward without waking anybody.
        self.deadline(received).min(Instant::now() + self.heartbeat)
    }

    /// When something is due if nothing else is sent or received.
    fn deadline(&self, received: &LastReceived) -> Instant {
        match self.asked {
            Some(asked) if received.time() <= asked => asked + self.grace,
            Some(_) | None => self.last_sent.min(received.time()) + self.heartbeat,
        }
    }

    /// Looks at the clock.
    pub(super) fn tick(&mut self, received: &LastReceived) -> Tick {
        let now = Instant::now();
        if now < self.deadline(received) {
            return Tick::Wait;
        }
        if self.asked.is_some_and(|asked| received.time() <= asked) {
            return Tick::Dead;
        }
        self.asked = Some(now);
        // Queued counts as sent: a socket that takes nothing is judged by what comes back.
        self.last_sent = now;
        Tick::Ping
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    const CLOCKS: Clocks =
        Clocks { hello_timeout_ms: 5_000, heartbeat_ms: 15_000, heartbeat_grace_ms: 10_000 };

    async fn pass(ms: u64) {
        advance(Duration::from_millis(ms)).await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_client_is_pinged_and_then_given_up() {
        let (mut liveness, received) = (Liveness::new(&CLOCKS), LastReceived::now());
        pass(14_999).await;
        assert_eq!(liveness.tick(&received), Tick::Wait);
        pass(1).await;
        assert_eq!(liveness.tick(&received), Tick::Ping);
        pass(9_999).await;
        assert_eq!(liveness.tick(&received), Tick::Wait);
        pass(1).await;
        assert_eq!(liveness.tick(&received), Tick::Dead);
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_answers_stays() {
        let (mut liveness, received) = (Liveness::new(&CLOCKS), LastReceived::now());
        for _ in 0..10 {
            pass(15_000).await;
            assert_eq!(liveness.tick(&received), Tick::Ping);
            advance(Duration::from_micros(30)).await;
            received.mark();
        }
    }

    #[tokio::test(start_paused = true)]
    async fn one_silent_direction_is_enough_for_a_ping() {
        let (mut liveness, received) = (Liveness::new(&CLOCKS), LastReceived::now());
        for _ in 0..3 {
            pass(5_000).await;
            liveness.sent();
        }
        assert_eq!(liveness.tick(&received), Tick::Ping, "the client is silent");

        let (mut liveness, received) = (Liveness::new(&CLOCKS), LastReceived::now());
        for _ in 0..3 {
            pass(5_000).await;
            received.mark();
        }
        assert_eq!(liveness.tick(&received), Tick::Ping, "the server is silent");
    }
}
