//! One thing after the other that a user, a browser, a network or a server may do.

use durable_sessions_client::core::{Input, StopTarget, Token};
use durable_sessions_protocol::id::{Id, SessionId};

use super::browser::FOLLOW;
use super::random::Random;
use super::tab::{Life, Tab, TabId};
use super::world::{Event, Weather, World, group, session};

const TABS_MAX: usize = 6;

/// What a seed makes of a world, and how wild it is.
#[derive(Debug)]
pub(super) struct Chaos {
    sessions: Vec<SessionId>,
    /// Mean pause between two faults.
    pause_ms: u64,
    has_tokens: bool,
    next_at: u64,
}

impl Chaos {
    pub(super) fn new(world: &mut World) -> Self {
        let random = &mut world.random;
        let names = ["s1", "s2", "s3", "s4"];
        let count = usize::try_from(random.within(2..5)).unwrap();
        let chaos = Self {
            sessions: names[..count].iter().map(|name| session(name)).collect(),
            pause_ms: *random.pick(&[40, 200, 800, 2_500]).unwrap(),
            has_tokens: random.percent(30),
            next_at: 0,
        };
        world.weather = weather(random);
        let tabs = random.within(2..TABS_MAX as u64 + 1);
        for session in chaos.sessions.clone() {
            world.agent(session);
        }
        for _ in 0..tabs {
            chaos.open_tab(world);
        }
        chaos
    }

    /// Something happens, if it is time for it.
    pub(super) fn strike(&mut self, world: &mut World) {
        if world.now >= self.next_at {
            self.next_at = world.now + world.random.within(1..self.pause_ms * 2);
            self.act(world);
        }
    }

    /// No tab is left alone with nothing to do, and all but a few run again.
    pub(super) fn end(&self, world: &mut World) {
        for tab in world.living() {
            if world.random.percent(80) {
                world.thaw(tab);
                world.restore(tab);
            }
            world.tabs[tab.0].token = granted();
        }
        if world.tabs_that(Tab::is_awake).is_empty() {
            self.open_tab(world);
        }
        for tab in world.tabs_that(Tab::is_awake) {
            if world.tabs[tab.0].sessions.is_empty() {
                world.follow(tab, &self.sessions[0]);
            }
        }
    }

    fn open_tab(&self, world: &mut World) {
        let tab = world.open_tab_as("user/anonymous", Some(group("one")), self.has_tokens);
        for session in &self.sessions {
            if world.random.percent(60) {
                world.follow(tab, session);
            }
        }
    }

    fn act(&self, world: &mut World) {
        let awake = world.tabs_that(Tab::is_awake);
        let living = world.living();
        let die = world.random.within(0..100);
        let Some(&tab) = world.random.pick(&awake) else {
            return match world.random.pick(&living) {
                Some(&tab) if die < 70 => {
                    world.thaw(tab);
                    world.restore(tab);
                }
                _ => self.open_tab(world),
            };
        };
        match die {
            0..30 => self.use_session(world, tab),
            30..40 => sleep(world, tab),
            40..46 => {
                if let Some(&tab) = world.random.pick(&living) {
                    world.thaw(tab);
                    world.restore(tab);
                }
            }
            46..53 if living.len() > 1 => {
                let victim = *world.random.pick(&living).unwrap();
                world.kill(victim);
            }
            46..58 if living.len() < TABS_MAX => self.open_tab(world),
            46..66 => {
                if world.tabs[tab.0].is_hidden {
                    world.show(tab);
                } else {
                    world.hide(tab);
                }
            }
            66..78 => {
                let is_silent = world.random.percent(40);
                for tab in awake {
                    world.cut(tab, is_silent);
                }
            }
            78..84 => {
                let ms = world.random.within(1..6_000);
                world.steal_lock(&group("one").key, ms);
            }
            84..90 => {
                let apart = living.into_iter().filter(|_| world.random.percent(50));
                world.weather.partition = apart.collect();
                let ms = world.random.within(100..15_000);
                world.note(ms, Event::Heal);
            }
            90..94 => {
                world.weather.is_down = true;
                let ms = world.random.within(100..8_000);
                world.note(ms, Event::NetworkBack);
            }
            94..96 => world.crash_server(),
            96..98 => world.server.not_now = 3,
            98 => {
                let is_good = world.random.percent(50);
                let token = if is_good { granted() } else { Token::Failed };
                world.tabs[tab.0].token = token;
            }
            _ => {
                let online = world.random.percent(70);
                world.tell(tab, Input::Network { online });
            }
        }
    }

    /// What people do.
    fn use_session(&self, world: &mut World, tab: TabId) {
        let session = world.random.pick(&self.sessions).unwrap().clone();
        let watch = world.tabs[tab.0].sessions.get(&session);
        let seen = watch.map(|watch| watch.patches_at);
        match (world.random.within(0..100), seen) {
            (0..38, _) => {
                world.send(tab, &session);
            }
            (38..45, _) => {
                world.send_if_idle(tab, &session);
            }
            (45..60, _) => {
                let target = stop_target(world, &session);
                world.stop(tab, &session, target);
            }
            (60..75, Some(seen)) => {
                let after = world.random.within(0..seen + 1);
                world.read(tab, &session, after);
            }
            (75..90, Some(_)) if world.tabs[tab.0].sessions.len() > 1 => {
                world.unfollow(tab, &session);
            }
            (_, Some(_)) => {
                // Once more, by another part of the page.
                world.tell(tab, Input::Attach { session, follow: FOLLOW });
            }
            (_, None) => world.follow(tab, &session),
        }
    }
}

fn granted() -> Token {
    Token::Granted("token".to_owned())
}

fn weather(random: &mut Random) -> Weather {
    let is_honest = random.percent(40);
    let channel_max = *random.pick(&[3, 30, 300, 2_500]).unwrap();
    Weather {
        latency_ms: 1..*random.pick(&[5, 40, 900]).unwrap(),
        failing_percent: *random.pick(&[0, 10, 40]).unwrap(),
        channel_ms: 0..if is_honest { 5 } else { channel_max },
        is_ordered: is_honest,
        lost_percent: if is_honest { 0 } else { *random.pick(&[0, 5, 30]).unwrap() },
        doubled_percent: if is_honest { 0 } else { *random.pick(&[0, 5, 30]).unwrap() },
        lock_ms: 0..*random.pick(&[20, 3_000]).unwrap(),
        token_ms: 1..*random.pick(&[20, 2_000]).unwrap(),
        agents_ms: *random.pick(&[15, 60, 400]).unwrap(),
        ..Weather::calm()
    }
}

/// It stops to run for a while, or until it is woken.
fn sleep(world: &mut World, tab: TabId) {
    let ms = world.random.within(50..20_000);
    let wakes = world.random.percent(70);
    if world.random.percent(15) {
        // The whole machine does.
        for tab in world.tabs_that(Tab::is_awake) {
            world.freeze(tab);
            world.note(ms, Event::Thaw(tab));
        }
        return;
    }
    if world.random.percent(60) {
        world.freeze(tab);
        if wakes {
            world.note(ms, Event::Thaw(tab));
        }
    } else {
        world.suspend(tab);
        if wakes {
            world.note(ms, Event::Restore(tab));
        }
    }
    debug_assert!(world.tabs[tab.0].life != Life::Awake);
}

fn stop_target(world: &mut World, session: &SessionId) -> StopTarget {
    let runs = world.server.log(session).open_runs();
    let run = world.random.pick(&runs).map(|run| run.id.clone());
    let made = world.acts_made;
    let kind = world.random.within(0..3);
    match (kind, run) {
        (0, Some(run)) => StopTarget::Run(run),
        (1, _) if made > 0 => {
            let number = world.random.within(0..u64::from(made)) + 1;
            StopTarget::Message(Id::parse(&format!("act{number}")).unwrap())
        }
        _ => StopTarget::All,
    }
}
