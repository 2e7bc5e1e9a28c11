//! Who is attached to a session, told to all who are. It is not of the log: nothing here is kept,
//! numbered or sent twice, and the newest word is the whole truth.

mod members;

use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use durable_sessions_protocol::event::Principal;
use durable_sessions_protocol::frame::{Member, ServerFrame};
use durable_sessions_protocol::id::{Id, SessionId};
use tokio::runtime::Handle;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep_until};
use tokio_tungstenite::tungstenite::Utf8Bytes;
use xxhash_rust::xxh3::xxh3_64;

use self::members::Members;

/// What counts as one member: a browser with all its tabs, or one process.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Device {
    principal: Principal,
    /// What others are told.
    name: Id,
}

impl Device {
    /// The device behind a connection: its group, else its client instance, else itself.
    ///
    /// The name is the same whenever they are, and says nothing else: others are not told the ids.
    #[must_use]
    pub fn of(
        principal: &Principal,
        group: Option<&Id>,
        client: Option<&Id>,
        connection: u64,
    ) -> Self {
        // An id has no line breaks.
        let known = match (group, client) {
            (Some(group), _) => format!("group\n{principal}\n{group}"),
            (None, Some(client)) => format!("client\n{principal}\n{client}"),
            (None, None) => format!("connection\n{principal}\n{connection}"),
        };
        let name = Id::parse(&format!("{:016x}", xxh3_64(known.as_bytes())))
            .unwrap_or_else(|_| unreachable!("hexadecimal digits are an id"));
        Self { principal: principal.clone(), name }
    }
}

/// The presence of one session.
#[derive(Debug)]
pub(super) struct Room {
    session: SessionId,
    state: Mutex<State>,
    /// The newest `presence` frame; `None` while nobody is there.
    told: watch::Sender<Option<Utf8Bytes>>,
    /// The task that tells has to look at its clock again.
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    members: Members,
    /// Whether a task waits for the next deadline.
    is_timed: bool,
}

impl Room {
    pub(super) fn new(session: SessionId) -> Arc<Self> {
        Arc::new(Self {
            session,
            state: Mutex::default(),
            told: watch::Sender::new(None),
            changed: Notify::new(),
        })
    }

    /// A device follows the session for as long as the guard lives.
    pub(super) fn enter(self: &Arc<Self>, device: Device) -> (Present, Presence) {
        // Subscribed before the change, so that the frame that tells of it cannot be missed.
        let mut told = self.told.subscribe();
        let (serial, is_change) = self.update(|members| members.attach(&device, Instant::now()));
        if !is_change {
            told.mark_changed();
        }
        (Present { room: Arc::clone(self), device, serial }, Presence(told))
    }

    /// Everyone that is listed.
    pub(super) fn members(&self) -> Vec<Member> {
        self.lock().members.list()
    }

    fn update<T>(self: &Arc<Self>, what: impl FnOnce(&mut Members) -> T) -> T {
        let mut state = self.lock();
        let result = what(&mut state.members);
        let starts = !state.is_timed && state.members.deadline().is_some();
        state.is_timed |= starts;
        drop(state);
        if starts {
            // A guard may be dropped after the runtime: then nobody is left to be told.
            if let Ok(runtime) = Handle::try_current() {
                runtime.spawn(tell(Arc::clone(self)));
            }
        } else {
            self.changed.notify_one();
        }
        result
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it is held.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// When to tick next; `None` ends the task.
    fn deadline(&self) -> Option<Instant> {
        let mut state = self.lock();
        let deadline = state.members.deadline();
        state.is_timed = deadline.is_some();
        deadline
    }

    /// What is to be told now: who is listed, and how many there are.
    fn tick(&self) -> Option<(Vec<Member>, usize)> {
        let mut state = self.lock();
        let members = &mut state.members;
        members.tick(Instant::now()).then(|| (members.list(), members.total()))
    }
}

/// Tells a room's changes until there are no more. A room has one such task at most.
async fn tell(room: Arc<Room>) {
    while let Some(deadline) = room.deadline() {
        tokio::select! {
            () = sleep_until(deadline) => {}
            () = room.changed.notified() => continue,
        }
        if let Some((members, total)) = room.tick() {
            let session = room.session.clone();
            let frame = ServerFrame::Presence { session, members, total };
            room.told.send_replace((total > 0).then(|| frame.to_json().into()));
        }
    }
}

/// A device is attached while this lives.
#[derive(Debug)]
pub struct Present {
    room: Arc<Room>,
    device: Device,
    serial: u64,
}

impl Present {
    /// So many tabs of the device follow the session.
    pub fn tell_tabs(&self, tabs: NonZeroU32) {
        let (device, serial) = (&self.device, self.serial);
        self.room.update(|members| members.tell_tabs(device, serial, tabs, Instant::now()));
    }
}

impl Drop for Present {
    fn drop(&mut self) {
        let (device, serial) = (&self.device, self.serial);
        self.room.update(|members| members.detach(device, serial, Instant::now()));
    }
}

/// Hears who is attached. A slow listener hears only the newest.
#[derive(Debug)]
pub struct Presence(watch::Receiver<Option<Utf8Bytes>>);

impl Presence {
    /// The next `presence` frame; one text for all who listen. `None` when the session is closed.
    pub async fn next(&mut self) -> Option<Utf8Bytes> {
        loop {
            self.0.changed().await.ok()?;
            if let Some(frame) = &*self.0.borrow_and_update() {
                return Some(frame.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_is_named_by_its_group_then_its_client_then_its_connection() {
        fn name(principal: &str, group: Option<&str>, client: Option<&str>, number: u64) -> Id {
            let [group, client] = [group, client].map(|id| id.map(|id| Id::parse(id).unwrap()));
            let principal = Principal::parse(principal).unwrap();
            Device::of(&principal, group.as_ref(), client.as_ref(), number).name
        }
        let grouped = name("user/ann", Some("g"), Some("c"), 1);
        assert_eq!(grouped, name("user/ann", Some("g"), Some("other"), 2));
        let alone = name("user/ann", None, Some("c"), 1);
        assert_eq!(alone, name("user/ann", None, Some("c"), 2));
        let others = [
            &grouped,
            &alone,
            &name("user/ann", Some("c"), None, 1),
            &name("agent/ann", Some("g"), None, 1),
            &name("user/ann", None, None, 1),
            &name("user/ann", None, None, 2),
        ];
        for (n, one) in others.iter().enumerate() {
            assert!(others.iter().skip(n + 1).all(|other| one != other), "{others:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn everyone_hears_the_same_text_and_a_late_one_only_the_newest() {
        let room = Room::new(SessionId::parse("s").unwrap());
        let device = |n| Device::of(&Principal::parse("user/ann").unwrap(), None, None, n);
        let (_one, mut first) = room.enter(device(1));
        let (_two, mut second) = room.enter(device(2));
        let (heard, also) = (first.next().await.unwrap(), second.next().await.unwrap());
        assert!(std::ptr::eq(heard.as_str(), also.as_str()), "encoded once");
        assert!(heard.ends_with("\"total\":2}"), "{heard}");
        let (_three, mut third) = room.enter(device(3));
        third.next().await.unwrap();
        let (_four, mut fourth) = room.enter(device(4));
        fourth.next().await.unwrap();
        assert!(first.next().await.unwrap().ends_with("\"total\":4}"));
        // One that changes nothing hears at once how it stands.
        let (_again, mut again) = room.enter(device(4));
        let before = Instant::now();
        assert!(again.next().await.unwrap().ends_with("\"total\":4}"));
        assert_eq!(before, Instant::now());
    }

    #[tokio::test(start_paused = true)]
    async fn an_empty_room_keeps_nothing() {
        let room = Room::new(SessionId::parse("s").unwrap());
        let device = Device::of(&Principal::parse("user/ann").unwrap(), None, None, 1);
        let (guard, mut presence) = room.enter(device);
        presence.next().await.unwrap();
        drop((guard, presence));
        tokio::time::sleep(std::time::Duration::from_secs(3)).await;
        assert!(room.members().is_empty());
        assert!(room.told.borrow().is_none());
        assert_eq!(Arc::strong_count(&room), 1, "its task has ended");
    }
}
