//! The browser driver in a real browser, with a socket class of the test's own.
#![cfg(target_arch = "wasm32")]
#![expect(clippy::unwrap_used, reason = "the lint knows tests by `#[test]` only")]

use durable_sessions_client::core::{Output, Role, SessionStatus, Status};
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
    const names = [
      "token", "status", "session", "reset", "patches", "events", "sent", "refused", "group", "lock", "unlock",
      "role", "presence", "store", "forget", "recover", "batch",
    ];
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
      url: "ws://test/", client: "c1", page: "p1", seed: 0.5, as: "user/ann", WebSocket: Socket, ignore,
      global: globalThis,
    };
  }
  // Nothing listens on the discard port.
  real() { Object.assign(this.options, { url: "ws://127.0.0.1:9/", WebSocket }); }
  // What the facade does for a group of tabs, with the browser's own locks.
  share(client, key) {
    Object.assign(this.options, { client, tabs: true });
    let release;
    this.on = (told) => {
      if (told === "group") setTimeout(() => this.core({ type: "group", key, id: "g" }));
      if (told === "lock") {
        const withdrawn = new AbortController();
        const held = new Promise((resolve) => (release = () => (withdrawn.abort(), resolve())));
        const granted = () => (withdrawn.signal.aborted || this.core({ type: "locked" }), held);
        navigator.locks.request(key, { signal: withdrawn.signal }, granted).catch(() => {});
      }
      if (told === "unlock") release?.();
    };
  }
  socket() { return this.sockets.at(-1); }
  frames() { return this.socket().sent.map((text) => JSON.parse(text).type).join(" "); }
  sent(type) { return JSON.stringify(this.socket().sent.map((text) => JSON.parse(text)).filter((it) => it.type === type)); }
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
let channels = 0;
globalThis.BroadcastChannel = class extends BroadcastChannel {
  constructor(name) {
    super(name);
    channels++;
  }
  close() {
    channels--;
    super.close();
  }
};
export const open_channels = () => channels;
/** Another member of a group, that only listens and posts. */
export class Tab {
  constructor(key) {
    this.heard = [];
    this.channel = new BroadcastChannel(key);
    this.channel.onmessage = ({ data }) => this.heard.push([JSON.parse(data[0]), ...data.slice(1)]);
  }
  all() { return JSON.stringify(this.heard); }
  post(head, cargo) { this.channel.postMessage(cargo === undefined ? [head] : [head, JSON.parse(cargo)]); }
  post_raw(json) { this.channel.postMessage(JSON.parse(json)); }
  close() { this.channel.close(); }
}
export function without_channels(act) {
  const before = globalThis.BroadcastChannel;
  globalThis.BroadcastChannel = class { constructor() { throw new Error("denied"); } };
  try { act(); } finally { globalThis.BroadcastChannel = before; }
}
export function hide(is_hidden) {
  Object.defineProperty(document, "hidden", { value: is_hidden, configurable: true });
  document.dispatchEvent(new Event("visibilitychange"));
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
    #[wasm_bindgen(method)]
    fn share(this: &Bench, client: &str, key: &str);
    #[wasm_bindgen(method)]
    fn sent(this: &Bench, kind: &str) -> String;
    #[wasm_bindgen(method, setter)]
    fn set_core(this: &Bench, core: &JsValue);
    type Tab;
    #[wasm_bindgen(constructor)]
    fn new(key: &str) -> Tab;
    #[wasm_bindgen(method)]
    fn all(this: &Tab) -> String;
    #[wasm_bindgen(method)]
    fn post(this: &Tab, head: &str, cargo: Option<&str>);
    #[wasm_bindgen(method)]
    fn post_raw(this: &Tab, message: &str);
    #[wasm_bindgen(method)]
    fn close(this: &Tab);
    fn without_channels(act: &Closure<dyn Fn()>);
    fn hide(is_hidden: bool);
    fn open_channels() -> i32;
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
    let client = Client(connect(bench.options(), bench.listener()));
    bench.set_core(&client.0);
    client
}

/// A client that shares its connection with the others of that key, and follows a session.
fn member(bench: &Bench, name: &str, key: &str) -> Client {
    bench.share(name, key);
    let client = client(bench);
    assert!(client.attach("s"));
    client
}

/// Waits until something holds.
async fn until(what: &str, holds: impl Fn() -> bool) {
    for _ in 0..1000 {
        if holds() {
            return;
        }
        pass(5).await;
    }
    panic!("it never came to this: {what}");
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
    // Whether a page that is left is kept is not always known as it is left.
    for (target, gone, persisted) in
        [("window", "pagehide", true), ("window", "pagehide", false), ("document", "freeze", false)]
    {
        let bench = Bench::new();
        let client = attached(&bench);
        happen(target, gone, &fields(persisted));
        assert!(bench.closed().is_some(), "{gone}");
        happen("window", "pageshow", &fields(true));
        assert_eq!(bench.count(), 2);
        client.close();
    }
}

#[wasm_bindgen_test]
async fn two_clients_of_a_page_share_a_socket_and_the_other_takes_it_over() {
    let (one, two, before) = (Bench::new(), Bench::new(), open_channels());
    let first = member(&one, "c1", "two");
    until("the first leads", || one.count() == 1).await;
    one.open();
    let second = member(&two, "c2", "two");
    until("the second follows", || two.said("status").contains("live")).await;
    assert_eq!(
        one.sent("hello"),
        r#"[{"type":"hello","client":"c1","as":"user/ann","group":"g"}]"#
    );
    one.tell(r#"{"type":"attached","request":1,"session":"s","log":"l","tail":0}"#);
    until("the second is live", || two.said("session").contains("live")).await;
    one.tell(
        r#"{"type":"events","session":"s","first":1,"last":1,"events":
        [{"kind":"session.updated","title":"t","offset":1}]}"#,
    );
    until("the second has the event", || two.said("events").contains("session.updated")).await;
    assert_eq!(one.said("events"), two.said("events"));
    // An act of the second goes out on the first's socket.
    second.ask(r#"{"type":"send","session":"s","id":"m1","event":"{\"kind\":\"data\"}"}"#);
    until("it is published", || one.sent("publish").contains("data")).await;
    assert_eq!(two.count(), 0);

    first.close();
    until("the second leads", || two.count() == 1).await;
    two.open();
    assert!(two.sent("publish").contains("data"));
    assert!(two.said("role").contains(r#"["leader",1]"#));
    assert_eq!(open_channels(), before + 1);
    second.close();
    assert_eq!(open_channels(), before);
}

#[wasm_bindgen_test]
async fn the_channel_says_what_the_core_posts_and_hears_only_what_is_of_its_shape() {
    let tab = Tab::new("shape");
    let bench = Bench::new();
    let client = member(&bench, "c1", "shape");
    until("it says that it is here", || tab.all().contains(r#""type":"here""#)).await;
    for nonsense in
        ["null", "1", "[]", "[null]", "[1]", r#"["{"]"#, r#"["null"]"#, "{}", r#"["{}",null]"#]
    {
        tab.post_raw(nonsense);
    }
    // A leader of a higher term: the client follows it, and asks it for its session.
    tab.post(
        r#"{"type":"beat","tab":"t","term":9,"locked":1,"visible":1,"tabs":2,"status":"live","socket":1}"#,
        None,
    );
    until("it follows", || tab.all().contains(r#""type":"attach""#)).await;
    assert!(bench.said("role").contains(r#"["follower",2]"#));
    client.close();
    until("it says good bye", || tab.all().contains(r#""type":"bye""#)).await;
    let heard = tab.all();
    tab.post(
        r#"{"type":"beat","tab":"t","term":10,"locked":1,"visible":1,"tabs":2,"status":"live"}"#,
        None,
    );
    pass(50).await;
    assert_eq!(tab.all(), heard);
    tab.close();
}

#[wasm_bindgen_test]
fn where_channels_are_denied_a_client_is_alone() {
    let bench = Bench::new();
    bench.share("c1", "denied");
    bench.when("none", &Closure::new(|| {}));
    let client = std::rc::Rc::new(client(&bench));
    assert!(client.attach("s"));
    assert_eq!(bench.said("group"), "[[]]");
    let core = std::rc::Rc::clone(&client);
    without_channels(&Closure::new(move || {
        assert!(core.ask(r#"{"type":"group","key":"denied","id":"g"}"#));
    }));
    assert_eq!(bench.count(), 1);
    bench.open();
    assert!(!bench.sent("hello").contains("group"));
    assert!(!bench.said("role").contains("leader"));
    client.close();
}

#[wasm_bindgen_test]
async fn a_page_that_is_frozen_leaves_the_group_and_joins_it_again() {
    let tab = Tab::new("freeze");
    let bench = Bench::new();
    let client = member(&bench, "c1", "freeze");
    until("it leads", || bench.count() == 1).await;
    bench.open();
    happen("document", "freeze", &fields(false));
    assert!(bench.closed().is_some());
    assert!(bench.said("unlock") != "[]");
    until("it says good bye", || tab.all().contains(r#""type":"bye""#)).await;
    happen("document", "resume", &fields(false));
    until("it leads again", || bench.count() == 2).await;
    client.close();
    tab.close();
}

#[wasm_bindgen_test]
async fn a_hidden_leader_says_that_it_is_hidden_from_the_start_and_after_it_woke() {
    hide(true);
    let tab = Tab::new("hidden");
    let bench = Bench::new();
    let client = member(&bench, "c1", "hidden");
    until("it leads", || bench.count() == 1).await;
    bench.open();
    let beats = |visible: u8| {
        let beat = format!(r#""visible":{visible},"#);
        tab.all().split(r#""type":"beat""#).skip(1).last().is_some_and(|last| last.contains(&beat))
    };
    let here = r#"{"type":"here","tab":"t","term":0,"page":"p2","sessions":[]}"#;
    tab.post(here, None);
    until("it beats as hidden", || beats(0)).await;
    hide(false);
    until("it beats as visible", || beats(1)).await;
    hide(true);
    until("it beats as hidden", || beats(0)).await;
    happen("document", "resume", &fields(false));
    let before = tab.all().len();
    until("it beats again", || tab.all().len() > before).await;
    assert!(beats(0));
    hide(false);
    client.close();
    tab.close();
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
    assert!(!client.ask(r#"{"type":"group","key":"k","id":""}"#));
    assert!(!client.ask(r#"{"type":"resend","tab":"t","session":"s","id":"","event":"{}"}"#));
    assert!(!client.ask(r#"{"type":"read","session":"s","reader":1,"after":-1}"#));
    assert!(!client.ask(r#"{"type":"read","session":"s","reader":-1}"#));
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
    let count = if fixed == "nothing" { 0 } else { fixed.split(", ").count() };
    (number, count.try_into().unwrap())
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
        ("Group", Output::NeedGroup),
        ("Lock", Output::Lock),
        ("Unlock", Output::Unlock),
        ("Unlock", Output::Leave),
        ("Role", Output::Role { role: Role::Leader, tabs: 1 }),
        ("Presence", Output::Presence { session: session(), members: JsNode("x".into()) }),
        (
            "Store",
            Output::Store {
                session: session(),
                id: id(),
                log: None,
                event: String::new(),
                is_stored: false,
            },
        ),
        ("Forget", Output::Forget { session: session(), id: id() }),
        ("Recover", Output::Recover),
        (
            "Batch",
            Output::Batch {
                session: session(),
                reader: 1,
                first: offset,
                last: offset,
                events: vec![],
            },
        ),
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
        ("Older", Patch::Older { messages: vec![], runs: vec![] }),
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
