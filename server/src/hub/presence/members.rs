//! Who is attached to a session, and when that is told. Pure: time is an argument.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;
use std::time::Duration;

use durable_sessions_protocol::frame::Member;
use durable_sessions_protocol::limits::{
    PRESENCE_CROWD_GATHER_MS, PRESENCE_CROWD_MEMBERS, PRESENCE_GATHER_MS, PRESENCE_LINGER_MS,
    PRESENCE_MAX_MEMBERS,
};
use tokio::time::Instant;

use super::Device;
use crate::limits::PRESENCE_DEPARTURES_MAX;

/// The devices that follow a session, and those that did until a moment ago.
#[derive(Debug, Default)]
pub(super) struct Members {
    by_device: BTreeMap<Device, Attaches>,
    /// When those that linger are forgotten; at most one entry a device.
    departures: BTreeSet<(Instant, Device)>,
    next_serial: u64,
    /// Since when there is something to tell.
    changed: Option<Instant>,
}

/// A device's attaches: one, or for a moment the one before it too.
#[derive(Debug, Default)]
struct Attaches {
    /// By serial, the newest last; the tabs it told of.
    open: BTreeMap<u64, Option<NonZeroU32>>,
    /// What counts until the next one is there.
    lingering: Option<Lingering>,
}

#[derive(Debug)]
struct Lingering {
    until: Instant,
    tabs: Option<NonZeroU32>,
}

impl Attaches {
    /// The tabs of the newest that told of any. One that has just come and told of none yet takes
    /// over those of the one before it, so that a handover changes nothing.
    fn tabs(&self) -> NonZeroU32 {
        let told = self.open.values().rev().copied().flatten().next();
        let lingering = self.lingering.as_ref().and_then(|lingering| lingering.tabs);
        told.or(lingering).unwrap_or(NonZeroU32::MIN)
    }
}

impl Members {
    /// A device attaches once more; the attach's serial, and whether anybody will be told.
    pub(super) fn attach(&mut self, device: &Device, now: Instant) -> (u64, bool) {
        self.next_serial += 1;
        let serial = self.next_serial;
        let is_change = self.change(device, now, |attaches| {
            attaches.open.insert(serial, None);
        });
        (serial, is_change)
    }

    /// An attach says how many tabs are behind it.
    pub(super) fn tell_tabs(
        &mut self,
        device: &Device,
        serial: u64,
        tabs: NonZeroU32,
        now: Instant,
    ) {
        self.change(device, now, |attaches| {
            attaches.open.entry(serial).and_modify(|told| *told = Some(tabs));
        });
    }

    /// An attach ends; its device lingers.
    pub(super) fn detach(&mut self, device: &Device, serial: u64, now: Instant) {
        let until = now + Duration::from_millis(PRESENCE_LINGER_MS);
        let has_room = self.departures.len() < PRESENCE_DEPARTURES_MAX;
        let mut earlier = None;
        self.change(device, now, |attaches| {
            let Some(tabs) = attaches.open.remove(&serial) else { return };
            earlier = attaches.lingering.take();
            let tabs = tabs.or(earlier.as_ref().and_then(|earlier| earlier.tabs));
            if has_room {
                attaches.lingering = Some(Lingering { until, tabs });
            }
        });
        if let Some(earlier) = earlier {
            self.departures.remove(&(earlier.until, device.clone()));
        }
        if has_room {
            self.departures.insert((until, device.clone()));
        }
    }

    /// When [`tick`](Self::tick) has something to do.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let departure = self.departures.first().map(|(until, _)| *until);
        [departure, self.tell_at()].into_iter().flatten().min()
    }

    /// Forgets who has gone; whether the members are to be told now.
    pub(super) fn tick(&mut self, now: Instant) -> bool {
        while self.departures.first().is_some_and(|(until, _)| *until <= now) {
            let Some((_, device)) = self.departures.pop_first() else { break };
            self.change(&device, now, |attaches| attaches.lingering = None);
        }
        let is_due = self.tell_at().is_some_and(|at| at <= now);
        if is_due {
            self.changed = None;
        }
        is_due
    }

    /// How many there are.
    pub(super) fn total(&self) -> usize {
        self.by_device.len()
    }

    /// Those that are listed, in the order of principals and devices.
    pub(super) fn list(&self) -> Vec<Member> {
        let members = self.by_device.iter().take(PRESENCE_MAX_MEMBERS);
        members
            .map(|(device, attaches)| Member {
                from: device.principal.clone(),
                device: device.name.clone(),
                tabs: attaches.tabs(),
            })
            .collect()
    }

    /// Changes go out together: a crowd that comes at once is told once.
    fn tell_at(&self) -> Option<Instant> {
        let gather_ms = if self.by_device.len() > PRESENCE_CROWD_MEMBERS {
            PRESENCE_CROWD_GATHER_MS
        } else {
            PRESENCE_GATHER_MS
        };
        self.changed.map(|since| since + Duration::from_millis(gather_ms))
    }

    /// Does something to a device; whether it looks different then.
    fn change(&mut self, device: &Device, now: Instant, what: impl FnOnce(&mut Attaches)) -> bool {
        let before = self.by_device.get(device).map(Attaches::tabs);
        let attaches = self.by_device.entry(device.clone()).or_default();
        what(attaches);
        let is_here = !attaches.open.is_empty() || attaches.lingering.is_some();
        let after = is_here.then(|| attaches.tabs());
        if !is_here {
            self.by_device.remove(device);
        }
        if after != before {
            self.changed.get_or_insert(now);
        }
        after != before
    }
}

#[cfg(test)]
mod tests {
    use durable_sessions_protocol::event::Principal;
    use durable_sessions_protocol::id::Id;

    use super::*;

    /// Members and a clock that only the test moves.
    struct Scene {
        members: Members,
        now: Instant,
    }

    impl Scene {
        fn new() -> Self {
            Self { members: Members::default(), now: Instant::now() }
        }

        fn attach(&mut self, name: &str) -> u64 {
            self.members.attach(&device(name), self.now).0
        }

        fn tell_tabs(&mut self, name: &str, serial: u64, tabs: u32) {
            let tabs = NonZeroU32::new(tabs).unwrap();
            self.members.tell_tabs(&device(name), serial, tabs, self.now);
        }

        fn detach(&mut self, name: &str, serial: u64) {
            self.members.detach(&device(name), serial, self.now);
        }

        /// Lets time pass, from one deadline to the next; what is told then, and after how long.
        fn pass(&mut self, ms: u64) -> Vec<(u128, String)> {
            let (start, end) = (self.now, self.now + Duration::from_millis(ms));
            let mut told = Vec::new();
            while let Some(deadline) = self.members.deadline().filter(|&at| at <= end) {
                self.now = self.now.max(deadline);
                if self.members.tick(self.now) {
                    told.push(((self.now - start).as_millis(), self.look()));
                }
            }
            self.now = end;
            told
        }

        /// `name:tabs` of everyone.
        fn look(&self) -> String {
            let names: Vec<String> = self
                .members
                .list()
                .iter()
                .map(|member| format!("{}:{}", member.device, member.tabs))
                .collect();
            names.join(" ")
        }
    }

    fn device(name: &str) -> Device {
        Device { principal: Principal::parse("user/ann").unwrap(), name: Id::parse(name).unwrap() }
    }

    fn told(ms: u128, look: &str) -> Vec<(u128, String)> {
        vec![(ms, look.to_owned())]
    }

    #[test]
    fn arrivals_are_told_together() {
        let mut scene = Scene::new();
        scene.attach("a");
        assert!(scene.pass(30).is_empty());
        scene.attach("b");
        assert_eq!(scene.pass(30), told(20, "a:1 b:1"));
        assert_eq!(scene.members.deadline(), None);
    }

    #[test]
    fn a_departure_is_told_late() {
        let mut scene = Scene::new();
        let a = scene.attach("a");
        scene.attach("b");
        scene.pass(100);
        scene.detach("a", a);
        assert_eq!(scene.pass(10_000), told(2_050, "b:1"));
        assert_eq!(scene.members.deadline(), None);
    }

    #[test]
    fn a_handover_changes_nothing_in_either_order() {
        let mut scene = Scene::new();
        let older = scene.attach("a");
        scene.tell_tabs("a", older, 8);
        assert_eq!(scene.pass(100), told(50, "a:8"));
        scene.detach("a", older);
        scene.pass(1_900);
        let newer = scene.attach("a");
        scene.tell_tabs("a", newer, 8);
        assert!(scene.pass(10_000).is_empty(), "first gone, then there");
        scene.attach("a");
        scene.detach("a", newer);
        assert!(scene.pass(1_999).is_empty(), "first there, then gone");
        // It had a moment to say how many tabs are left.
        assert_eq!(scene.pass(10_000), told(51, "a:1"));
    }

    #[test]
    fn the_newest_attach_tells_the_tabs() {
        let mut scene = Scene::new();
        let older = scene.attach("a");
        scene.tell_tabs("a", older, 8);
        let newer = scene.attach("a");
        scene.tell_tabs("a", newer, 7);
        scene.tell_tabs("a", older, 3);
        assert_eq!(scene.pass(100), told(50, "a:7"));
        scene.tell_tabs("a", newer, 7);
        assert!(scene.pass(100).is_empty(), "the same again");
        scene.detach("a", newer);
        scene.tell_tabs("a", newer, 9);
        assert_eq!(scene.pass(100), told(50, "a:3"), "one that has gone tells nothing");
    }

    #[test]
    fn a_crowd_is_told_once_a_second_and_listed_in_part() {
        let mut scene = Scene::new();
        for n in 0..200 {
            scene.attach(&format!("d{n:03}"));
        }
        let told = scene.pass(999);
        assert!(told.is_empty());
        let told = scene.pass(1);
        assert_eq!(told.len(), 1);
        assert_eq!((scene.members.list().len(), scene.members.total()), (100, 200));
        // A storm of changes makes no more of it.
        let mut frames = 0;
        for _ in 0..300 {
            let serial = scene.attach("d100");
            scene.tell_tabs("d100", serial, 2);
            scene.detach("d100", serial);
            let serial = scene.attach("new");
            scene.tell_tabs("d000", serial, 2);
            scene.detach("new", serial);
            frames += scene.pass(10).len();
        }
        assert!(frames <= 3, "{frames}");
    }

    #[test]
    fn only_so_many_linger() {
        let mut scene = Scene::new();
        for n in 0..PRESENCE_DEPARTURES_MAX + 10 {
            let name = n.to_string();
            let serial = scene.attach(&name);
            scene.detach(&name, serial);
        }
        assert_eq!(scene.members.total(), PRESENCE_DEPARTURES_MAX);
        assert_eq!(scene.members.departures.len(), PRESENCE_DEPARTURES_MAX);
        // One device that comes and goes is one.
        for _ in 0..100 {
            let serial = scene.attach("0");
            scene.detach("0", serial);
        }
        assert!(scene.members.departures.len() <= PRESENCE_DEPARTURES_MAX);
        scene.pass(10_000);
        assert_eq!((scene.members.total(), scene.members.departures.len()), (0, 0));
    }
}
