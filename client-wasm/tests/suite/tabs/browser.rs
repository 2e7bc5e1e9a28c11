//! What a browser does for its tabs: it runs their tasks, and does what their cores ask.

use durable_sessions_client::core::{
    Act, Body, Cargo, Client, Follow, Group, Input, Options, Output, Status, StopTarget, Token,
};
use durable_sessions_protocol::id::{Id, SessionId};
use durable_sessions_protocol::offset::Offset;
use serde_json::Value;

use super::acts::Stored;
use super::fence::Fence;
use super::locks::Request;
use super::tab::{Channel, Life, Tab, TabId, Task};
use super::witness::{ReaderWatch, Watch};
use super::world::{Event, World, id};

/// What a page follows, and a test wants to see.
pub(super) const FOLLOW: Follow = Follow { patches: true, events: true, merge: true };
const USER: &str = "user/ann";
/// What takes longer from one tab to another may be taken for silence.
const PROMPT_MS: u64 = 50;

impl World {
    pub(super) fn open_tab(&mut self, group: Option<Group>) -> TabId {
        self.open_tab_as(USER, group, false)
    }

    pub(super) fn open_tab_as(
        &mut self,
        principal: &str,
        group: Option<Group>,
        has_tokens: bool,
    ) -> TabId {
        let tab = TabId(self.tabs.len());
        let name = name(tab);
        let core = Client::new(Options {
            client: name.clone(),
            principal: (!has_tokens).then(|| principal.to_owned()),
            has_tokens,
            tabs: true,
            page: name,
            keeps: true,
            seed: self.random.next(),
        });
        self.tabs.push(Tab::new(self.now, core, principal, group));
        self.trace.note(self.now, &format!("{tab:?} opens"));
        tab
    }

    pub(super) fn follow(&mut self, tab: TabId, session: &SessionId) {
        self.tabs[tab.0].sessions.entry(session.clone()).or_insert_with(Watch::new);
        self.tell(tab, Input::Attach { session: session.clone(), follow: FOLLOW });
    }

    pub(super) fn unfollow(&mut self, tab: TabId, session: &SessionId) {
        self.tell(tab, Input::Detach { session: session.clone() });
        self.tabs[tab.0].sessions.remove(session);
    }

    /// A user sends a message.
    pub(super) fn send(&mut self, tab: TabId, session: &SessionId) -> Id {
        self.say(tab, session, "words")
    }

    pub(super) fn say(&mut self, tab: TabId, session: &SessionId, text: &str) -> Id {
        let act = Act::text(self.next_act(), text);
        self.act(tab, session, act)
    }

    /// A user sends a message that is refused while somebody works.
    pub(super) fn send_if_idle(&mut self, tab: TabId, session: &SessionId) -> Id {
        let id = self.next_act();
        let Body::Event(mut event) = Act::text(id.clone(), "words").body else { unreachable!() };
        event.insert_str(event.len() - 1, ",\"if_running\":\"reject\"");
        self.act(tab, session, Act { id, body: Body::Event(event) })
    }

    /// A user takes back what was not sent.
    pub(super) fn take_back(&mut self, tab: TabId, session: &SessionId, act: &Id) {
        let it = &mut self.tabs[tab.0];
        assert!(it.core.discard(session, act), "{act} is on its way");
        it.promises.remove(act);
        while let Some(output) = self.tabs[tab.0].core.poll() {
            self.do_output(tab, output);
        }
    }

    pub(super) fn stop(&mut self, tab: TabId, session: &SessionId, target: StopTarget) -> Id {
        let act = Act::stop(self.next_act(), target);
        self.act(tab, session, act)
    }

    /// Opens a reader with a cursor of its own.
    pub(super) fn read(&mut self, tab: TabId, session: &SessionId, after: u64) -> u32 {
        let it = &mut self.tabs[tab.0];
        it.readers += 1;
        let reader = it.readers;
        let watch = it.sessions.get_mut(session).expect("it is followed");
        // Every other one wants each event by itself.
        let merge = reader.is_multiple_of(2);
        watch.readers.insert(reader, ReaderWatch { at: after, merges: merge, ahead: 0 });
        let after = Offset::new(after);
        self.tell(tab, Input::Read { session: session.clone(), reader, after, merge });
        reader
    }

    fn next_act(&mut self) -> Id {
        self.acts_made += 1;
        id(&format!("act{}", self.acts_made))
    }

    fn act(&mut self, tab: TabId, session: &SessionId, act: Act) -> Id {
        let id = act.id.clone();
        let seen = self.tabs[tab.0].sessions.get(session).map(|watch| watch.patches_at);
        let is_stop_all = matches!(act.body, Body::Stop { target: StopTarget::All, .. });
        let said_before = self.messages_of(tab, session);
        self.tabs[tab.0].promises.insert(id.clone());
        self.tell(tab, Input::Send { session: session.clone(), act });
        // What is stored is durable before the call returns.
        let stored = self.acts.known().find(|stored| stored.id == id);
        if self.tabs[tab.0].promises.contains(&id) {
            let stored = stored.expect("an act that waits is stored");
            if is_stop_all {
                let event: Value = serde_json::from_str(&stored.event).unwrap();
                // What it sent counts as seen once it is acknowledged.
                let is_own = |seen| self.records[session].is_act(seen);
                let stopped = event["seen"].as_u64();
                assert!(
                    stopped == seen || (stopped > seen && stopped.is_some_and(is_own)),
                    "a stop is about what was seen: {stopped:?}, {seen:?}"
                );
                for message in said_before {
                    let stands = self.records.get(session).and_then(|it| it.offset_of(&message));
                    let is_seen = stands.is_some_and(|stands| Some(stands) <= stopped);
                    let is_named = self.acts.is_stopped_with(&id, &message);
                    assert!(is_seen || is_named, "{id} leaves {message} alone");
                }
            }
        }
        id
    }

    /// The messages that a user has sent from a tab to a session, and not heard of.
    fn messages_of(&self, tab: TabId, session: &SessionId) -> Vec<String> {
        let is_one = |act: &&Stored| {
            act.session == *session
                && act.event.contains("\"kind\":\"message\"")
                && self.tabs[tab.0].promises.contains(&act.id)
        };
        self.acts.known().filter(is_one).map(|act| act.id.to_string()).collect()
    }

    /// Runs a task now, or when the tab runs again.
    pub(super) fn run_task(&mut self, tab: TabId, task: Task) {
        match self.tabs[tab.0].life {
            Life::Awake => self.do_task(tab, task),
            Life::Frozen | Life::Suspended => self.tabs[tab.0].inbox.push_back(task),
            Life::Gone => {}
        }
    }

    fn do_task(&mut self, tab: TabId, task: Task) {
        match task {
            Task::Opened { connection } => {
                if let Some(socket) = self.socket(connection) {
                    self.greet(connection);
                    self.tell(tab, Input::Opened { socket });
                }
            }
            Task::Frame { connection, text } => {
                if let Some(socket) = self.socket(connection) {
                    let frame = serde_json::from_str(&text).unwrap();
                    self.trace.note(self.now, &format!("{tab:?} <= {text}"));
                    self.tell(tab, Input::Frame { socket, frame, bytes: text.len() });
                }
            }
            Task::Closed { connection, code } => {
                if let Some(socket) = self.socket(connection) {
                    self.forget_connection(connection);
                    self.tell(tab, Input::Closed { socket, code });
                }
            }
            Task::Message { channel, head, cargo } => {
                if self.tabs[tab.0].channel.as_ref() == Some(&channel) {
                    let head = serde_json::from_str(&head).unwrap();
                    self.tabs[tab.0].fence.heard(self.now, &head);
                    self.tell(tab, Input::Message { head, cargo });
                }
            }
            Task::Locked(request) => {
                if self.tabs[tab.0].lock == Some(request) && self.locks.is_held_by(request) {
                    self.tell(tab, Input::Locked);
                }
            }
            Task::LockLost(request) => {
                if self.tabs[tab.0].lock.take_if(|own| *own == request).is_some() {
                    self.tell(tab, Input::LockLost);
                }
            }
            Task::Group => {
                let group = self.tabs[tab.0].group.clone();
                self.tell(tab, Input::Group { group });
            }
            Task::Token { socket } => {
                let token = self.tabs[tab.0].token.clone();
                self.tell(tab, Input::Token { socket, token });
            }
            Task::Recovered(acts) => self.recovered(tab, acts),
            Task::Consumed { session, reader } => self.consume(tab, session, reader),
        }
    }

    fn recovered(&mut self, tab: TabId, acts: Vec<Stored>) {
        for stored in acts {
            let Stored { tab: by, session, id, log, event, .. } = stored;
            self.tell(tab, Input::Resend { tab: by, session, id, log, event });
        }
    }

    fn consume(&mut self, tab: TabId, session: SessionId, reader: u32) {
        let watch = self.tabs[tab.0].sessions.get_mut(&session);
        if let Some(watch) = watch.and_then(|watch| watch.readers.get_mut(&reader)) {
            watch.ahead = 0;
            let merge = watch.merges;
            self.tell(tab, Input::Read { session, reader, after: None, merge });
        }
    }

    /// Tells a core, and does what it asks.
    pub(super) fn tell(&mut self, tab: TabId, input: Input<Value>) {
        self.steps += 1;
        self.trace.input(self.now, tab, &input);
        let now = self.now;
        self.tabs[tab.0].core.handle(now, input);
        while let Some(output) = self.tabs[tab.0].core.poll() {
            self.trace.output(now, tab, &output);
            self.do_output(tab, output);
        }
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "what is left is for agents")]
    fn do_output(&mut self, tab: TabId, output: Output<Value>) {
        match output {
            Output::NeedToken { socket } => {
                let delay = self.random.within(self.weather.token_ms.clone());
                self.tell_later(tab, delay, Task::Token { socket });
            }
            Output::Open { socket } => self.open(tab, socket),
            Output::Transmit { socket, text } => self.transmit(tab, socket, text),
            Output::Disconnect { socket, .. } => self.disconnect(tab, socket),
            Output::NeedGroup => {
                let delay = self.random.within(0..20);
                self.tell_later(tab, delay, Task::Group);
            }
            Output::Join { key } => {
                let it = &mut self.tabs[tab.0];
                it.joins += 1;
                it.channel = Some(Channel { key, join: it.joins });
            }
            Output::Leave => {
                self.tabs[tab.0].channel = None;
                self.tabs[tab.0].fence.forget();
                self.unlock(tab);
            }
            Output::Lock => self.lock(tab),
            Output::Unlock => self.unlock(tab),
            Output::Post { head, cargo } => self.post(tab, &head, cargo),
            Output::Role { role, tabs } => {
                let it = &mut self.tabs[tab.0];
                it.role = Some((role, tabs));
                if it.leads() {
                    it.fence.forget();
                }
            }
            Output::Store { is_stored: true, id, .. } => self.judge_takeover(tab, &id),
            Output::Store { session, id, log, event, .. } => {
                let principal = self.tabs[tab.0].principal.clone();
                let tab = name(tab);
                self.acts.store(Stored { principal, tab, session, id, log, event });
            }
            Output::Forget { session, id } => self.acts.forget(&session, &id),
            Output::Recover => {
                let acts = self.acts.of(&self.tabs[tab.0].principal);
                let delay = self.random.within(0..20);
                self.tell_later(tab, delay, Task::Recovered(acts));
            }
            output => self.be_told(tab, output),
        }
    }

    /// What the core tells the app.
    #[expect(clippy::wildcard_enum_match_arm, reason = "what is left is for agents")]
    fn be_told(&mut self, tab: TabId, output: Output<Value>) {
        let (it, records) = (&mut self.tabs[tab.0], &self.records);
        match output {
            Output::Status { status, .. } => it.status = status,
            Output::Session { session, status, error } => {
                assert!(error.is_none(), "{session} ends: {error:?}");
                it.sessions.get_mut(&session).expect("it is followed").status = status;
            }
            Output::Reset { session, .. } => {
                it.sessions.get_mut(&session).expect("it is followed").reset();
            }
            Output::Patches { session, log, offset, patches } => {
                let watch = it.sessions.get_mut(&session).expect("it is followed");
                watch.patches(&records[&session], &log, offset, &patches);
            }
            Output::Events { session, log, first, last, events } => {
                let watch = it.sessions.get_mut(&session).expect("it is followed");
                watch.events(&records[&session], &log, (first, last), &events);
            }
            Output::Batch { session, reader, first, last, events } => {
                let watch = it.sessions.get_mut(&session).expect("it is followed");
                watch.batch(&records[&session], reader, (first, last), &events);
                let delay = self.random.within(0..400);
                self.tell_later(tab, delay, Task::Consumed { session, reader });
            }
            Output::Presence { .. } => it.presences += 1,
            Output::Sent { session, id, offset, runs } => {
                let record = &records[&session];
                let stands = record.offset_of(id.as_str());
                assert_eq!(stands, Some(offset.as_u64()), "{id} was acknowledged");
                assert_eq!(runs, record.stopped_at(offset), "the receipt of {id}");
                it.promises.remove(&id);
            }
            Output::Refused { id, problem, .. } => {
                it.promises.remove(&id);
                self.acts.refuse(name(tab), id, &problem);
            }
            output => panic!("{output:?}"),
        }
    }

    fn lock(&mut self, tab: TabId) {
        let it = &mut self.tabs[tab.0];
        assert_eq!(it.lock, None, "a tab queues once");
        let key = it.channel.clone().expect("it is in a group").key;
        it.locks += 1;
        let request = Request { tab, number: it.locks };
        it.lock = Some(request);
        self.locks.request(&key, request);
        self.grant_locks();
    }

    pub(super) fn unlock(&mut self, tab: TabId) {
        if let Some(request) = self.tabs[tab.0].lock.take() {
            self.locks.withdraw(request);
            self.grant_locks();
        }
    }

    pub(super) fn grant_locks(&mut self) {
        for request in self.locks.grant() {
            let delay = self.random.within(self.weather.lock_ms.clone());
            self.tell_later(request.tab, delay, Task::Locked(request));
        }
    }

    fn post(&mut self, from: TabId, head: &str, cargo: Cargo<Value>) {
        let it = &mut self.tabs[from.0];
        it.fence.posted(self.now, &serde_json::from_str(head).unwrap());
        let key = it.channel.clone().expect("it has joined").key;
        let cargo = match cargo {
            Cargo::None => None,
            Cargo::Frame(frame) => Some(frame),
            Cargo::Text(text) => Some(Value::String(text)),
        };
        for to in self.living() {
            let Some(channel) = self.tabs[to.0].channel.clone() else { continue };
            let is_parted =
                self.weather.partition.contains(&from) != self.weather.partition.contains(&to);
            if to == from || channel.key != key {
                continue;
            }
            let copies = if is_parted || self.random.percent(self.weather.lost_percent) {
                self.unheard_at = Some(self.now);
                0
            } else if self.random.percent(self.weather.doubled_percent) {
                2
            } else {
                1
            };
            for _ in 0..copies {
                let delay = self.random.within(self.weather.channel_ms.clone());
                if delay > PROMPT_MS {
                    self.unheard_at = Some(self.now + delay);
                }
                let mut at = self.now + delay;
                if self.weather.is_ordered {
                    let line = self.lines.entry((from, to)).or_default();
                    at = at.max(*line);
                    *line = at;
                }
                let (channel, head, cargo) = (channel.clone(), head.to_owned(), cargo.clone());
                let task = Task::Message { channel, head, cargo };
                self.agenda.note(at, Event::Tab { tab: to, task });
            }
        }
    }
}

/// What a tab calls itself.
pub(super) fn name(tab: TabId) -> Id {
    id(&format!("tab{}", tab.0))
}

impl Tab {
    fn new(now: u64, core: Client<Value>, principal: &str, group: Option<Group>) -> Self {
        Self {
            core,
            life: Life::Awake,
            awake_since: now,
            inbox: std::collections::VecDeque::new(),
            is_hidden: false,
            group,
            principal: principal.to_owned(),
            channel: None,
            lock: None,
            token: Token::Granted("token".to_owned()),
            role: None,
            fence: Fence::default(),
            status: Status::Connecting,
            sessions: std::collections::BTreeMap::new(),
            promises: std::collections::BTreeSet::new(),
            timers: (0, 0),
            presences: 0,
            opened: 0,
            joins: 0,
            locks: 0,
            readers: 0,
        }
    }
}
