//! What the server says, by its frames.

use durable_sessions_protocol::fold::Node;
use durable_sessions_protocol::limits::HEARTBEAT_MS;

use super::frames::{Frame, problem};
use super::limits::RELAY_TIMEOUT_MS;
use super::output::Output;
use super::read::Read;
use super::session::Sending;
use super::{Asked, Client, find, forget_done};

impl<N: Node + Clone> Client<N> {
    pub(super) fn frame(&mut self, now: u64, socket: u32, frame: &N, bytes: usize) {
        let Some(frame_type) = frame.text("type") else { return };
        let is_live = self.connection.live_socket().is_some();
        match frame_type.as_str() {
            "events" | "attached" | "reset" | "detached" | "presence" if is_live => {
                // A missing step means that the frame does not say what it should.
                if self.tabs.leads() && frame_type != "attached" {
                    let _: Option<()> = self.pass_on(&frame_type, frame);
                }
                self.session_frame(now, &frame_type, frame, bytes);
                if self.tabs.leads() && matches!(frame_type.as_str(), "attached" | "reset") {
                    let _: Option<()> =
                        frame.text("session").and_then(|id| self.answer_attaches(&id));
                }
            }
            "ack" | "refused" | "page" if is_live => {
                if let Some(request) = frame.number("request") {
                    self.answer(now, request, &frame_type, frame);
                }
            }
            #[cfg(any(not(target_arch = "wasm32"), feature = "agent"))]
            "wake" if is_live => self.wake(now, frame),
            "ping" => {
                let request = frame.number("request");
                let text = Frame::new("pong").optional_number("request", request).end();
                self.outputs.push_back(Output::Transmit { socket, text });
            }
            "welcome" => self.welcome(now, frame),
            "draining" => {
                self.connection.draining(now, frame.number("retry_after_ms").unwrap_or(0));
            }
            "error" => self.connection.warned(problem(frame.field("error").as_ref())),
            _ => {}
        }
    }

    fn welcome(&mut self, now: u64, frame: &N) {
        let limits = frame.field("limits");
        let event_max = limits.and_then(|limits| limits.number("event_max_bytes"));
        if let Some(bytes) = event_max.and_then(|bytes| usize::try_from(bytes).ok()) {
            self.taking.event_max_bytes = bytes;
        }
        self.connection.welcomed(now, frame.number("heartbeat_ms").unwrap_or(HEARTBEAT_MS));
    }

    pub(super) fn session_frame(&mut self, now: u64, frame_type: &str, frame: &N, bytes: usize) {
        let Some(id) = frame.text("session") else { return };
        if frame_type == "presence" {
            return self.presence(&id, frame);
        }
        let found = find(&mut self.sessions, &id);
        let Some(session) = found else { return };
        let out = &mut self.outputs;
        let mut reports = Vec::new();
        // A missing step means that the frame does not say what it should; it is ignored.
        let _: Option<()> = match frame_type {
            "events" => session.events(frame, bytes, &mut reports, out),
            "reset" => session.reset(frame, &mut reports, out),
            "attached" => {
                self.lease_ping_at = now;
                session.attached(frame, &mut reports, out)
            }
            _ => {
                session.detached(frame, now, self.connection.random(), out);
                None
            }
        };
        session.report(reports, out);
        forget_done(&mut self.sessions);
    }

    pub(super) fn answer(&mut self, now: u64, request: u64, frame_type: &str, frame: &N) {
        let asked = self.pending.iter().position(|asked| asked.request == request);
        // It may be the second answer, or one to what was asked before a cut.
        let Some(index) = asked else { return };
        let Some(last) = self.pending.pop() else { return };
        // `Vec::swap_remove`, without the text of its panic.
        let asked = match self.pending.get_mut(index) {
            Some(asked) => std::mem::replace(asked, last),
            None => last,
        };
        self.relay_due = now.saturating_add(RELAY_TIMEOUT_MS);
        let (sending, session) = match asked.asked {
            Asked::Here(sending, session) => (sending, session),
            Asked::Tab(tab, request) => return self.answer_tab(&tab, request, frame),
            #[cfg(any(not(target_arch = "wasm32"), feature = "agent"))]
            Asked::Offer(agent) => return self.offered(agent, request, frame_type, frame),
        };
        let found = find(&mut self.sessions, session.as_str());
        let Some(session) = found else { return };
        let out = &mut self.outputs;
        let random = self.connection.random();
        let mut reports = Vec::new();
        match (sending, frame_type) {
            (Sending::Act, "ack") => session.act_acked(request, frame, out),
            (Sending::Fetch(asker), "page") => {
                // A missing step means that the page does not say what it should; it is ignored.
                let _: Option<()> = session.page(asker, frame, &mut reports, out);
            }
            (Sending::Fetch(asker), _) => session.fetch_refused(asker, now, random, out),
            (Sending::Act, _) => {
                let problem = problem(frame.field("error").as_ref());
                session.act_refused(request, problem, now, random, out);
            }
            (Sending::Publish, "ack") => {
                if let Some(writer) = &mut session.writer {
                    let first = frame.offset("first").unwrap_or_default();
                    writer.acked(request, first, &mut reports);
                }
            }
            (Sending::Publish, _) => {
                if let Some(writer) = &mut session.writer {
                    let problem = problem(frame.field("error").as_ref());
                    writer.refused(request, problem, now, random, &mut reports);
                }
            }
            (Sending::Attach, "refused") => {
                let waiting =
                    session.attach_refused(request, frame, now, random, &mut reports, out);
                session.report(reports, out);
                for (tab, request) in waiting {
                    self.answer_tab(&tab, request, frame);
                }
                return forget_done(&mut self.sessions);
            }
            (Sending::Attach | Sending::Seen, _) => {}
        }
        session.report(reports, out);
        forget_done(&mut self.sessions);
    }
}
