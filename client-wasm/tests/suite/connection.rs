//! When the client connects, believes, doubts and gives up, in virtual time.

#![expect(clippy::wildcard_enum_match_arm, reason = "a test looks for one output")]

use durable_sessions_client::core::limits::{CONNECT_TIMEOUT_MS, PROBE_TIMEOUT_MS};
use durable_sessions_client::core::{
    Act, Client, Follow, Input, Options, Output, SessionStatus, Status, StopTarget, Token,
};
use durable_sessions_protocol::error::ErrorCode;
use durable_sessions_protocol::id::{Id, SessionId};
use serde_json::{Value, json};

const SILENCE_MS: u64 = 25_000;

/// A core and its clock, with the outputs that came since the last look.
struct Page {
    core: Client<Value>,
    now: u64,
}

impl Page {
    fn new() -> Self {
        Self::with_tokens(false)
    }

    fn with_tokens(has_tokens: bool) -> Self {
        let options = Options {
            client: Id::parse("tab").unwrap(),
            principal: Some("user/ann".to_owned()),
            has_tokens,
            tabs: false,
            page: Id::parse("page").unwrap(),
            keeps: false,
            seed: 1,
        };
        Self { core: Client::new(options), now: 50_000 }
    }

    /// A page that is connected and greeted, and its socket.
    fn live() -> (Self, u32) {
        let mut page = Self::new();
        let socket = opened(&page.attach());
        page.tell(Input::Opened { socket });
        page.frame(socket, welcome());
        (page, socket)
    }

    fn tell(&mut self, input: Input<Value>) -> Vec<Output<Value>> {
        self.core.handle(self.now, input);
        std::iter::from_fn(|| self.core.poll()).collect()
    }

    fn attach(&mut self) -> Vec<Output<Value>> {
        self.tell(Input::Attach { session: session(), follow: Follow::PATCHES })
    }

    fn frame(&mut self, socket: u32, frame: Value) -> Vec<Output<Value>> {
        self.tell(Input::Frame { socket, frame, bytes: 100 })
    }

    /// Lets time pass up to the next timer, which fires when it should.
    fn wait(&mut self) -> Vec<Output<Value>> {
        self.now = self.core.timeout().expect("a timer").max(self.now);
        self.tell(Input::Timeout)
    }

    fn close(&mut self, socket: u32, code: u16) -> Vec<Output<Value>> {
        self.tell(Input::Closed { socket, code })
    }

    /// Fails attempts until one pauses; answers how long it pauses.
    fn fail_until_waiting(&mut self, mut socket: u32) -> u64 {
        for _ in 0..3 {
            let outputs = self.close(socket, 1006);
            if matches!(self.core.status(), Status::Waiting | Status::Offline) {
                return self.core.timeout().unwrap() - self.now;
            }
            socket = opened(&outputs);
        }
        panic!("it never waits");
    }
}

fn session() -> SessionId {
    SessionId::parse("s").unwrap()
}

fn welcome() -> Value {
    json!({"type": "welcome", "connection": "c", "heartbeat_ms": 15_000, "limits": {}})
}

fn opened(outputs: &[Output<Value>]) -> u32 {
    let socket = outputs.iter().find_map(|output| match output {
        Output::Open { socket } => Some(*socket),
        _ => None,
    });
    socket.unwrap_or_else(|| panic!("no socket is opened: {outputs:?}"))
}

fn opens(outputs: &[Output<Value>]) -> bool {
    outputs.iter().any(|output| matches!(output, Output::Open { .. }))
}

fn sent(outputs: &[Output<Value>]) -> Vec<Value> {
    let texts = outputs.iter().filter_map(|output| match output {
        Output::Transmit { text, .. } => Some(text),
        _ => None,
    });
    texts.map(|text| serde_json::from_str(text).unwrap()).collect()
}

fn types(outputs: &[Output<Value>]) -> Vec<String> {
    sent(outputs).iter().map(|frame| frame["type"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn nothing_is_opened_before_the_first_attach() {
    let mut page = Page::new();
    assert!(page.tell(Input::Woke).is_empty());
    assert!(page.tell(Input::Network { online: true }).is_empty());
    assert!(page.tell(Input::Restored).is_empty());
    assert_eq!(page.core.timeout(), None);
    assert!(opens(&page.attach()));
}

#[test]
fn hello_goes_first_and_attach_follows_the_welcome() {
    let mut page = Page::new();
    let socket = opened(&page.attach());
    let hello = page.tell(Input::Opened { socket });
    assert_eq!(sent(&hello), [json!({"type": "hello", "client": "tab", "as": "user/ann"})]);
    let greeted = page.frame(socket, welcome());
    assert_eq!(types(&greeted), ["attach"]);
    assert_eq!(page.core.status(), Status::Live);
}

#[test]
fn an_attempt_that_hangs_before_the_welcome_is_given_up() {
    for has_opened in [false, true] {
        let mut page = Page::new();
        let socket = opened(&page.attach());
        if has_opened {
            page.tell(Input::Opened { socket });
        }
        assert_eq!(page.core.timeout(), Some(page.now + CONNECT_TIMEOUT_MS));
        let outputs = page.wait();
        assert!(outputs.contains(&Output::Disconnect { socket, code: 1000 }), "{outputs:?}");
        assert_ne!(opened(&outputs), socket, "the first retry is at once");
    }
}

#[test]
fn a_token_is_asked_for_before_every_attempt_and_sent_in_hello() {
    let mut page = Page::with_tokens(true);
    assert_eq!(page.attach(), [Output::NeedToken { socket: 1 }]);
    let outputs = page.tell(Input::Token { socket: 1, token: Token::Granted("t".to_owned()) });
    assert_eq!(outputs, [Output::Open { socket: 1 }]);
    let hello = page.tell(Input::Opened { socket: 1 });
    assert_eq!(sent(&hello), [json!({"type": "hello", "client": "tab", "token": "t"})]);
    assert_eq!(page.close(1, 1006), [Output::NeedToken { socket: 2 }]);
}

#[test]
fn a_refused_token_is_renewed_once_and_then_the_app_is_told() {
    let mut page = Page::with_tokens(true);
    page.attach();
    for socket in [1, 2] {
        page.tell(Input::Token { socket, token: Token::Granted("old".to_owned()) });
        page.tell(Input::Opened { socket });
        let outputs = page.close(socket, 4100);
        if socket == 1 {
            assert_eq!(outputs, [Output::NeedToken { socket: 2 }]);
        } else {
            let [Output::Status { status: Status::Closed, error: Some(error), .. }] = &*outputs
            else {
                panic!("{outputs:?}")
            };
            assert_eq!(error.code, ErrorCode::Unauthorized);
        }
    }
    assert_eq!(page.core.timeout(), None);
    assert!(page.tell(Input::Reconnect).contains(&Output::NeedToken { socket: 3 }));
}

#[test]
fn a_user_who_is_signed_out_is_closed_as_unauthorized_until_reconnect() {
    let mut page = Page::with_tokens(true);
    page.attach();
    page.tell(Input::Token { socket: 1, token: Token::SignedOut });
    assert_eq!(page.core.status(), Status::Closed);
    assert!(page.tell(Input::Woke).is_empty());
    assert!(page.tell(Input::Reconnect).contains(&Output::NeedToken { socket: 2 }));
}

#[test]
fn a_fatal_close_code_ends_all_attempts_with_the_servers_reason() {
    let (mut page, socket) = Page::live();
    let error = json!({"code": "too_large", "status": 413, "detail": "no"});
    page.frame(socket, json!({"type": "error", "error": error}));
    let outputs = page.close(socket, 4204);
    let closed = outputs.iter().any(|output| {
        matches!(output, Output::Status { status: Status::Closed, error: Some(error), .. }
            if error.code == ErrorCode::TooLarge && error.detail == "no")
    });
    assert!(closed, "{outputs:?}");
    assert_eq!(page.core.timeout(), None);
    assert!(opens(&page.tell(Input::Reconnect)));
}

#[test]
fn failures_in_a_row_pause_and_a_stable_life_ends_the_row() {
    let (mut page, socket) = Page::live();
    let pause = page.fail_until_waiting(socket);
    assert!((500..=1_000).contains(&pause), "{pause}");
    let socket = opened(&page.wait());
    page.tell(Input::Opened { socket });
    page.frame(socket, welcome());
    page.now += 4_999;
    assert!(!opens(&page.close(socket, 1006)), "the life was too short to count");
    let socket = opened(&page.wait());
    page.tell(Input::Opened { socket });
    page.frame(socket, welcome());
    page.now += 5_000;
    assert!(opens(&page.close(socket, 1006)), "a stable life is retried at once");
}

#[test]
fn a_draining_server_is_left_alone_for_as_long_as_it_asks() {
    let (mut page, socket) = Page::live();
    page.now += 10_000;
    page.frame(socket, json!({"type": "draining", "retry_after_ms": 3_000}));
    let outputs = page.close(socket, 4002);
    let retry_at = Some(page.now + 3_000);
    let expected = Output::Status { status: Status::Waiting, retry_at, error: None };
    assert!(outputs.contains(&expected), "{outputs:?}");
    assert_eq!(page.core.timeout(), retry_at);
}

#[test]
fn silence_of_a_heartbeat_and_its_grace_kills_a_half_open_socket() {
    let (mut page, socket) = Page::live();
    assert_eq!(page.core.timeout(), Some(page.now + SILENCE_MS));
    page.now += 10_000;
    page.frame(socket, json!({"type": "anything"}));
    assert_eq!(page.core.timeout(), Some(page.now + SILENCE_MS), "any frame is a sign of life");
    let outputs = page.wait();
    assert!(outputs.contains(&Output::Disconnect { socket, code: 1000 }), "{outputs:?}");
    assert!(opens(&outputs));
}

#[test]
fn a_late_timer_believes_the_frames_that_came_while_the_page_slept() {
    let (mut page, socket) = Page::live();
    page.now += 60_000;
    assert!(page.tell(Input::Timeout).is_empty(), "no verdict before the next turn");
    assert_eq!(page.core.timeout(), Some(page.now));
    page.frame(socket, json!({"type": "ping"}));
    assert!(page.tell(Input::Timeout).is_empty());
    assert_eq!(page.core.status(), Status::Live);
}

#[test]
fn a_late_timer_after_which_nothing_came_reconnects_in_the_next_turn() {
    let (mut page, _) = Page::live();
    page.now += 60_000;
    assert!(page.tell(Input::Timeout).is_empty());
    assert!(opens(&page.tell(Input::Timeout)));
}

#[test]
fn a_page_that_comes_back_asks_whether_its_socket_lives() {
    let (mut page, socket) = Page::live();
    assert_eq!(types(&page.tell(Input::Woke)), ["ping"]);
    assert_eq!(page.core.timeout(), Some(page.now + PROBE_TIMEOUT_MS));
    page.frame(socket, json!({"type": "pong"}));
    assert_eq!(page.core.timeout(), Some(page.now + SILENCE_MS));
    page.tell(Input::Woke);
    assert!(opens(&page.wait()), "nothing came within the probe's time");
}

#[test]
fn a_page_that_comes_back_while_waiting_tries_at_once() {
    for input in [Input::Woke, Input::Network { online: true }, Input::Restored, Input::Reconnect] {
        let (mut page, socket) = Page::live();
        page.fail_until_waiting(socket);
        assert!(opens(&page.tell(input)));
    }
}

#[test]
fn a_page_out_of_the_cache_trusts_no_socket() {
    let (mut page, socket) = Page::live();
    let outputs = page.tell(Input::Restored);
    assert!(outputs.contains(&Output::Disconnect { socket, code: 1000 }));
    assert!(opens(&outputs));
    assert!(page.frame(socket, json!({"type": "ping"})).is_empty(), "the old socket is nobody");
}

#[test]
fn a_suspended_page_closes_its_socket_and_waits_to_be_woken() {
    let (mut page, socket) = Page::live();
    assert!(page.tell(Input::Suspend).contains(&Output::Disconnect { socket, code: 1000 }));
    assert_eq!(page.core.timeout(), None);
    assert!(opens(&page.tell(Input::Woke)));
}

#[test]
fn offline_is_checked_and_shown_but_does_not_stop_the_attempts() {
    let (mut page, socket) = Page::live();
    assert_eq!(types(&page.tell(Input::Network { online: false })), ["ping"]);
    assert_eq!(page.core.status(), Status::Live);
    page.fail_until_waiting(socket);
    assert_eq!(page.core.status(), Status::Offline);
    assert!(opens(&page.wait()));
}

#[test]
fn a_ping_is_answered_at_once_and_a_pong_never() {
    let (mut page, socket) = Page::live();
    let pong = page.frame(socket, json!({"type": "ping", "request": 9}));
    assert_eq!(sent(&pong), [json!({"type": "pong", "request": 9})]);
    assert!(page.frame(socket, json!({"type": "pong", "request": 9})).is_empty());
}

#[test]
fn what_an_earlier_socket_says_is_ignored() {
    let (mut page, old) = Page::live();
    let socket = opened(&page.close(old, 1006));
    assert!(page.frame(old, welcome()).is_empty());
    assert!(page.close(old, 4200).is_empty());
    assert!(page.tell(Input::Opened { socket: old }).is_empty());
    assert_eq!(types(&page.tell(Input::Opened { socket })), ["hello"]);
}

#[test]
fn a_session_is_loading_until_it_reached_the_tail_and_stale_while_cut() {
    let (mut page, socket) = Page::live();
    let statuses = |outputs: &[Output<Value>]| -> Vec<SessionStatus> {
        let status = |output: &Output<Value>| match output {
            Output::Session { status, .. } => Some(*status),
            _ => None,
        };
        outputs.iter().filter_map(status).collect()
    };
    let attached = json!({"type": "attached", "request": 1, "session": "s", "log": "l", "tail": 2});
    assert_eq!(statuses(&page.frame(socket, attached)), []);
    let event = |n: u64| json!({"kind": "message", "id": format!("m{n}"), "role": "user"});
    let events = |n: u64| {
        let events = [event(n)];
        json!({"type": "events", "session": "s", "first": n, "last": n, "events": events})
    };
    assert_eq!(statuses(&page.frame(socket, events(1))), []);
    assert_eq!(statuses(&page.frame(socket, events(2))), [SessionStatus::Live]);
    assert_eq!(statuses(&page.close(socket, 1006)), [SessionStatus::Stale]);
}

#[test]
fn a_gap_is_closed_by_attaching_again_from_the_own_position() {
    let (mut page, socket) = Page::live();
    let attached = json!({"type": "attached", "request": 1, "session": "s", "log": "l", "tail": 9});
    page.frame(socket, attached);
    let event = json!({"kind": "data", "name": "x"});
    let gap = json!({"type": "events", "session": "s", "first": 3, "last": 3, "events": [event]});
    let again = sent(&page.frame(socket, gap.clone()));
    assert_eq!(again[0]["type"], "attach");
    assert_eq!(again[0]["position"], json!({"log": "l", "offset": 0}));
    assert!(sent(&page.frame(socket, gap)).is_empty(), "once is enough");
}

#[test]
fn a_stop_of_everything_says_what_was_seen_at_the_press() {
    let (mut page, socket) = Page::live();
    let attached = json!({"type": "attached", "request": 1, "session": "s", "log": "l", "tail": 4});
    page.frame(socket, attached);
    let event = json!({"kind": "data", "name": "x"});
    let four = vec![event.clone(); 4];
    let events = json!({"type": "events", "session": "s", "first": 1, "last": 4, "events": four});
    page.frame(socket, events);
    page.close(socket, 1006);
    let act = Act::stop(Id::parse("stop").unwrap(), StopTarget::All);
    page.tell(Input::Send { session: session(), act });
    page.tell(Input::Opened { socket: socket + 1 });
    let outputs = sent(&page.frame(socket + 1, welcome()));
    let stop = outputs.iter().find(|frame| frame["type"] == "publish").expect("the stop");
    let event = json!({"kind": "stop.requested", "id": "stop", "all": true, "seen": 4});
    assert_eq!(stop["events"], json!([event]));
    assert_eq!(stop["log"], "l");
}
