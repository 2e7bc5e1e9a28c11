//! The rules of a session beside a naive model of them, written from the documents alone, through
//! random interleavings of agents, people, crashes and restarts. What enters the log is judged once
//! more by a checker that knows neither.
//!
//! `SEED`, `CASES` and `STEPS` repeat and scale a run.

#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test ends where its helpers fail"
)]

mod call;
mod check;
mod generate;
mod model;
mod world;

use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};

use self::generate::{Generator, Step};
use self::world::World;

/// Interleavings of one run, unless `CASES` says otherwise.
const CASES: u32 = 40;
/// Steps of the longest interleaving, unless `STEPS` says otherwise.
const STEPS: usize = 400;
/// The same run each time, unless `SEED` says otherwise.
const SEED: u64 = 1;
/// Tries to make a failing interleaving shorter.
const SHRINK_MAX_RUNS: usize = 800;

fn setting<T: std::str::FromStr>(name: &str, default: T) -> T {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

fn steps(longest: usize) -> impl Strategy<Value = Vec<Step>> {
    prop::collection::vec((0..1000_u16, any::<u32>()), 1..longest)
        .prop_map(|steps| steps.into_iter().map(|(op, dice)| Step { op, dice }).collect())
}

/// Runs one interleaving to its end, and says what went wrong.
fn play(steps: &[Step]) -> (World, Result<(), String>) {
    let mut world = World::new();
    let mut generator = Generator::default();
    let outcome = steps.iter().try_for_each(|step| {
        let call = generator.call(step, &world);
        call.map_or(Ok(()), |call| world.apply(call))
    });
    let outcome = outcome.and_then(|()| world.settle()).and_then(|()| check::log(&world.log()));
    (world, outcome)
}

/// Leaves out every step that is not needed for something to go wrong. A step that is left out
/// changes what those behind it mean, so what goes wrong may change too.
fn shortest(mut steps: Vec<Step>) -> (String, String) {
    let mut index = steps.len();
    let mut left = SHRINK_MAX_RUNS;
    let mut is_shorter = false;
    while left > 0 {
        if index == 0 {
            if !is_shorter {
                break;
            }
            (index, is_shorter) = (steps.len(), false);
        }
        index -= 1;
        left -= 1;
        let step = steps.remove(index);
        if play(&steps).1.is_ok() {
            steps.insert(index, step);
        } else {
            is_shorter = true;
        }
    }
    let (world, outcome) = play(&steps);
    (world.trace.join("\n"), outcome.err().unwrap_or_default())
}

// Sections 4 to 7; invariants 4 to 7
#[test]
fn every_interleaving_goes_as_the_documents_say() {
    let (seed, cases) = (setting("SEED", SEED), setting("CASES", CASES));
    let longest = setting("STEPS", STEPS);
    println!("SEED={seed} CASES={cases} STEPS={longest}");
    let config =
        Config { cases, failure_persistence: None, max_shrink_iters: 0, ..Config::default() };
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let mut tally = generate::Tally::default();
    let tally_of = std::cell::RefCell::new(&mut tally);
    let result = TestRunner::new_with_rng(config, rng).run(&steps(longest), |steps| {
        let (world, outcome) = play(&steps);
        tally_of.borrow_mut().add(&world);
        outcome.map_err(TestCaseError::fail)?;
        Ok(())
    });
    match result {
        Ok(()) => println!("{tally}"),
        Err(TestError::Fail(first, steps)) => {
            let (trace, wrong) = shortest(steps);
            let calls = tally.calls;
            panic!(
                "SEED={seed} CASES={cases} STEPS={longest}: after {calls} calls {first}\n\n{trace}\n{wrong}"
            );
        }
        Err(TestError::Abort(reason)) => panic!("{reason}"),
    }
    // Each of these has to happen, or the run shows nothing.
    assert!(tally.is_full(), "a run that leaves rules out: {tally}");
}

#[test]
fn the_same_steps_go_the_same_way() {
    let steps: Vec<Step> = (0..300_u32)
        .map(|n| Step { op: (n * 37 % 1000) as u16, dice: n.wrapping_mul(2_654_435_761) })
        .collect();
    assert_eq!(play(&steps).0.trace, play(&steps).0.trace);
}
