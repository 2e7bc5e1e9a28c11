//! What goes between tabs: a leader passes on what the server says, and what its followers ask.

use durable_sessions_protocol::fold::Node;
use durable_sessions_protocol::id::Id;
use durable_sessions_protocol::offset::Position;

use super::frames::Frame;
use super::output::{Cargo, Output};
use super::read::Read;
use super::tabs::SHARES;
use super::{Asked, Client, Pending, find, forget_done, record};

impl<N: Node + Clone> Client<N> {
    /// Another member of the group posted something. A missing step means that it does not say what
    /// it should; it is ignored.
    pub(super) fn message(&mut self, now: u64, head: &N, cargo: Option<N>) -> Option<()> {
        let from = head.id("tab")?;
        match head.text("type")?.as_str() {
            "beat" => {
                let is_followed = self.tabs.beat(now, head, &mut self.outputs);
                is_followed.then(|| self.learn(head))?;
            }
            "bye" => {
                self.tabs.bye(now, &from, &mut self.outputs);
                self.without(now, &from);
            }
            "here" => {
                self.tabs.heard(now, &from, head.text("page"));
                let kept = head.texts("sessions");
                self.leave_sessions(&from, &|id| !is_among(&kept, id));
                self.read_again(&from, &kept);
            }
            kind if self.tabs.is_for_me(head) => {
                self.tabs.heard(now, &from, None);
                self.serve_tab(now, from, kind, head, cargo)?;
            }
            kind if self.tabs.is_from_leader(head) => {
                self.led(now, kind, head, cargo.as_ref())?;
            }
            _ => {}
        }
        Some(())
    }

    /// A follower asks this leader.
    fn serve_tab(
        &mut self,
        now: u64,
        from: Id,
        kind: &str,
        head: &N,
        cargo: Option<N>,
    ) -> Option<()> {
        match kind {
            "up" => {
                let socket = self.connection.live_socket()?;
                let mut frame = Frame::reopen(cargo?.as_text()?);
                let request = self.requests.next();
                let asked = Asked::Tab(from, head.number("request")?);
                self.pending.push(Pending { request, asked });
                let text = frame.number("request", request).end();
                self.outputs.push_back(Output::Transmit { socket, text });
            }
            "attach" => {
                let id = head.session_id("session")?;
                let request = head.number("request")?;
                let session = record(&mut self.sessions, &id)?;
                session.adopt(head.field("position").and_then(|place| position(&place)));
                session.others.attach(from, Some(request));
                self.answer_attaches(id.as_str());
            }
            "detach" => {
                let session = head.text("session")?;
                self.leave_sessions(&from, &|id| id == session);
            }
            "volunteer" if self.tabs.may_yield() => {
                let head = self.tabs.message("yield").text("to", from.as_str()).end();
                self.outputs.push_back(Output::Post { head, cargo: Cargo::None });
            }
            "reconnect" => self.connection.reconnect(now, &mut self.outputs),
            _ => {}
        }
        Some(())
    }

    /// The leader says something.
    fn led(&mut self, now: u64, kind: &str, head: &N, cargo: Option<&N>) -> Option<()> {
        match kind {
            "yield" => self.tabs.yielded(now, &mut self.outputs),
            "attached" => {
                let request = head.number("request")?;
                self.pending.retain(|pending| pending.request != request);
                self.session_frame(now, "attached", head, 0);
                if let Some(presence) = cargo {
                    self.presence(&head.text("session")?, presence);
                }
            }
            "answer" => {
                let frame = cargo?;
                self.answer(now, head.number("request")?, &frame.text("type")?, frame);
            }
            "down" => {
                let frame = cargo?;
                match frame.text("type")?.as_str() {
                    "events" => {
                        let session = find(&mut self.sessions, &frame.text("session")?)?;
                        let (mut reports, out) = (Vec::new(), &mut self.outputs);
                        let log = head.text("log");
                        session.passed_on(log.as_deref(), frame, &mut reports, out);
                        session.report(reports, out);
                    }
                    "reset" => {
                        find(&mut self.sessions, &frame.text("session")?)?.reset_elsewhere(frame);
                    }
                    kind => self.session_frame(now, kind, frame, 0),
                }
            }
            _ => {}
        }
        Some(())
    }

    /// Passes on to the followers what concerns them.
    pub(super) fn pass_on(&mut self, kind: &str, frame: &N) -> Option<()> {
        let id = frame.text("session")?;
        let session = find(&mut self.sessions, &id)?;
        let mut head = self.tabs.message("down");
        match kind {
            "events" => {
                let last = frame.offset("last")?;
                head.text("log", session.cursor().log()?.as_str());
                if !session.others.pass(last) {
                    return None;
                }
            }
            "detached" if frame.text("reason").as_deref() != Some("deleted") => return None,
            _ if session.others.is_empty() => return None,
            _ => {}
        }
        let head = head.end();
        self.outputs.push_back(Output::Post { head, cargo: Cargo::Frame(frame.clone()) });
        Some(())
    }

    /// What the server answered to another tab.
    pub(super) fn answer_tab(&mut self, tab: &Id, request: u64, frame: &N) {
        let mut head = self.tabs.message("answer");
        let head = head.text("to", tab.as_str()).number("request", request).end();
        self.outputs.push_back(Output::Post { head, cargo: Cargo::Frame(frame.clone()) });
    }

    /// Tells the tabs that attached where the log stands, if that is known.
    pub(super) fn answer_attaches(&mut self, id: &str) -> Option<()> {
        let session = find(&mut self.sessions, id)?;
        session.place()?;
        let waiting = session.others.take_waiting();
        let place = session.place()?;
        let known = self.presences.iter().find(|(session, _)| session.as_str() == id);
        for (tab, request) in waiting {
            let head = self
                .tabs
                .message("attached")
                .text("to", tab.as_str())
                .number("request", request)
                .text("session", id)
                .text("log", place.log.as_str())
                .number("first", place.first.as_u64())
                .number("known", place.known.as_u64())
                .number("tail", place.tail.as_u64())
                .end();
            let cargo = known.map_or(Cargo::None, |(_, frame)| Cargo::Frame(frame.clone()));
            self.outputs.push_back(Output::Post { head, cargo });
        }
        Some(())
    }

    /// A tab is gone. What it had taken in and not delivered is in the durable outbox.
    pub(super) fn without(&mut self, now: u64, tab: &Id) {
        self.leave_sessions(tab, &|_| true);
        self.recover(now);
    }

    /// A tab no longer reads some sessions.
    fn leave_sessions(&mut self, tab: &Id, is_left: &dyn Fn(&str) -> bool) {
        let mut unread = Vec::new();
        for session in &mut self.sessions {
            if is_left(session.id.as_str()) && session.others.remove(tab) && session.is_unread() {
                session.forget_place();
                unread.push(session.id.clone());
            }
        }
        for id in unread {
            self.send_detach(&id);
        }
        forget_done(&mut self.sessions);
    }

    /// A tab that was taken for gone goes on reading what this leader still passes on. What it does
    /// not is missing in its beats, and the tab attaches again.
    fn read_again(&mut self, tab: &Id, kept: &[String]) {
        for session in &mut self.sessions {
            let is_kept = session.is_wanted() && is_among(kept, session.id.as_str());
            if is_kept && !session.others.has(tab) {
                session.others.attach(tab.clone(), None);
            }
        }
    }

    pub(super) fn presence(&mut self, id: &str, frame: &N) {
        let (Some(session), Some(members)) = (find(&mut self.sessions, id), frame.field("members"))
        else {
            return;
        };
        let session_id = session.id.clone();
        if session.is_followed() {
            self.outputs.push_back(Output::Presence { session: session_id.clone(), members });
        }
        let sessions = &self.sessions;
        self.presences.retain(|(known, _)| {
            *known != session_id && sessions.iter().any(|session| session.id == *known)
        });
        self.presences.push((session_id, frame.clone()));
    }

    /// How far the sessions go, says a beat. What it does not name is not read by the leader for
    /// others, whatever it answered before: what a tab follows may be told to it out of order.
    fn learn(&mut self, head: &N) {
        let mut known = Vec::new();
        for place in head.list("known") {
            let (Some(id), Some(offset)) = (place.text("session"), place.offset("offset")) else {
                continue;
            };
            if let Some(session) = find(&mut self.sessions, &id) {
                session.learn(place.text("log").as_deref(), offset);
            }
            known.push(id);
        }
        for session in &mut self.sessions {
            if !is_among(&known, session.id.as_str()) {
                session.attach_again();
            }
        }
        if head.field("socket").is_some() {
            self.connection.forget_failures();
        }
    }

    /// Beats, or tells the leader that this tab is here, when it is time.
    pub(super) fn speak_up(&mut self, now: u64) {
        if !SHARES {
            return;
        }
        let head = if self.tabs.takes_beat(now) {
            self.beat()
        } else if self.tabs.takes_here(now) {
            let followed = self.sessions.iter().filter(|session| session.is_followed());
            self.tabs.here(followed.map(|session| session.id.as_str()))
        } else {
            return;
        };
        self.outputs.push_back(Output::Post { head, cargo: Cargo::None });
    }

    fn beat(&self) -> String {
        let mut known = String::new();
        for session in &self.sessions {
            let Some(place) = session.place().filter(|_| !session.others.is_empty()) else {
                continue;
            };
            if !known.is_empty() {
                known.push(',');
            }
            let place = Frame::object("session", session.id.as_str())
                .text("log", place.log.as_str())
                .number("offset", place.known.as_u64())
                .end();
            known.push_str(&place);
        }
        let (status, retry_at, _) = self.published;
        self.tabs
            .beat_head()
            .optional_number("socket", self.connection.live_socket().map(u64::from))
            .text("status", status.as_str())
            .optional_number("retry_at", retry_at)
            .raw("known", "[", &known, "]")
            .end()
    }
}

fn is_among(names: &[String], name: &str) -> bool {
    names.iter().any(|one| one == name)
}

fn position<N: Node>(place: &N) -> Option<Position> {
    Some(Position { log: place.log_id("log")?, offset: place.offset("offset")? })
}
