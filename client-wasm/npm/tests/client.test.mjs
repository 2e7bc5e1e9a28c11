// The whole package in Node, from the facade through the core to a WebSocket class of the test's own.
import assert from "node:assert/strict";
import { test } from "node:test";
import { connect, DurableSessionsError } from "./package.mjs";
import { fakeServer, until } from "./server.mjs";

const rejections = [];
process.on("unhandledRejection", (reason) => rejections.push(reason));

function open(t, options = {}) {
  const server = fakeServer();
  const client = connect("http://127.0.0.1:1", { WebSocket: server.WebSocket, as: "user/ann", ...options });
  t.after(() => client.close());
  return { server, client };
}

async function live(t, options) {
  const { server, client } = open(t, options);
  const session = client.session("s");
  await session.ready;
  return { server, client, session };
}

const texts = (session) => session.transcript().messages.map((message) => message.text);

test("connect opens nothing before the first session", async (t) => {
  const { server, client } = open(t);
  assert.equal(client.status, "connecting");
  assert.equal(client.role, "solo");
  assert.equal(server.sockets.length, 0);
  client.session("s");
  assert.equal(server.sockets.length, 1);
  assert.equal(server.socket.url, "ws://127.0.0.1:1/v1/connect");
  assert.equal(server.socket.protocol, "durable-sessions.v1");
  await until(() => client.status === "live");
  assert.equal(server.socket.sent[0].as, "user/ann");
});

/** Holds the timers by which sessions are left, a second later: `fire` makes that time come. */
function leaving(t) {
  const { setTimeout: set, clearTimeout: clear } = globalThis;
  const pending = new Set();
  globalThis.setTimeout = (fn, ms, ...rest) => {
    if (ms !== 1000) return set(fn, ms, ...rest);
    const timer = { fn };
    pending.add(timer);
    return timer;
  };
  globalThis.clearTimeout = (timer) => void (pending.delete(timer) || clear(timer));
  t.after(() => Object.assign(globalThis, { setTimeout: set, clearTimeout: clear }));
  const fire = () => pending.forEach((timer) => (pending.delete(timer), timer.fn()));
  return { pending, fire };
}

const types = (server, type) => server.socket.sent.map((frame) => frame.type).filter((sent) => type.includes(sent));

test("the same id is the same session until everyone who took it has left it", async (t) => {
  const { server, client, session: first } = await live(t);
  const { pending, fire } = leaving(t);
  assert.equal(client.session("s"), first);
  first.detach();
  assert.equal(pending.size, 0);
  first.detach();
  assert.equal(first.status, "live");
  fire();
  assert.equal(first.status, "closed");
  first.detach();
  assert.equal(pending.size, 0);
  const second = client.session("s");
  assert.notEqual(second, first);
  await second.ready;
  assert.deepEqual(types(server, ["attach", "detach"]), ["attach", "detach", "attach"]);
});

test("a mount, unmount and mount is one connection and one attach", async (t) => {
  const { server, client } = open(t);
  const { pending } = leaving(t);
  const first = client.session("s");
  first.detach();
  const second = client.session("s");
  assert.equal(second, first);
  assert.equal(pending.size, 0);
  await second.ready;
  second.detach();
  await second.send("while nobody holds it");
  assert.equal(client.session("s"), first);
  assert.equal(pending.size, 0);
  assert.equal(server.sockets.length, 1);
  assert.deepEqual(types(server, ["attach", "detach"]), ["attach"]);
});

test("a session that nobody holds leaves no timer when its client is closed", async (t) => {
  const { client, session } = await live(t);
  const { pending } = leaving(t);
  session.detach();
  assert.equal(pending.size, 1);
  client.close();
  assert.equal(session.status, "closed");
  assert.equal(pending.size, 0);
});

test("what is on its way is shown by a session that is taken again", async (t) => {
  const { server, client, session } = await live(t);
  const { fire } = leaving(t);
  server.answer(false);
  session.send({ id: "m1", text: "hello" });
  session.detach();
  fire();
  const again = client.session("s");
  assert.deepEqual(again.transcript().messages.map(({ id, text, state }) => [id, text, state]), [["m1", "hello", "sending"]]);
  const publish = server.socket.sent.find((frame) => frame.type === "publish");
  server.socket.tell({ type: "ack", request: publish.request, first: 1, last: 1 });
  assert.equal(again.transcript().messages[0].state, "sent");
});

test("a session deleted and taken again within a callback follows from the start", async (t) => {
  const { server, client, session } = await live(t);
  let second;
  session.on("event", () => server.socket.tell({ type: "detached", session: "s", reason: "deleted" }));
  session.on("status", () => (second = client.session("s")));
  await until(() => session.status === "live");
  server.append("s", { kind: "message", id: "m1", role: "user", text: "one" });
  await until(() => second !== undefined);
  await second.ready;
  assert.equal(second.status, "live");
  assert.deepEqual(texts(second), ["one"]);
  server.append("s", { kind: "message", id: "m2", role: "user", text: "two" });
  assert.deepEqual(texts(second), ["one", "two"]);
  assert.deepEqual(texts(session), ["one"]);
});

test("a message is shown as sending before send returns, and by the log alone after", async (t) => {
  const { server, session } = await live(t);
  server.answer(false);
  const sent = session.send({ id: "m1", text: "hello", data: { mood: 1 } });
  const [message] = session.transcript().messages;
  assert.deepEqual({ ...message, at: 0 }, {
    id: "m1", role: "user", from: { kind: "user", id: "ann" }, at: 0, text: "hello",
    parts: [{ type: "text", text: "hello" }], data: { mood: 1 }, state: "sending",
  });
  const publish = server.socket.sent.find((frame) => frame.type === "publish");
  assert.deepEqual(publish.events, [{ kind: "message", id: "m1", role: "user", text: "hello", data: { mood: 1 } }]);

  server.append("s", publish.events[0]);
  assert.equal(session.transcript().messages.length, 1);
  assert.equal(session.transcript().messages[0].state, "sent");
  server.socket.tell({ type: "ack", request: publish.request, first: 1, last: 1 });
  assert.deepEqual(await sent, { id: "m1", offset: 1 });
});

test("an acknowledged message whose event has not come is shown as sent", async (t) => {
  const { server, session } = await live(t);
  server.answer(false);
  const sent = session.send("hello");
  const { request, events } = server.socket.sent.find((frame) => frame.type === "publish");
  server.socket.tell({ type: "ack", request, first: 1, last: 1 });
  await sent;
  assert.equal(session.transcript().messages[0].state, "sent");
  server.append("s", events[0]);
  assert.deepEqual(texts(session), ["hello"]);
});

test("a refused message stays with its reason, is sent again by its id, and can be discarded", async (t) => {
  const { server, session } = await live(t);
  server.sessionOf("s").refuses = () => ({ code: "busy", status: 422, detail: "at work", retryable: false });
  await assert.rejects(session.send({ id: "m1", text: "hello" }), (error) => {
    assert.ok(error instanceof DurableSessionsError);
    assert.deepEqual([error.code, error.detail, error.retryable, error.sideEffects], ["busy", "at work", false, "none"]);
    return true;
  });
  const [refused] = session.transcript().messages;
  assert.equal(refused.state, "refused");
  assert.deepEqual(refused.error, { code: "busy", detail: "at work" });

  session.send({ id: "m2", text: "bye" });
  await until(() => session.transcript().messages[1]?.state === "refused");
  session.discard("m2");
  assert.deepEqual(texts(session), ["hello"]);

  server.sessionOf("s").refuses = undefined;
  const again = session.send({ id: "m1" });
  assert.equal(session.transcript().messages[0].state, "sending");
  assert.equal(session.transcript().messages[0].error, undefined);
  assert.deepEqual(await again, { id: "m1", offset: 1 });
  assert.deepEqual(texts(session), ["hello"]);
});

test("a message over the limit is refused without being sent", async (t) => {
  const { session, server } = await live(t);
  const sent = session.send("x".repeat(300_000));
  assert.equal(session.transcript().messages[0].state, "refused");
  assert.equal(session.transcript().messages[0].error.code, "too_large");
  await assert.rejects(sent, { code: "too_large" });
  assert.ok(!server.socket.sent.some((frame) => frame.type === "publish"));
});

test("nobody has to await what is refused", async (t) => {
  const { client, session } = await live(t);
  session.send("x".repeat(300_000));
  client.session("other");
  client.close();
  session.stop();
  await new Promise((resolve) => setTimeout(resolve, 20));
  assert.deepEqual(rejections, []);
});

test("a pressed stop shows stopping at once, and its receipt ends with the runs it fenced", async (t) => {
  const { server, session } = await live(t);
  server.append("s", { kind: "message", id: "m1", role: "user", text: "go" });
  server.append("s", { kind: "run.started", run: "r1", agent: "assistant", in_reply_to: "m1" });
  const pressed = session.stop();
  assert.equal(session.transcript().active[0].state, "stopping");
  assert.equal(server.socket.sent.at(-1).events[0].seen, 2);
  const receipt = await pressed;
  assert.equal(receipt.offset, 3);
  let ends;
  receipt.ended().then((all) => (ends = all));
  await new Promise((resolve) => setTimeout(resolve, 5));
  assert.equal(ends, undefined);
  server.append("s", { kind: "run.ended", run: "r1", outcome: "stopped" });
  await until(() => ends !== undefined);
  assert.deepEqual(ends, [{ run: "r1", outcome: "stopped" }]);
  assert.deepEqual(session.transcript().active, []);
  assert.equal(session.transcript().runs[0].state, "stopped");
  await assert.rejects(receipt.ended(AbortSignal.abort(new Error("never mind"))), /never mind/);
});

test("a refused stop shows the run as running again", async (t) => {
  const { server, session } = await live(t);
  server.append("s", { kind: "run.started", run: "r1", agent: "assistant" });
  server.sessionOf("s").refuses = () => ({ code: "forbidden", status: 403, detail: "no" });
  const pressed = session.stop({ run: "r1" });
  assert.equal(session.transcript().runs[0].state, "stopping");
  await assert.rejects(pressed, { code: "forbidden" });
  assert.equal(session.transcript().runs[0].state, "running");
});

test("what did not change keeps its identity, and an unchanged transcript is one object", async (t) => {
  const { server, session } = await live(t);
  server.append("s",
    { kind: "message", id: "m1", role: "user", text: "go" },
    { kind: "run.started", run: "r1", agent: "assistant", in_reply_to: "m1" },
    { kind: "delta", run: "r1", message: "a1", text: "he" });
  const before = session.transcript();
  assert.equal(session.transcript(), before);
  server.append("s", { kind: "delta", run: "r1", message: "a1", text: "llo" });
  const after = session.transcript();
  assert.notEqual(after, before);
  assert.equal(after.messages[0], before.messages[0]);
  assert.equal(after.runs, before.runs);
  assert.deepEqual(before.messages.map((message) => message.text), ["go", "he"]);
  assert.deepEqual(after.messages.map((message) => message.text), ["go", "hello"]);
});

test("subscribers are called once for many changes, and not after they leave", async (t) => {
  const { server, session } = await live(t);
  await new Promise((resolve) => setTimeout(resolve, 150));
  let calls = 0;
  const off = session.subscribe(() => calls++);
  for (let n = 0; n < 50; n++) server.append("s", { kind: "message", id: `m${n}`, role: "user", text: "x" });
  assert.equal(calls, 0);
  await until(() => calls === 1);
  server.append("s", { kind: "message", id: "last", role: "user", text: "x" });
  off();
  await new Promise((resolve) => setTimeout(resolve, 150));
  assert.equal(calls, 1);
});

test("subscribers may send, close and throw", async (t) => {
  const { server, client, session } = await live(t);
  const errors = t.mock.method(console, "error", () => {});
  let echoes = 0;
  session.on("event", () => {
    throw new Error("a listener's own");
  });
  session.on("event", (event) => {
    if (event.text === "ping") session.send({ id: `echo-${++echoes}`, text: "pong" });
    if (event.text === "pong") client.close();
  });
  server.append("s", { kind: "message", id: "m1", role: "user", text: "ping" });
  assert.deepEqual(texts(session), ["ping", "pong"]);
  await until(() => client.status === "closed");
  assert.equal(session.status, "closed");
  assert.equal(server.socket.isClosed, true);
  assert.ok(errors.mock.callCount() >= 1);
});

test("after a cut the transcript stays, and the client resumes where it stood", async (t) => {
  const { server, client, session } = await live(t);
  server.append("s", { kind: "message", id: "m1", role: "user", text: "one" });
  const statuses = [];
  session.on("status", (status) => statuses.push(status));
  server.socket.cut();
  assert.equal(session.status, "stale");
  assert.deepEqual(texts(session), ["one"]);
  server.append("s", { kind: "message", id: "m2", role: "user", text: "two" });
  await until(() => session.status === "live");
  assert.equal(server.sockets.length, 2);
  const attach = server.socket.sent.find((frame) => frame.type === "attach");
  assert.deepEqual(attach.position, { log: "log-1", offset: 1 });
  assert.deepEqual(texts(session), ["one", "two"]);
  assert.deepEqual(statuses, ["stale", "live"]);
  assert.equal(client.error, null);
});

test("an offline client waits, and says until when", async (t) => {
  const { server, client } = await live(t);
  server.answer(false);
  server.socket.cut();
  server.socket.cut();
  await until(() => client.status === "waiting");
  assert.ok(client.retryAt >= Date.now() - 1000 && client.retryAt < Date.now() + 21_000);
  server.answer(true);
  client.reconnect();
  await until(() => client.status === "live");
  assert.equal(client.retryAt, null);
});

test("events() gives the batches from here on, and ends with the signal", async (t) => {
  const { server, session } = await live(t);
  server.append("s", { kind: "message", id: "m1", role: "user", text: "before" });
  assert.throws(() => session.events({ after: -1 }), { code: "invalid" });
  assert.throws(() => session.events({ after: 1.5 }), { code: "invalid" });
  const controller = new AbortController();
  const batches = [];
  const reading = (async () => {
    for await (const batch of session.events({ after: 1, signal: controller.signal })) batches.push(batch);
  })();
  server.append("s", { kind: "data", id: "d1", name: "n", data: 1 });
  server.append("s", { kind: "data", id: "d2", name: "n", data: 2 });
  await until(() => batches.length === 2);
  assert.deepEqual(batches.map(({ first, last, events }) => [first, last, events[0].data]), [[2, 2, 1], [3, 3, 2]]);
  controller.abort(new Error("enough"));
  await assert.rejects(reading, /enough/);
});

test("events({ after }) reads from there, however far behind it is", async (t) => {
  const { server, session } = await live(t);
  const add = (from, to) => {
    for (let n = from; n <= to; n++) server.append("s", { kind: "data", id: `d${n}`, name: "n", data: n });
  };
  add(1, 10);
  const reader = session.events({ after: 3 })[Symbol.asyncIterator]();
  add(11, 3000);
  const offsets = [];
  while (offsets.length < 2997) offsets.push(...(await reader.next()).value.events.map((event) => event.offset));
  assert.deepEqual(offsets, Array.from({ length: 2997 }, (_, n) => n + 4));
  const next = reader.next();
  add(3001, 3001);
  assert.equal((await next).value.last, 3001);
  assert.deepEqual(await reader.return(), { done: true, value: undefined });
  assert.ok(server.socket.sent.filter((frame) => frame.type === "fetch").every((frame) => frame.after < 3000));
});

test("a reader that nobody asks is not given more than so much", async (t) => {
  const { server, session } = await live(t);
  const reader = session.events({ after: 0 })[Symbol.asyncIterator]();
  for (let n = 1; n <= 5000; n++) server.append("s", { kind: "data", id: `d${n}`, name: "n", data: n });
  const { offset } = session.transcript();
  assert.equal(offset, 5000);
  await new Promise((resolve) => setTimeout(resolve, 20));
  server.answer(false);
  // What it has before it has to ask again.
  let given = 0;
  for (;;) {
    const step = await Promise.race([reader.next(), new Promise((resolve) => setTimeout(resolve, 20))]);
    if (!step) break;
    given += step.value.events.length;
  }
  assert.ok(given >= 1000 && given <= 2048, `${given}`);
});

test("readers end with their session, and leave no listener on the signal", async (t) => {
  const { client, session } = await live(t);
  const { signal } = new AbortController();
  const listeners = new Set();
  t.mock.method(signal, "addEventListener", (_, fn) => listeners.add(fn));
  t.mock.method(signal, "removeEventListener", (_, fn) => listeners.delete(fn));
  const step = session.events({ signal })[Symbol.asyncIterator]().next();
  assert.equal(listeners.size, 1);
  client.close();
  await assert.rejects(step, { code: "closed" });
  assert.equal(listeners.size, 0);
  assert.throws(() => session.events(), { code: "closed" });
});

test("presence is what the server last said", async (t) => {
  const { server, session } = await live(t);
  assert.deepEqual(session.presence, []);
  const heard = [];
  session.on("presence", (members) => heard.push(members));
  const members = [{ from: { kind: "user", id: "ann" }, device: "d", tabs: 2 }];
  server.socket.tell({ type: "presence", session: "s", members, total: 1 });
  assert.deepEqual(session.presence, members);
  assert.equal(session.presence, heard[0]);
});

test("publish appends data", async (t) => {
  const { server, session } = await live(t);
  const { id, offset } = await session.publish("cart", { items: 2 });
  assert.equal(offset, 1);
  const { kind, name, data } = server.sessionOf("s").events[0];
  assert.deepEqual({ id: server.sessionOf("s").events[0].id, kind, name, data }, { id, kind: "data", name: "cart", data: { items: 2 } });
});

test("another log empties the transcript and says so", async (t) => {
  const { server, session } = await live(t);
  server.append("s", { kind: "message", id: "m1", role: "user", text: "old" });
  let log;
  session.on("reset", (fresh) => (log = fresh));
  server.socket.tell({ type: "reset", session: "s", log: "log-2", first: 1 });
  assert.equal(log, "log-2");
  assert.deepEqual(texts(session), []);
  assert.equal(session.transcript().log, "log-2");
});

test("token() is asked before every attempt, and null closes the client as unauthorized", async (t) => {
  const tokens = ["t1", null];
  const { server, client } = await live(t, { token: async () => tokens.shift() });
  assert.equal(server.socket.sent[0].token, "t1");
  server.socket.cut();
  await until(() => client.status === "closed");
  assert.equal(client.error.code, "unauthorized");
});

test("what cannot be says so", (t) => {
  const { client } = open(t);
  assert.throws(() => client.session("no spaces"), { code: "invalid" });
  assert.throws(() => connect("mailto:x"), { code: "invalid" });
  assert.throws(() => connect(), { code: "invalid" });
  client.close();
  assert.throws(() => client.session("s"), { code: "closed" });
});

test("without a WebSocket the first session says what to do", { skip: typeof WebSocket === "function" }, () => {
  assert.throws(() => connect("http://x").session("s"), { code: "not_supported" });
});

test("a transcript before the first answer is empty", (t) => {
  const { client } = open(t);
  assert.deepEqual(client.session("s").transcript(), {
    log: null, offset: 0, title: null, messages: [], runs: [], active: [], hasOlder: false,
  });
});
