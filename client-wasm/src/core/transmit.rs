//! What is to be sent, on the socket or to the leader.

use durable_sessions_protocol::fold::Node;
use durable_sessions_protocol::id::Id;
use durable_sessions_protocol::limits::RUNS_MAX_NAMED;

use super::frames::{Frame, strings};
use super::limits::{LEASE_PING_MS, RELAY_TIMEOUT_MS};
use super::output::{Cargo, Output};
use super::session::Sending;
use super::tabs::Link;
use super::{Asked, Client, Pending};

impl<N: Node + Clone> Client<N> {
    /// Sends what may be sent.
    pub(super) fn transmit(&mut self, now: u64) {
        let Some(link) = self.link() else { return };
        let is_idle = self.pending.is_empty();
        let Self { sessions, tabs, requests, pending, outputs, .. } = self;
        for session in sessions {
            let id = session.id.clone();
            let others = &session.others;
            let readers = match link {
                Link::Socket(_) => {
                    Some(tabs.count(session.is_followed(), |tab| others.has(tab)).max(1))
                }
                Link::Leader { .. } => None,
            };
            session.transmit(now, requests, readers, |sending, request, mut frame| {
                if sending != Sending::Seen {
                    let asked = Asked::Here(sending, id.clone());
                    pending.push(Pending { request, asked });
                }
                outputs.push_back(match link {
                    Link::Socket(socket) if sending == Sending::Seen => {
                        Output::Transmit { socket, text: frame.end() }
                    }
                    Link::Socket(socket) => {
                        Output::Transmit { socket, text: frame.number("request", request).end() }
                    }
                    Link::Leader { .. } if sending == Sending::Attach => {
                        let head = tabs.address(frame).number("request", request).end();
                        Output::Post { head, cargo: Cargo::None }
                    }
                    Link::Leader { .. } => {
                        let head = tabs.message("up").number("request", request).end();
                        Output::Post { head, cargo: Cargo::Text(frame.open()) }
                    }
                });
            });
        }
        if is_idle && !self.pending.is_empty() {
            self.relay_due = now.saturating_add(RELAY_TIMEOUT_MS);
        }
        let Link::Socket(socket) = link else { return };
        if now >= self.lease_ping_at {
            let runs = strings(self.open_runs().take(RUNS_MAX_NAMED).map(Id::as_str));
            if !runs.is_empty() {
                self.lease_ping_at = now.saturating_add(LEASE_PING_MS);
                let text = Frame::new("ping").raw("runs", "[", &runs, "]").end();
                self.outputs.push_back(Output::Transmit { socket, text });
            }
        }
    }

    /// The runs whose leases this connection keeps.
    pub(super) fn open_runs(&self) -> impl Iterator<Item = &Id> {
        self.sessions.iter().filter_map(|session| session.writer.as_ref()).flat_map(|w| w.runs())
    }
}
