//! What may happen to a tab, a socket, a lock.

use durable_sessions_client::core::Input;

use super::tab::{Life, TabId, Task};
use super::world::{Event, World};

impl World {
    /// Its memory is gone, without a word: a crash, or a close that ran no code.
    pub(super) fn kill(&mut self, tab: TabId) {
        self.trace.note(self.now, &format!("{tab:?} dies"));
        let it = &mut self.tabs[tab.0];
        it.life = Life::Gone;
        it.channel = None;
        it.inbox.clear();
        it.sessions.clear();
        it.promises.clear();
        for connection in self.connections_of(tab) {
            // What it wrote last may still be on its way.
            if self.random.percent(50) {
                self.cut_connection(connection, false);
            }
            self.forget_connection(connection);
        }
        self.unlock(tab);
    }

    /// It does not run any more, and was not told: a debugger, a suspended machine, a busy thread.
    pub(super) fn freeze(&mut self, tab: TabId) {
        self.trace.note(self.now, &format!("{tab:?} freezes"));
        self.tabs[tab.0].life = Life::Frozen;
    }

    /// It runs again: all that came meanwhile is there at once, and its timer is late.
    pub(super) fn thaw(&mut self, tab: TabId) {
        if self.tabs[tab.0].life != Life::Frozen {
            return;
        }
        self.trace.note(self.now, &format!("{tab:?} thaws"));
        self.wake(tab);
        let is_due = self.tabs[tab.0].core.timeout().is_some_and(|at| at <= self.now);
        if is_due && self.random.percent(50) {
            self.tell(tab, Input::Timeout);
        }
        self.run_inbox(tab);
    }

    /// It goes into the back-forward cache.
    pub(super) fn suspend(&mut self, tab: TabId) {
        self.tell(tab, Input::Suspend);
        self.tabs[tab.0].life = Life::Suspended;
    }

    pub(super) fn restore(&mut self, tab: TabId) {
        if self.tabs[tab.0].life == Life::Suspended {
            self.wake(tab);
            self.tell(tab, Input::Restored);
            self.run_inbox(tab);
        }
    }

    pub(super) fn hide(&mut self, tab: TabId) {
        self.tabs[tab.0].is_hidden = true;
        self.tell(tab, Input::Hidden);
    }

    pub(super) fn show(&mut self, tab: TabId) {
        self.tabs[tab.0].is_hidden = false;
        self.tell(tab, Input::Woke);
    }

    pub(super) fn cut(&mut self, tab: TabId, is_silent: bool) {
        self.trace.note(self.now, &format!("{tab:?} is cut, silent: {is_silent}"));
        for connection in self.connections_of(tab) {
            self.cut_connection(connection, is_silent);
        }
    }

    /// A stranger takes the lock and keeps it for a while.
    pub(super) fn steal_lock(&mut self, key: &str, ms: u64) {
        self.trace.note(self.now, "the lock is stolen");
        if let Some(request) = self.locks.steal(key) {
            let delay = self.random.within(self.weather.lock_ms.clone());
            self.tell_later(request.tab, delay, Task::LockLost(request));
        }
        self.note(ms, Event::LockReturned { key: key.to_owned() });
    }

    fn wake(&mut self, tab: TabId) {
        let it = &mut self.tabs[tab.0];
        it.life = Life::Awake;
        it.awake_since = self.now;
    }

    fn run_inbox(&mut self, tab: TabId) {
        for task in std::mem::take(&mut self.tabs[tab.0].inbox) {
            self.run_task(tab, task);
        }
    }
}
