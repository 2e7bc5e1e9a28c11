//! Sockets between the tabs and the server: each direction is a line, and all may end at any moment.

use durable_sessions_protocol::close;
use durable_sessions_protocol::limits::{HEARTBEAT_GRACE_MS, HEARTBEAT_MS};

use super::tab::{TabId, Task};
use super::world::{Event, World};

const CLOSE_NONE: u16 = 1006;
const PING: &str = "{\"type\":\"ping\"}";

#[derive(Debug)]
pub(super) struct Connection {
    pub(super) tab: TabId,
    pub(super) socket: u32,
    /// Nothing gets through any more.
    is_cut: bool,
    /// The tab has closed it, or is gone.
    is_forgotten: bool,
    /// When the last message of each direction arrives.
    up_at: u64,
    down_at: u64,
    /// When the server heard something, and sent something.
    heard_at: u64,
    sent_at: u64,
    pinged_at: Option<u64>,
}

impl Connection {
    /// When the server looks after it.
    fn due(&self) -> u64 {
        match self.pinged_at {
            Some(pinged_at) => pinged_at + HEARTBEAT_GRACE_MS,
            None => self.heard_at.min(self.sent_at) + HEARTBEAT_MS,
        }
    }
}

impl World {
    pub(super) fn open(&mut self, tab: TabId, socket: u32) {
        self.connections_made += 1;
        let connection = self.connections_made;
        self.tabs[tab.0].opened += 1;
        let now = self.now;
        self.connections.insert(
            connection,
            Connection {
                tab,
                socket,
                is_cut: false,
                is_forgotten: false,
                up_at: now,
                down_at: now,
                heard_at: now,
                sent_at: now,
                pinged_at: None,
            },
        );
        let delay = self.random.within(self.weather.latency_ms.clone());
        if self.weather.is_down || self.random.percent(self.weather.failing_percent) {
            self.tell_later(tab, delay, Task::Closed { connection, code: CLOSE_NONE });
        } else if !self.random.percent(self.weather.failing_percent) {
            self.tell_later(tab, delay, Task::Opened { connection });
        }
    }

    /// The socket's number, if the tab has not closed it.
    pub(super) fn socket(&self, connection: u32) -> Option<u32> {
        let found = self.connections.get(&connection)?;
        (!found.is_forgotten).then_some(found.socket)
    }

    pub(super) fn greet(&mut self, connection: u32) {
        if self.connections.get(&connection).is_some_and(|found| !found.is_cut) {
            self.server.connect(connection);
        }
    }

    pub(super) fn transmit(&mut self, tab: TabId, socket: u32, text: String) {
        let delay = self.random.within(self.weather.latency_ms.clone());
        let Some(connection) = self.connection_of(tab, socket) else { return };
        self.fetches += u32::from(text.contains("\"type\":\"fetch\""));
        let found = self.connections.get_mut(&connection).unwrap();
        if !found.is_cut {
            found.up_at = found.up_at.max(self.now + delay);
            let at = found.up_at;
            self.agenda.note(at, Event::Up { connection, text });
        }
    }

    pub(super) fn disconnect(&mut self, tab: TabId, socket: u32) {
        if let Some(connection) = self.connection_of(tab, socket) {
            self.forget_connection(connection);
        }
    }

    /// What was sent still arrives, then the end of it.
    pub(super) fn forget_connection(&mut self, connection: u32) {
        let found = self.connections.get_mut(&connection).unwrap();
        found.is_forgotten = true;
        if !found.is_cut {
            let at = found.up_at;
            self.agenda.note(at, Event::HangUp { connection });
        }
    }

    /// The connections of a tab.
    pub(super) fn connections_of(&self, tab: TabId) -> Vec<u32> {
        let its = self.connections.iter().filter(|(_, it)| it.tab == tab && !it.is_forgotten);
        its.map(|(&number, _)| number).collect()
    }

    /// Both ends hear of it, or neither.
    pub(super) fn cut_connection(&mut self, connection: u32, is_silent: bool) {
        let found = self.connections.get_mut(&connection).unwrap();
        if std::mem::replace(&mut found.is_cut, true) || is_silent {
            return;
        }
        let tab = found.tab;
        self.server.disconnect(self.now, connection);
        self.tell_later(tab, 1, Task::Closed { connection, code: CLOSE_NONE });
        self.serve();
    }

    /// A message has come to the server.
    pub(super) fn arrive(&mut self, connection: u32, text: &str) {
        let now = self.now;
        let Some(found) = self.connections.get_mut(&connection) else { return };
        if found.is_cut || !self.server.knows(connection) {
            return;
        }
        found.heard_at = now;
        found.pinged_at = None;
        let frames = self.server.take(now, connection, text);
        self.route(frames);
    }

    pub(super) fn hang_up(&mut self, connection: u32) {
        self.server.disconnect(self.now, connection);
        self.serve();
    }

    /// The server does what is due.
    pub(super) fn serve(&mut self) {
        let frames = self.server.advance(self.now);
        self.route(frames);
    }

    fn route(&mut self, frames: Vec<(u32, String)>) {
        self.grow_records();
        for (connection, text) in frames {
            self.send_down(connection, |connection| Task::Frame { connection, text });
        }
        for (connection, code) in std::mem::take(&mut self.server.closed) {
            self.send_down(connection, |connection| Task::Closed { connection, code });
        }
    }

    fn send_down(&mut self, connection: u32, task: impl FnOnce(u32) -> Task) {
        let delay = self.random.within(self.weather.latency_ms.clone());
        let Some(found) = self.connections.get_mut(&connection) else { return };
        found.sent_at = self.now;
        if found.is_cut || found.is_forgotten {
            return;
        }
        found.down_at = found.down_at.max(self.now + delay);
        let (at, tab) = (found.down_at, found.tab);
        self.agenda.note(at, Event::Tab { tab, task: task(connection) });
    }

    /// When the server looks after a connection next.
    pub(super) fn heartbeat_at(&self) -> Option<u64> {
        let known = self.connections.iter().filter(|(number, _)| self.server.knows(**number));
        known.map(|(_, connection)| connection.due()).min()
    }

    /// Asks the silent whether they are there, and gives up those who did not answer.
    pub(super) fn beat(&mut self) {
        let now = self.now;
        let mut silent = Vec::new();
        for (&number, connection) in &mut self.connections {
            if connection.due() <= now && self.server.knows(number) {
                let was_asked = connection.pinged_at.replace(now).is_some();
                silent.push((number, was_asked));
            }
        }
        for (connection, was_asked) in silent {
            if was_asked {
                self.server.disconnect(now, connection);
                self.server.closed.push((connection, close::HEARTBEAT));
            } else {
                self.send_down(connection, |connection| Task::Frame {
                    connection,
                    text: PING.to_owned(),
                });
            }
        }
        self.serve();
    }

    /// The server dies with all connections and starts again.
    pub(super) fn crash_server(&mut self) {
        self.server.crash(self.now);
        for (&connection, found) in &mut self.connections {
            if !std::mem::replace(&mut found.is_cut, true) && !found.is_forgotten {
                let closed = Task::Closed { connection, code: CLOSE_NONE };
                self.agenda.note(self.now + 1, Event::Tab { tab: found.tab, task: closed });
            }
        }
        self.serve();
    }

    /// Connections that are of no use to anybody are not kept.
    pub(super) fn tidy_connections(&mut self) {
        self.connections.retain(|&number, it| !it.is_forgotten || self.server.knows(number));
    }

    /// Sockets that the server holds and has greeted, and that still carry something, with their tabs.
    pub(super) fn open_sockets(&self) -> Vec<TabId> {
        let is_open = |number: &u32, it: &Connection| !it.is_cut && self.server.is_greeted(*number);
        let open = self.connections.iter().filter(|(number, it)| is_open(number, it));
        open.map(|(_, connection)| connection.tab).collect()
    }

    fn connection_of(&self, tab: TabId, socket: u32) -> Option<u32> {
        let its = |it: &Connection| it.tab == tab && it.socket == socket && !it.is_forgotten;
        self.connections.iter().find(|(_, it)| its(it)).map(|(&number, _)| number)
    }
}
