//! Many seeds, each a run in which anything happens.

use super::chaos::Chaos;
use super::world::World;

/// Steps of each seed before the faults end; together more than 100,000.
const STEPS: u64 = 2_000;
const SEEDS: u64 = 52;

/// Says how to run a failed seed again.
struct Failure {
    seed: u64,
    steps: u64,
}

impl Drop for Failure {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let Self { seed, steps } = self;
            eprintln!(
                "seed {seed}; again, with all that happens: TABS_SEED={seed} TABS_STEPS={steps} \
                 TABS_TRACE=1 cargo test -p durable-sessions-client --test suite tabs::simulation",
            );
        }
    }
}

/// Plays a seed to its good end. Answers its world.
fn play(seed: u64, steps: u64) -> World {
    let _failure = Failure { seed, steps };
    let mut world = World::new(seed);
    let mut chaos = Chaos::new(&mut world);
    while world.steps < steps {
        chaos.strike(&mut world);
        assert!(world.step(), "there are agents at work");
        world.tidy_connections();
    }
    chaos.end(&mut world);
    world.calm_down();
    world.stays_well();
    // Who slept through it all is behind, and catches up.
    world.wake_all();
    world.calm_down();
    world.stays_well();
    world
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|value| value.parse().expect(name))
}

/// `TABS_SEED` plays one seed, `TABS_SEEDS` so many, `TABS_STEPS` longer ones.
#[test]
fn whatever_happens_every_tab_sees_the_log_and_every_act_arrives_once() {
    let steps = number("TABS_STEPS").unwrap_or(STEPS);
    if let Some(seed) = number("TABS_SEED") {
        play(seed, steps);
        return;
    }
    for seed in 0..number("TABS_SEEDS").unwrap_or(SEEDS) {
        play(seed, steps);
    }
}

#[test]
fn a_seed_played_twice_is_the_same_to_the_last_step() {
    for seed in [3, 14, 15] {
        let (one, other) = (play(seed, STEPS), play(seed, STEPS));
        assert_eq!((one.steps, one.trace.digest()), (other.steps, other.trace.digest()), "{seed}");
        assert_ne!(one.trace.digest(), play(seed + 100, STEPS).trace.digest());
    }
}
