//! What workers are offered, as they and the sessions see it.

mod simulation;

use std::time::Duration;

use durable_sessions_protocol::event::{Principal, PrincipalKind};

use super::*;

pub(super) fn id(text: &str) -> Id {
    Id::parse(text).unwrap()
}

pub(super) fn session(text: &str) -> SessionId {
    SessionId::parse(text).unwrap()
}

pub(super) fn principal(text: &str) -> Principal {
    Principal { kind: PrincipalKind::Agent, id: id(text) }
}

fn offer(input: &str, attempt: u32) -> Offer {
    let offset = Offset::new(1).unwrap();
    Offer { agent: id("assistant"), input: id(input), attempt, offset }
}

fn connection(number: u64) -> Connection {
    Connection { number, client: None }
}

fn service(slots: u32, sessions: Option<&str>) -> Service {
    let sessions = sessions.map(|pattern| vec![pattern.to_owned()]);
    let sessions = Patterns::parse(sessions.as_deref()).unwrap();
    Service { agent: id("assistant"), sessions, slots, producer: None }
}

fn serve(dispatcher: &Dispatcher, number: u64, service: Service) -> Wakes {
    let (sender, wakes) = wake_queue();
    dispatcher.serve(&connection(number), service, &sender);
    wakes
}

fn worker(dispatcher: &Dispatcher, number: u64, slots: u32) -> Wakes {
    serve(dispatcher, number, service(slots, None))
}

/// A worker that writes as a producer of the principal `worker`.
fn restarted(dispatcher: &Dispatcher, number: u64, slots: u32, producer: &str) -> Wakes {
    let producer = Some((principal("worker"), id(producer)));
    serve(dispatcher, number, Service { producer, ..service(slots, None) })
}

fn waiting(inputs: &[&str]) -> Report {
    let offers = inputs.iter().map(|input| offer(input, 1)).collect();
    Report { offers, ..Report::default() }
}

/// A connection works on an input.
fn claimed_by(connection: u64) -> Report {
    let claims = vec![Claim { agent: id("assistant"), connection }];
    Report { claims, ..Report::default() }
}

/// Nobody holds these runs of the producer `p`.
fn orphaned(runs: &[&str]) -> Report {
    let orphans = runs.iter().map(|run| Orphan {
        principal: principal("worker"),
        producer: id("p"),
        agent: id("assistant"),
        run: id(run),
        input: id("m1"),
        attempt: 1,
    });
    Report { orphans: orphans.collect(), ..Report::default() }
}

/// The inputs that were offered since the last look.
fn inputs(wakes: &mut Wakes) -> Vec<String> {
    std::iter::from_fn(|| wakes.take()).map(|wake| wake.input.to_string()).collect()
}

/// The sessions that they were of.
fn sessions(wakes: &mut Wakes) -> Vec<String> {
    std::iter::from_fn(|| wakes.take()).map(|wake| wake.session.to_string()).collect()
}

/// The runs that were to be gone on with.
fn runs(wakes: &mut Wakes) -> Vec<String> {
    let wakes = std::iter::from_fn(|| wakes.take());
    let runs = wakes.map(|wake| match wake.task {
        Task::TakeOver(run) => run.to_string(),
        Task::Claim(_) => panic!("{wake:?}"),
    });
    runs.collect()
}

#[tokio::test(start_paused = true)]
async fn an_input_waits_for_a_worker_and_goes_to_one() {
    let dispatcher = Dispatcher::default();
    dispatcher.report(&session("s"), waiting(&["m1"]));
    let mut one = worker(&dispatcher, 1, 1);
    let mut two = worker(&dispatcher, 2, 1);
    assert_eq!(inputs(&mut one), ["m1"]);
    assert!(inputs(&mut two).is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_unclaimed_offer_goes_to_another_worker_after_its_time() {
    let dispatcher = Dispatcher::default();
    let mut one = worker(&dispatcher, 1, 1);
    let mut two = worker(&dispatcher, 2, 1);
    dispatcher.report(&session("s"), waiting(&["m1"]));
    assert_eq!(inputs(&mut one), ["m1"]);
    let start = Instant::now();
    assert_eq!(two.next().await.input, id("m1"));
    assert_eq!(start.elapsed().as_secs(), 10);
    assert!(inputs(&mut one).is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_offer_that_is_over_before_it_was_looked_at_is_not_told() {
    let dispatcher = Dispatcher::default();
    let mut one = worker(&dispatcher, 1, 1);
    dispatcher.report(&session("s"), waiting(&["m1"]));
    dispatcher.report(&session("s"), waiting(&["m2"]));
    assert_eq!(inputs(&mut one), ["m2"]);
}

#[tokio::test(start_paused = true)]
async fn a_claimed_input_holds_its_slot_until_the_run_is_over() {
    let dispatcher = Dispatcher::default();
    let mut one = worker(&dispatcher, 1, 1);
    dispatcher.report(&session("s"), waiting(&["m1"]));
    assert_eq!(inputs(&mut one), ["m1"]);
    dispatcher.report(&session("s"), claimed_by(1));
    dispatcher.report(&session("t"), waiting(&["m2"]));
    // The clock is paused: a minute passes at once.
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert!(inputs(&mut one).is_empty());
    dispatcher.report(&session("s"), Report::default());
    assert_eq!(inputs(&mut one), ["m2"]);
}

#[tokio::test(start_paused = true)]
async fn an_input_that_another_claimed_holds_no_slot_of_who_was_offered_it() {
    let dispatcher = Dispatcher::default();
    let mut one = worker(&dispatcher, 1, 1);
    dispatcher.report(&session("s"), waiting(&["m1"]));
    dispatcher.report(&session("t"), waiting(&["m2"]));
    assert_eq!(inputs(&mut one), ["m1"]);
    dispatcher.report(&session("s"), claimed_by(7));
    assert_eq!(inputs(&mut one), ["m2"]);
}

#[tokio::test(start_paused = true)]
async fn a_run_that_was_taken_along_holds_a_slot() {
    let dispatcher = Dispatcher::default();
    dispatcher.report(&session("s"), claimed_by(2));
    let mut two = worker(&dispatcher, 2, 1);
    dispatcher.report(&session("t"), waiting(&["m2"]));
    assert!(inputs(&mut two).is_empty());
    dispatcher.report(&session("s"), Report::default());
    assert_eq!(inputs(&mut two), ["m2"]);
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_came_later_is_asked_before_one_that_let_an_offer_pass() {
    let dispatcher = Dispatcher::default();
    let mut one = worker(&dispatcher, 1, 1);
    dispatcher.report(&session("s"), waiting(&["m1"]));
    assert_eq!(inputs(&mut one), ["m1"]);
    let mut two = worker(&dispatcher, 2, 1);
    assert_eq!(two.next().await.input, id("m1"));
    assert!(inputs(&mut one).is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_was_let_pass_is_offered_after_what_was_not_offered_yet() {
    let dispatcher = Dispatcher::default();
    let mut one = worker(&dispatcher, 1, 1);
    dispatcher.report(&session("s"), waiting(&["m1", "m2"]));
    assert_eq!(one.next().await.input, id("m1"));
    assert_eq!(one.next().await.input, id("m2"));
    assert_eq!(one.next().await.input, id("m1"));
}

#[tokio::test(start_paused = true)]
async fn a_lost_input_is_offered_again() {
    let dispatcher = Dispatcher::default();
    let mut one = worker(&dispatcher, 1, 1);
    dispatcher.report(&session("s"), waiting(&["m1"]));
    assert_eq!(one.take().unwrap().attempt, 1);
    dispatcher.report(&session("s"), claimed_by(1));
    dispatcher.disconnect(&connection(1));
    dispatcher.report(&session("s"), Report { offers: vec![offer("m1", 2)], ..Report::default() });
    let mut two = worker(&dispatcher, 2, 1);
    assert_eq!(two.take().unwrap().attempt, 2);
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_is_gone_gives_back_what_it_did_not_claim() {
    let dispatcher = Dispatcher::default();
    let mut one = worker(&dispatcher, 1, 2);
    let mut two = worker(&dispatcher, 2, 1);
    dispatcher.report(&session("s"), waiting(&["m1"]));
    assert_eq!(inputs(&mut one), ["m1"]);
    dispatcher.disconnect(&connection(1));
    assert_eq!(inputs(&mut two), ["m1"]);
}

#[tokio::test(start_paused = true)]
async fn a_worker_is_asked_only_about_its_sessions() {
    let dispatcher = Dispatcher::default();
    let mut one = serve(&dispatcher, 1, service(9, Some("shop-*")));
    let mut two = serve(&dispatcher, 2, service(9, Some("s")));
    dispatcher.report(&session("s"), waiting(&["m1"]));
    dispatcher.report(&session("shop-1"), waiting(&["m2"]));
    assert_eq!(inputs(&mut one), ["m2"]);
    assert_eq!(inputs(&mut two), ["m1"]);
}

#[tokio::test(start_paused = true)]
async fn inputs_of_a_session_are_offered_in_the_order_of_the_log() {
    let dispatcher = Dispatcher::default();
    let mut one = worker(&dispatcher, 1, 2);
    dispatcher.report(&session("s"), waiting(&["m3", "m1", "m2"]));
    assert_eq!(inputs(&mut one), ["m3", "m1"]);
}

#[tokio::test(start_paused = true)]
async fn sessions_take_turns_however_much_one_of_them_has() {
    let dispatcher = Dispatcher::default();
    dispatcher.report(&session("a"), waiting(&["a1", "a2", "a3", "a4"]));
    dispatcher.report(&session("b"), waiting(&["b1", "b2"]));
    dispatcher.report(&session("c"), waiting(&["c1"]));
    let mut one = worker(&dispatcher, 1, 7);
    assert_eq!(sessions(&mut one), ["a", "b", "c", "a", "b", "a", "a"]);
}

#[tokio::test(start_paused = true)]
async fn a_session_with_500_inputs_does_not_keep_another_from_its_only_one() {
    let dispatcher = Dispatcher::default();
    let many: Vec<String> = (0..500).map(|n| format!("m{n}")).collect();
    let mut left: Vec<&str> = many.iter().map(String::as_str).collect();
    let mut one = worker(&dispatcher, 1, 1);
    dispatcher.report(&session("busy"), waiting(&left));
    dispatcher.report(&session("quiet"), waiting(&["q"]));
    let mut order = Vec::new();
    for _ in 0..3 {
        order.extend(inputs(&mut one));
        // The worker claims it and ends its run.
        left.remove(0);
        let claimed = Report { claims: claimed_by(1).claims, ..waiting(&left) };
        dispatcher.report(&session("busy"), claimed);
        dispatcher.report(&session("busy"), waiting(&left));
    }
    assert_eq!(order, ["m0", "m1", "q"]);
}

#[tokio::test(start_paused = true)]
async fn workers_that_come_free_at_once_share_what_waits() {
    let dispatcher = Dispatcher::default();
    let claim = |connection| Claim { agent: id("assistant"), connection };
    let claims = vec![claim(1), claim(1), claim(2), claim(2)];
    dispatcher.report(&session("s"), Report { claims, ..Report::default() });
    let mut one = worker(&dispatcher, 1, 2);
    let mut two = worker(&dispatcher, 2, 2);
    dispatcher.report(&session("t"), waiting(&["m1", "m2"]));
    dispatcher.report(&session("s"), Report::default());
    assert_eq!((inputs(&mut one).len(), inputs(&mut two).len()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_run_without_a_process_goes_to_the_next_one_of_its_producer() {
    let dispatcher = Dispatcher::default();
    dispatcher.report(&session("s"), orphaned(&["r1"]));
    let mut other = restarted(&dispatcher, 1, 1, "q");
    let mut none = worker(&dispatcher, 2, 1);
    let stranger = Some((principal("stranger"), id("p")));
    let mut stranger = serve(&dispatcher, 3, Service { producer: stranger, ..service(1, None) });
    let mut next = restarted(&dispatcher, 4, 1, "p");
    assert_eq!(runs(&mut next), ["r1"]);
    for worker in [&mut other, &mut none, &mut stranger] {
        assert!(worker.take().is_none());
    }
}

#[tokio::test(start_paused = true)]
async fn runs_to_go_on_with_come_before_new_input_and_take_slots() {
    let dispatcher = Dispatcher::default();
    let report = Report { offers: vec![offer("m9", 1)], ..orphaned(&["r1", "r2"]) };
    dispatcher.report(&session("s"), report);
    let mut worker = restarted(&dispatcher, 1, 2, "p");
    assert_eq!(runs(&mut worker), ["r1", "r2"]);
    // One is held, the other is not.
    let report = Report { claims: claimed_by(1).claims, ..orphaned(&["r2"]) };
    dispatcher.report(&session("s"), report);
    assert!(worker.take().is_none());
    assert_eq!(worker.next().await.task, Task::TakeOver(id("r2")), "offered again");
}

#[tokio::test(start_paused = true)]
async fn the_runs_that_a_process_left_in_a_session_come_in_a_row() {
    let dispatcher = Dispatcher::default();
    dispatcher.report(&session("s"), orphaned(&["r1", "r2"]));
    dispatcher.report(&session("t"), orphaned(&["r3", "r4"]));
    let mut worker = restarted(&dispatcher, 1, 3, "p");
    assert_eq!(runs(&mut worker), ["r1", "r2", "r3"]);
}

#[tokio::test(start_paused = true)]
async fn who_is_parked_is_offered_one_thing() {
    let dispatcher = Dispatcher::default();
    let mut parked = Parked::new(&dispatcher, connection(1), service(1, None));
    dispatcher.report(&session("s"), waiting(&["m1", "m2"]));
    assert_eq!(parked.offered().await.input, id("m1"));
    dispatcher.report(&session("s"), waiting(&["m2"]));
    let more = tokio::time::timeout(Duration::from_secs(60), parked.offered()).await;
    assert!(more.is_err(), "{more:?}");
}

#[tokio::test(start_paused = true)]
async fn who_is_parked_waits_on_when_its_offer_was_over_before_it_heard_of_it() {
    let dispatcher = Dispatcher::default();
    let mut parked = Parked::new(&dispatcher, connection(1), service(1, None));
    dispatcher.report(&session("s"), waiting(&["m1"]));
    dispatcher.report(&session("s"), Report::default());
    dispatcher.report(&session("s"), waiting(&["m2"]));
    dispatcher.forget_sessions();
    dispatcher.report(&session("s"), waiting(&["m3"]));
    assert_eq!(parked.offered().await.input, id("m3"));
}

#[tokio::test(start_paused = true)]
async fn an_offer_to_a_request_that_died_is_made_to_another_at_once() {
    let dispatcher = Dispatcher::default();
    let mut died = Parked::new(&dispatcher, connection(1), service(1, None));
    let unheard = Parked::new(&dispatcher, connection(2), service(1, None));
    dispatcher.report(&session("s"), waiting(&["m1", "m2"]));
    assert_eq!(died.offered().await.input, id("m1"));
    drop((died, unheard));
    let mut one = worker(&dispatcher, 3, 2);
    assert_eq!(inputs(&mut one).len(), 2);
}

#[tokio::test(start_paused = true)]
async fn what_a_request_settled_is_offered_to_nobody_before_its_session_speaks() {
    let dispatcher = Dispatcher::default();
    let mut parked = Parked::new(&dispatcher, connection(1), service(1, None));
    dispatcher.report(&session("s"), waiting(&["m1"]));
    assert_eq!(parked.offered().await.input, id("m1"));
    parked.settle();
    let mut one = worker(&dispatcher, 3, 2);
    assert!(one.take().is_none());
}

#[tokio::test(start_paused = true)]
async fn a_session_that_says_the_same_again_changes_nothing() {
    let dispatcher = Dispatcher::default();
    let mut one = worker(&dispatcher, 1, 1);
    for _ in 0..3 {
        dispatcher.report(&session("s"), waiting(&["m1"]));
    }
    assert_eq!(inputs(&mut one), ["m1"]);
}

#[tokio::test(start_paused = true)]
async fn time_is_kept_only_while_something_is_offered() {
    let dispatcher = Dispatcher::default();
    let mut one = worker(&dispatcher, 1, 1);
    dispatcher.report(&session("s"), waiting(&["m1"]));
    dispatcher.report(&session("s"), Report::default());
    tokio::time::sleep(Duration::from_secs(11)).await;
    assert!(!dispatcher.lock().is_timed);
    one.take();
    dispatcher.report(&session("s"), waiting(&["m2"]));
    for _ in 0..3 {
        assert_eq!(one.next().await.input, id("m2"));
    }
}
