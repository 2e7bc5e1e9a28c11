// Transcripts that begin at their last messages, and what is read over HTTP.
import assert from "node:assert/strict";
import { test } from "node:test";
import { browser } from "./browser.mjs";
import { connect } from "./package.mjs";
import { fakeServer, until } from "./server.mjs";

const user = (id, fields) => ({ kind: "message", id, role: "user", text: id, ...fields });
const started = (run, fields) => ({ kind: "run.started", run, agent: "assistant", ...fields });
const ended = (run, outcome = "completed") => ({ kind: "run.ended", run, outcome });
const delta = (run, message, text) => ({ kind: "delta", run, message, text });

/** A server that answers over HTTP too: by the transcript of a client that follows the log from its start. */
async function stage(t, ...events) {
  const server = fakeServer();
  if (events.length > 0) server.append("s", ...events);
  const client = (options) => {
    const made = connect("http://127.0.0.1:1/", { WebSocket: server.WebSocket, as: "user/ann", outbox: "memory", tabs: "solo", ...options });
    t.after(() => made.close());
    return made;
  };
  const whole = client().session("s");
  await whole.ready;
  const asked = [];
  // Each is called once with what is about to be answered.
  const held = [];
  t.mock.method(globalThis, "fetch", async (url, { headers }) => {
    const { pathname, searchParams } = new URL(url);
    asked.push({ url: `${pathname}${url.search}`, headers });
    const answer = pathname === "/v1/sessions/s/transcript" ? page(server, whole, searchParams) : undefined;
    const body = structuredClone(answer ?? { code: "not_found", detail: "no such session", status: 404, retryable: false });
    await held.shift()?.(body);
    return new Response(JSON.stringify(body), { status: answer ? 200 : body.status ?? 404 });
  });
  return { server, client, whole, asked, held };
}

/** What the server answers: messages that begin before an offset, the last ones of them. */
function page(server, whole, query) {
  const transcript = whole.transcript();
  const first = new Map();
  const authors = new Map();
  for (const event of server.sessionOf("s").events) {
    const id = ["message", "steer"].includes(event.kind) ? event.id : event.message;
    if (id === undefined || first.has(id)) continue;
    first.set(id, event.offset);
    if (event.kind !== "steer") authors.set(id, event.run);
  }
  const before = Number(query.get("before") ?? Infinity);
  const below = transcript.messages.filter(({ id }) => first.get(id) < before);
  const messages = query.has("last") ? below.slice(Math.max(0, below.length - Number(query.get("last")))) : below;
  const from = messages.length < below.length ? first.get(messages[0]?.id) ?? before : 1;
  const unlisted = [];
  for (const [id, offset] of first) {
    const run = authors.get(id);
    if (offset < from) unlisted.push({ id, run });
    else if (offset < before && !messages.some((message) => message.id === id)) {
      unlisted.push({ id, run, place: messages.filter((message) => first.get(message.id) < offset).length });
    }
  }
  unlisted.sort((one, other) => (one.place ?? -1) - (other.place ?? -1));
  const numbers = server.sessionOf("s").events.filter(({ kind }) => kind === "run.started").map(({ run }) => run);
  const numbered = (run) => ({ ...run, place: numbers.indexOf(run.id), children: run.children.map(numbered) });
  return { ...transcript, messages, runs: transcript.runs.map(numbered), hasOlder: from > 1, first: from, unlisted };
}

const ids = (session) => session.transcript().messages.map(({ id }) => id);
const same = (session, whole) => assert.deepEqual(session.transcript(), whole.transcript());
const attach = (server) => server.socket.sent.find((frame) => frame.type === "attach");

test("a session begins at its last messages, and follows from where they were read", async (t) => {
  const { server, client, asked } = await stage(t, user("m1"), user("m2"), user("m3"));
  const session = client().session("s", { last: 2 });
  assert.equal(session.status, "loading");
  await session.ready;
  assert.deepEqual(asked, [{ url: "/v1/sessions/s/transcript?last=2", headers: { "Session-As": "user/ann" } }]);
  assert.deepEqual(attach(server).position, { log: "log-1", offset: 3 });
  assert.deepEqual(ids(session), ["m2", "m3"]);
  assert.equal(session.transcript().hasOlder, true);
  server.append("s", user("m4"));
  assert.deepEqual(ids(session), ["m2", "m3", "m4"]);
});

test("older messages join in front, and what was shown stays the same objects", async (t) => {
  const { client, whole, asked } = await stage(t, ...Array.from({ length: 9 }, (_, n) => user(`m${n + 1}`)));
  const session = client().session("s", { last: 2 });
  await session.ready;
  const before = session.transcript();
  await Promise.all([session.loadOlder(3), session.loadOlder(3)]);
  assert.deepEqual(ids(session), ["m5", "m6", "m7", "m8", "m9"]);
  assert.equal(session.transcript().messages[3], before.messages[0]);
  assert.equal(session.transcript().hasOlder, true);
  await session.loadOlder();
  same(session, whole);
  assert.equal(session.transcript().hasOlder, false);
  await session.loadOlder();
  assert.deepEqual(asked.slice(1).map(({ url }) => url.split("?")[1]), ["last=3&before=8", "last=20&before=5"]);
});

test("what happens to older messages while they are read is in them", async (t) => {
  const { server, client, whole, held } = await stage(t,
    user("m1"), started("r1", { in_reply_to: "m1" }), delta("r1", "a1", "one "), user("m2"), user("m3"));
  const session = client().session("s", { last: 1 });
  await session.ready;
  server.append("s", delta("r1", "a1", "two "));
  assert.deepEqual(ids(session), ["m3"]);
  held.push(() => server.append("s", delta("r1", "a1", "three "), { kind: "input.state", id: "m2", state: "stopped" }));
  await session.loadOlder();
  same(session, whole);
  server.append("s", delta("r1", "a1", "four"), ended("r1"));
  assert.equal(session.transcript().messages[1].text, "one two three four");
  same(session, whole);
});

test("a page that is ahead of the transcript waits for it", async (t) => {
  const { server, client, whole, held } = await stage(t, user("m1"), started("r1"), delta("r1", "a1", "one "), user("m2"));
  const session = client().session("s", { last: 1 });
  await session.ready;
  held.push((answer) => {
    // What the server knows already, and this client hears only then.
    setTimeout(() => server.append("s", delta("r1", "a1", "two")), 20);
    answer.offset++;
    answer.messages[1].text = answer.messages[1].parts[0].text = "one two";
  });
  await session.loadOlder();
  same(session, whole);
  assert.equal(session.transcript().messages[1].text, "one two");
});

test("a page is asked for again when joined deltas lie across its offset", async (t) => {
  const { server, client, whole, asked, held } = await stage(t, user("m1"), started("r1"), delta("r1", "a1", "one "), user("m2"));
  const session = client().session("s", { last: 1 });
  await session.ready;
  held.push((answer) => {
    server.append("s", { ...delta("r1", "a1", "two"), first: 4 });
    answer.offset = 4;
  });
  await session.loadOlder();
  assert.equal(asked.length, 3);
  same(session, whole);
});

test("an edit of what is older hides all that is shown", async (t) => {
  const { server, client, whole } = await stage(t, user("m1"), user("m2"), user("m3"), user("m4"));
  const session = client().session("s", { last: 2 });
  await session.ready;
  server.append("s", user("e1", { replaces: "m2" }));
  assert.deepEqual(ids(session), ["e1"]);
  await session.loadOlder();
  same(session, whole);
  assert.deepEqual(ids(session), ["m1", "e1"]);
});

test("runs from before the first message are in the tree, and open ones go on", async (t) => {
  const { server, client, whole } = await stage(t,
    user("m1"), started("r1", { in_reply_to: "m1" }), started("r2", { parent: "r1" }), ended("r2"),
    { kind: "run.suspended", run: "r1", ask: "q1", body: 1 }, user("m2"));
  const session = client().session("s", { last: 1 });
  await session.ready;
  assert.deepEqual(session.transcript().active.map(({ id, state, asks }) => [id, state, asks]), [["r1", "suspended", [{ id: "q1", body: 1 }]]]);
  await session.answer("q1", "yes");
  server.append("s", started("r3", { parent: "r1" }), started("r4"));
  await session.loadOlder();
  same(session, whole);
  server.append("s", ended("r1"));
  same(session, whole);
});

test("paging to the start while the log goes on gives the whole transcript", async (t) => {
  for (let seed = 1; seed <= 60; seed++) {
    let state = seed;
    const random = (below) => ((state = (state * 48271) % 2147483647) >> 8) % below;
    const log = { messages: [], runs: [] };
    const { server, client, whole, held } = await stage(t);
    const some = (count) => server.append("s", ...Array.from({ length: count }, (_, n) => event(random, log, `${seed}-${log.messages.length}-${n}`)));
    some(5 + random(40));
    const session = client().session("s", { last: 1 + random(4) });
    await session.ready;
    for (let page = 0; session.transcript().hasOlder; page++) {
      assert.ok(page < 100);
      if (random(2)) some(1 + random(4));
      if (random(2)) held.push(() => void some(1 + random(4)));
      await session.loadOlder(1 + random(5));
    }
    const shown = JSON.parse(JSON.stringify(session.transcript()));
    const expected = JSON.parse(JSON.stringify(whole.transcript()));
    assert.deepEqual(shown, expected, `seed ${seed}`);
    t.mock.restoreAll();
  }
});

/** An event that fits the log so far. */
function event(random, log, id) {
  const { messages, runs } = log;
  const open = runs.filter((run) => run.isOpen);
  const run = open[random(open.length)];
  const kinds = ["user", "user", "start", ...(run ? ["delta", "delta", "delta", "end", "steer"] : []), ...(messages.length ? ["edit", "settle"] : [])];
  switch (kinds[random(kinds.length)]) {
    case "user":
      messages.push({ id });
      return user(id);
    case "edit": {
      const replaces = messages[random(messages.length)].id;
      messages.push({ id });
      return user(id, { replaces });
    }
    case "settle": {
      const waiting = messages.filter((message) => !message.run);
      return { kind: "input.state", id: waiting[random(waiting.length)]?.id ?? "none", state: random(2) ? "stopped" : "expired" };
    }
    case "start":
      runs.push({ id, isOpen: true });
      return started(id, run && { parent: run.id });
    case "end":
      run.isOpen = false;
      return ended(run.id);
    case "steer":
      messages.push({ id });
      return { kind: "steer", id, run: run.id, text: id };
    default: {
      const own = messages.filter((message) => message.run === run.id);
      if (own.length && random(4)) return delta(run.id, own[random(own.length)].id, ` ${id}`);
      messages.push({ id, run: run.id });
      return delta(run.id, id, id);
    }
  }
}

test("tabs begin where they like, whoever of them leads", async (t) => {
  browser(t);
  const { server, client, whole } = await stage(t, ...Array.from({ length: 6 }, (_, n) => user(`m${n + 1}`)));
  const open = async (options) => {
    const made = client({ tabs: "shared" });
    const session = made.session("s", options);
    await session.ready;
    return { role: made.role, session, close: () => made.close() };
  };
  const tabs = [await open({ last: 1 }), await open(), await open({ last: 2 })];
  assert.deepEqual(tabs.map(({ role }) => role), ["leader", "follower", "follower"]);
  server.append("s", user("m7"));
  const expected = [2, 7, 3];
  await until(() => tabs.every(({ session }, at) => ids(session).length === expected[at]));
  await tabs[2].session.loadOlder();
  tabs[0].close();
  server.append("s", user("m8"));
  await until(() => tabs.slice(1).every(({ session }) => ids(session).length === 8));
  for (const { session } of tabs.slice(1)) same(session, whole);
});

test("a session begins with a snapshot at once, and goes on after it", async (t) => {
  const { server, client, whole } = await stage(t, user("m1"), started("r1"), delta("r1", "a1", "one "));
  const snapshot = await client().read("s");
  server.append("s", delta("r1", "a1", "two"), ended("r1"));
  const session = client().session("s", { snapshot });
  assert.deepEqual(ids(session), ["m1", "a1"]);
  assert.equal(session.transcript().messages[0], snapshot.messages[0]);
  await session.ready;
  assert.deepEqual(attach(server).position, { log: "log-1", offset: 3 });
  same(session, whole);
});

test("a snapshot of another log gives way to the log", async (t) => {
  const { server, client } = await stage(t, user("m1"));
  const snapshot = { ...(await client().read("s")), log: "old" };
  const session = client().session("s", { snapshot });
  await until(() => attach(server)?.position);
  server.socket.tell({ type: "reset", session: "s", log: "log-1", first: 1 });
  assert.deepEqual([ids(session), session.transcript().hasOlder], [[], false]);
  assert.throws(() => client().session("s", { snapshot: {} }), { code: "invalid" });
});

test("without an answer over HTTP the session begins at its start", async (t) => {
  const { server, client, held } = await stage(t, user("m1"), user("m2"));
  held.push((body) => {
    for (const key of Object.keys(body)) delete body[key];
    throw new TypeError("network");
  });
  const patient = client().session("s", { last: 1 });
  const sent = patient.send({ id: "m3", text: "early" });
  assert.deepEqual(ids(patient), ["m3"]);
  await patient.ready;
  await sent;
  assert.deepEqual([ids(patient), patient.transcript().hasOlder], [["m3"], true]);
  const other = client().session("other", { last: 1 });
  await other.ready;
  assert.deepEqual([ids(other), other.transcript().hasOlder], [[], false]);
});

test("who leaves while the last messages cannot be read asks for them no more", async (t) => {
  const { client, asked, held } = await stage(t, user("a"));
  const { setTimeout } = globalThis;
  // Pauses, and the time after which a session is left, are over at once.
  const paused = [];
  t.mock.method(globalThis, "setTimeout", (fn, ms) => {
    if (ms === 500) paused.push(ms);
    return setTimeout(fn, ms === 500 || ms === 1_000 ? 0 : ms);
  });
  let fail;
  held.push(() => new Promise((_, reject) => (fail = reject)));
  const session = client().session("s", { last: 1 });
  await until(() => fail, "it asks");
  session.detach();
  await until(() => session.status === "closed");
  fail(new Error("no network"));
  // It would ask again within a turn: its pauses are over at once.
  await new Promise((resolve) => setTimeout(resolve, 20));
  assert.deepEqual([asked.length, paused], [1, []]);
});

test("events() of a session that begins at its last messages begins after them", async (t) => {
  const { server, client } = await stage(t, user("m1"), user("m2"));
  const session = client().session("s", { last: 1 });
  const reader = session.events()[Symbol.asyncIterator]();
  const heard = [];
  session.on("event", (event) => heard.push(event.id));
  await session.ready;
  server.append("s", user("m3"));
  assert.equal((await reader.next()).value.first, 3);
  assert.deepEqual(heard, ["m3"]);
});

test("events() of a session whose last messages are on their way says which offset is none", async (t) => {
  const { client } = await stage(t, user("m1"));
  const session = client().session("s", { last: 1 });
  await assert.rejects(session.events({ after: -1 })[Symbol.asyncIterator]().next(), { code: "invalid" });
  await session.ready;
  assert.throws(() => session.events({ after: -1 }), { code: "invalid" });
});

test("events({ merge: false }) gives each event by itself", async (t) => {
  const { server, client } = await stage(t, started("r1"), delta("r1", "a1", "one "));
  const session = client().session("s");
  await session.ready;
  const reader = session.events({ after: 2, merge: false })[Symbol.asyncIterator]();
  const joined = session.events({ after: 2 })[Symbol.asyncIterator]();
  const { events } = server.sessionOf("s");
  const [two, three] = ["two ", "three"].map((text, n) => ({ ...delta("r1", "a1", text), offset: 3 + n, at: 1, from: { kind: "agent", id: "x" } }));
  events.push(two, three);
  server.socket.tell({ type: "events", session: "s", first: 3, last: 4, events: [{ ...three, first: 3, text: "two three" }] });
  assert.equal((await joined.next()).value.events.length, 1);
  const { value } = await reader.next();
  assert.deepEqual(value.events.map(({ offset, text }) => [offset, text]), [[3, "two "], [4, "three"]]);
});

test("read() and sessions() say who asks, and why they fail", async (t) => {
  const { client, asked } = await stage(t, user("m1"));
  const signed = client({ token: async () => "t1" });
  assert.deepEqual((await signed.read("s", { last: 5, before: 9 })).messages.map(({ id }) => id), ["m1"]);
  assert.deepEqual(asked[0], { url: "/v1/sessions/s/transcript?last=5&before=9", headers: { Authorization: "Bearer t1" } });
  await assert.rejects(signed.read("x"), { code: "not_found", retryable: false });
  await assert.rejects(client({ token: async () => null }).read("s"), { code: "unauthorized" });
  await assert.rejects(client({ token: async () => { throw new Error("no"); } }).read("s"), { code: "unavailable", retryable: true });
  assert.equal(asked.length, 2);

  t.mock.method(globalThis, "fetch", async (url) => {
    asked.push(`${url}`);
    return Response.json({ sessions: [{ id: "a", title: "A", tail: 3, log: "l", updated_at: 9 }], next: "a" });
  });
  const listed = await client().sessions({ prefix: "a", limit: 1 });
  assert.equal(asked.at(-1), "http://127.0.0.1:1/v1/sessions?prefix=a&limit=1");
  assert.deepEqual(listed, { sessions: [{ id: "a", title: "A", tail: 3, log: "l", updatedAt: 9 }], next: "a" });
  t.mock.method(globalThis, "fetch", async () => { throw new TypeError("no network"); });
  await assert.rejects(client().sessions(), { code: "unavailable", retryable: true });
});
