//! The browser driver in a real browser, with a socket class of the test's own.
#![cfg(target_arch = "wasm32")]
#![expect(clippy::unwrap_used, reason = "the lint knows tests by `#[test]` only")]

use durable_sessions_client::core::{Output, SessionStatus, Status};
use durable_sessions_client::web::{JsNode, Listener, connect, encode};
use durable_sessions_protocol::error::{ErrorCode, Problem};
use durable_sessions_protocol::fold::{MessageState, Node, Patch, RunState};
use durable_sessions_protocol::id::{Id, LogId, SessionId};
use durable_sessions_protocol::offset::Offset;
use wasm_bindgen::prelude::*;
use wasm_bindgen_test::{wasm_bindgen_test, wasm_bindgen_test_configure};

wasm_bindgen_test_configure!(run_in_browser);

/// A listener that notes what it is told, and a socket class that notes what it is sent.
#[wasm_bindgen(inline_js = r#"
export class Bench {
  constructor() {
    const bench = this;
    this.told = [];
    this.sockets = [];
    this.listener = {};
    const names = ["token", "status", "session", "reset", "patches", "events", "sent", "refused"];
    this.listener.tell = ([what, ...args]) => {
      this.told.push([names[what], ...args]);
      this.on?.(names[what], ...args);
    };
    class Socket {
      constructor(url, protocol) {
        Object.assign(this, { url, protocol, sent: [] });
        bench.sockets.push(this);
      }
      send(text) { this.sent.push(text); }
      close(code) { this.closed = code ?? 0; }
    }
    const ignore = () => {};
    this.options = {
      url: "ws://test/", client: "c1", seed: 0.5, as: "user/ann", WebSocket: Socket, ignore, global: globalThis,
    };
  }
  // Nothing listens on the discard port.
  real() { Object.assign(this.options, { url: "ws://127.0.0.1:9/", WebSocket }); }
  socket() { return this.sockets.at(-1); }
  frames() { return this.socket().sent.map((text) => JSON.parse(text).type).join(" "); }
  count() { return this.sockets.length; }
  closed() { return this.socket().closed; }
  open() {
    this.socket().onopen({});
    this.tell(JSON.stringify({ type: "welcome", connection: "c", heartbeat_ms: 15000, limits: {} }));
  }
  tell(text) { this.socket().onmessage({ data: text }); }
  cut() { this.socket().onclose({ code: 1006 }); }
  said(name) { return JSON.stringify(this.told.filter(([told]) => told === name).map(([, ...args]) => args)); }
  forget() { this.told.length = 0; }
  when(name, act) { this.on = (told, ...args) => told === name && act(...args); }
}
export function happen(target, type, fields) {
  (target === "document" ? document : window).dispatchEvent(Object.assign(new Event(type), fields));
}
export const ask = (core, command) => core(JSON.parse(command));
export const parse = JSON.parse;
export const text = JSON.stringify;
export const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
"#)]
extern "C" {
    type Bench;
    #[wasm_bindgen(constructor)]
    fn new() -> Bench;
    #[wasm_bindgen(method, getter)]
    fn options(this: &Bench) -> JsValue;
    #[wasm_bindgen(method)]
    fn real(this: &Bench);
    #[wasm_bindgen(method, getter)]
    fn listener(this: &Bench) -> Listener;
    #[wasm_bindgen(method)]
    fn frames(this: &Bench) -> String;
    #[wasm_bindgen(method)]
    fn count(this: &Bench) -> u32;
    #[wasm_bindgen(method)]
    fn closed(this: &Bench) -> Option<u32>;
    #[wasm_bindgen(method)]
    fn open(this: &Bench);
    #[wasm_bindgen(method)]
    fn tell(this: &Bench, text: &str);
    #[wasm_bindgen(method)]
    fn cut(this: &Bench);
    #[wasm_bindgen(method)]
    fn said(this: &Bench, name: &str) -> String;
    #[wasm_bindgen(method)]
    fn forget(this: &Bench);
    #[wasm_bindgen(method)]
    fn when(this: &Bench, name: &str, act: &Closure<dyn Fn()>);
    fn happen(target: &str, event: &str, fields: &JsValue);
    fn ask(core: &JsValue, command: &str) -> bool;
    fn parse(text: &str) -> JsValue;
    fn text(value: &JsValue) -> String;
    fn pause(ms: u32) -> js_sys::Promise;
}

async fn pass(ms: u32) {
    wasm_bindgen_futures::JsFuture::from(pause(ms)).await.unwrap();
}

/// What [`connect`] makes.
struct Client(JsValue);

impl Client {
    fn ask(&self, command: &str) -> bool {
        ask(&self.0, command)
    }

    fn attach(&self, session: &str) -> bool {
        self.ask(&format!(r#"{{"type":"attach","session":"{session}","events":true}}"#))
    }

    fn close(&self) {
        self.ask(r#"{"type":"close"}"#);
    }
}

fn client(bench: &Bench) -> Client {
    Client(connect(bench.options(), bench.listener()))
}

/// A client that is live on one session of an empty log.
fn attached(bench: &Bench) -> Client {
    let client = client(bench);
    assert!(client.attach("s"));
    bench.open();
    bench.tell(r#"{"type":"attached","request":1,"session":"s","log":"l","tail":0}"#);
    assert_eq!(bench.said("session"), r#"[["s","live"]]"#);
    client
}

fn fields(persisted: bool) -> JsValue {
    parse(if persisted { r#"{"persisted":true}"# } else { "{}" })
}

#[wasm_bindgen_test]
fn a_message_of_the_log_comes_as_flat_patches_and_as_it_is() {
    let bench = Bench::new();
    let client = attached(&bench);
    bench.tell(
        r#"{"type":"events","session":"s","first":1,"last":1,"events":
        [{"kind":"message","id":"m","role":"user","text":"hi","offset":1,"at":7,"x":null}]}"#,
    );
    assert_eq!(
        bench.said("patches"),
        r#"[["s","l",1,0,"m","user",null,7,null,"hi",null,null,"sent"]]"#
    );
    assert_eq!(
        bench.said("events"),
        r#"[["s",1,1,{"kind":"message","id":"m","role":"user","text":"hi","offset":1,"at":7,"x":null}]]"#
    );
    client.close();
}

#[wasm_bindgen_test]
fn the_listener_may_call_back_in_from_every_callback() {
    let bench = Bench::new();
    let client = std::rc::Rc::new(attached(&bench));
    let inner = std::rc::Rc::clone(&client);
    let act = Closure::<dyn Fn()>::new(move || {
        assert!(inner.ask(r#"{"type":"send","session":"s","id":"m1","event":"{}"}"#));
        assert!(inner.attach("other"));
        assert!(inner.ask(r#"{"type":"detach","session":"s"}"#));
        assert!(inner.ask(r#"{"type":"reconnect"}"#));
        inner.close();
    });
    bench.when("patches", &act);
    bench.tell(
        r#"{"type":"events","session":"s","first":1,"last":1,"events":
        [{"kind":"session.updated","title":"t","offset":1}]}"#,
    );
    let refused = bench.said("refused");
    assert!(refused.contains("\"m1\""), "{refused}");
    assert!(bench.said("status").contains("closed"));
    assert_eq!(bench.closed(), Some(1000));
    // The events of the batch, which waited for their turn, came before what the callback did.
    assert_eq!(bench.said("events").matches("session.updated").count(), 1);
}

#[wasm_bindgen_test]
fn a_message_that_is_no_json_ends_the_connection() {
    let bench = Bench::new();
    let client = attached(&bench);
    bench.tell("{");
    // Its successor is there at once.
    assert_eq!(bench.count(), 2);
    client.close();
}

#[wasm_bindgen_test]
async fn a_page_that_is_seen_again_looks_whether_the_socket_lives() {
    let bench = Bench::new();
    let client = attached(&bench);
    for (target, event) in
        [("document", "visibilitychange"), ("document", "resume"), ("window", "online")]
    {
        bench.open_ping(target, event);
        bench.tell(r#"{"type":"pong"}"#);
    }
    client.close();
}

impl Bench {
    fn open_ping(&self, target: &str, event: &str) {
        let before = self.frames();
        happen(target, event, &fields(false));
        assert_eq!(self.frames(), format!("{before} ping"), "{event}");
    }
}

#[wasm_bindgen_test]
fn a_page_that_goes_into_the_cache_closes_its_socket_and_comes_back_with_a_new_one() {
    for (target, gone) in [("window", "pagehide"), ("document", "freeze")] {
        let bench = Bench::new();
        let client = attached(&bench);
        happen(target, gone, &fields(true));
        assert!(bench.closed().is_some(), "{gone}");
        happen("window", "pageshow", &fields(true));
        assert_eq!(bench.count(), 2);
        client.close();
    }
}

#[wasm_bindgen_test]
fn a_page_that_is_left_for_good_keeps_its_socket_to_the_end() {
    let bench = Bench::new();
    let client = attached(&bench);
    happen("window", "pagehide", &fields(false));
    assert_eq!(bench.closed(), None);
    client.close();
}

#[wasm_bindgen_test]
async fn after_close_nothing_is_told_sent_or_opened() {
    let bench = Bench::new();
    let client = attached(&bench);
    bench.cut();
    client.close();
    bench.forget();
    let sockets = bench.count();
    for event in ["online", "offline", "pageshow"] {
        happen("window", event, &fields(true));
    }
    happen("document", "visibilitychange", &fields(false));
    assert!(!client.ask(r#"{"type":"reconnect"}"#));
    client.attach("s");
    pass(50).await;
    assert_eq!(bench.count(), sockets);
    assert_eq!(bench.said("status") + &bench.said("session"), "[][]");
}

#[wasm_bindgen_test]
async fn the_timer_connects_again_after_a_pause() {
    let bench = Bench::new();
    let client = client(&bench);
    client.attach("s");
    bench.cut();
    while bench.count() < 2 {
        pass(5).await;
    }
    // The second pause is up to half a second and then some.
    bench.cut();
    assert!(bench.said("status").contains("waiting"));
    while bench.count() < 3 {
        pass(20).await;
    }
    client.close();
}

#[wasm_bindgen_test]
async fn the_browsers_own_socket_that_cannot_connect_is_tried_again() {
    let bench = Bench::new();
    bench.real();
    let client = client(&bench);
    client.attach("s");
    while !bench.said("status").contains("waiting") {
        pass(20).await;
    }
    client.close();
}

#[wasm_bindgen_test]
fn what_is_no_id_is_not_taken() {
    let bench = Bench::new();
    let client = client(&bench);
    assert!(!client.attach("no spaces"));
    assert!(!client.ask(r#"{"type":"send","session":"s","id":"","event":"{}"}"#));
    assert!(!client.ask(r#"{"type":"stop","session":"s","id":"x","run":""}"#));
    assert!(!client.ask(r#"{"type":"stop","session":"s","id":"x","message":""}"#));
    assert!(!client.ask(r#"{"type":"no such"}"#));
    assert_eq!(bench.count(), 0);
    client.close();
}

#[wasm_bindgen_test]
fn a_value_of_the_browser_reads_like_any_json() {
    let node = JsNode(parse(
        r#"{"a":null,"t":"x","n":5,"f":1.5,"m":-1,"big":9007199254740992,"l":[1,null]}"#,
    ));
    assert!(node.field("a").is_none() && node.field("none").is_none());
    assert_eq!(node.text("t").as_deref(), Some("x"));
    assert_eq!(node.text("n"), None);
    assert_eq!(node.number("n"), Some(5));
    assert_eq!([node.number("f"), node.number("m"), node.number("big")], [None; 3]);
    let items = node.field("l").unwrap().items();
    assert!(items.len() == 2 && items.iter().all(|item| item.field("t").is_none()));
    assert_eq!(node.items().len(), 0);
    assert!(JsNode("text".into()).field("t").is_none());
}

/// What `border.ts` says of a name: its number, and how many fields follow.
fn border(group: &str, name: &str) -> (f64, u32) {
    let facade = include_str!("../npm/src/border.ts");
    let group = facade.split(&format!("const enum {group} {{")).nth(1).unwrap();
    let group = group.split("\n}").next().unwrap();
    let (before, after) = group.split_once(&format!("  {name} = ")).unwrap();
    let fields = before.rsplit("/** ").next().unwrap().split(" */").next().unwrap();
    let fixed = fields.split(", and then ").next().unwrap();
    let number = after.split(',').next().unwrap().parse().unwrap();
    (number, fixed.split(", ").count().try_into().unwrap())
}

#[wasm_bindgen_test]
fn what_is_told_has_the_numbers_and_fields_that_the_facade_expects() {
    let session = || SessionId::parse("s").unwrap();
    let log = || LogId::parse("l").unwrap();
    let id = || Id::parse("i").unwrap();
    let problem = || Problem::new(ErrorCode::Busy, "why");
    let offset = Offset::ZERO;
    let all: Vec<(&str, Output<JsNode>)> = vec![
        ("Token", Output::NeedToken { socket: 1 }),
        ("Status", Output::Status { status: Status::Live, retry_at: None, error: None }),
        (
            "Session",
            Output::Session { session: session(), status: SessionStatus::Live, error: None },
        ),
        ("Reset", Output::Reset { session: session(), log: log() }),
        ("Patches", Output::Patches { session: session(), log: log(), offset, patches: vec![] }),
        (
            "Events",
            Output::Events {
                session: session(),
                log: log(),
                first: offset,
                last: offset,
                events: vec![],
            },
        ),
        ("Sent", Output::Sent { session: session(), id: id(), offset, runs: vec![] }),
        ("Refused", Output::Refused { session: session(), id: id(), problem: problem() }),
    ];
    for (name, output) in all {
        let flat = encode(&output);
        let error_fields = if name == "Refused" { 5 } else { 0 };
        let said = (flat.get(0).as_f64().unwrap(), flat.length() - 1 - error_fields);
        assert_eq!(said, border("Told", name), "{name}: {}", text(&flat));
    }
}

#[wasm_bindgen_test]
fn patches_have_the_numbers_and_fields_that_the_facade_expects() {
    let node = || JsNode("x".into());
    let all: Vec<(&str, Patch<JsNode>)> = vec![
        (
            "Message",
            Patch::Message {
                id: node(),
                role: node(),
                from: None,
                at: None,
                run: None,
                text: None,
                parts: None,
                data: None,
                state: MessageState::Sent,
            },
        ),
        ("Append", Patch::Append { message: 0, part: 0, part_type: None, text: node() }),
        ("Part", Patch::Part { message: 0, part: 0, value: None }),
        (
            "MessageState",
            Patch::MessageState { message: 0, state: MessageState::Sent, error: None },
        ),
        ("Truncate", Patch::Truncate { messages: 0 }),
        ("Run", Patch::Run { id: node(), agent: node(), parent: None, in_reply_to: None }),
        (
            "RunState",
            Patch::RunState { run: 0, state: RunState::Running, error: None, usage: None },
        ),
        ("Ask", Patch::Ask { run: 0, ask: node(), body: None }),
        ("Answered", Patch::Answered { run: 0, ask: node() }),
        ("Title", Patch::Title { title: node() }),
    ];
    for (name, patch) in all {
        let (session, log) = (SessionId::parse("s").unwrap(), LogId::parse("l").unwrap());
        let patches = vec![patch];
        let told = Output::Patches { session, log, offset: Offset::ZERO, patches };
        let flat = encode(&told);
        let said = (flat.get(4).as_f64().unwrap(), flat.length() - 5);
        assert_eq!(said, border("PatchOp", name), "{name}: {}", text(&flat));
    }
}
