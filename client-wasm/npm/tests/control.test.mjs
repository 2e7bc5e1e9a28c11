// Stops, steers, answers and edits: what a person sees at the press, and what goes out.
import assert from "node:assert/strict";
import { IDBFactory } from "fake-indexeddb";
import { test } from "node:test";
import { browser } from "./browser.mjs";
import { connect } from "./package.mjs";
import { fakeServer, until } from "./server.mjs";

async function live(t, options) {
  const server = fakeServer();
  const client = connect("http://127.0.0.1:1", { WebSocket: server.WebSocket, as: "user/ann", outbox: "memory", ...options });
  t.after(() => client.close());
  const session = client.session("s");
  await session.ready;
  return { server, client, session };
}

/** A browser in which a page is loaded, closed, and loaded again with the second call. */
function pages(t) {
  browser(t);
  globalThis.indexedDB = new IDBFactory();
  return () => live(t, { tabs: "solo", outbox: "durable" });
}

const user = (id, text, fields) => ({ kind: "message", id, role: "user", text, ...fields });
const started = (run, fields) => ({ kind: "run.started", run, agent: "assistant", ...fields });
const ended = (run, outcome = "completed") => ({ kind: "run.ended", run, outcome });
const delta = (run, message, text) => ({ kind: "delta", run, message, text });

const shown = (session) => session.transcript().messages.map(({ id, state }) => `${id} ${state}`);
const states = (session) => Object.fromEntries(session.transcript().active.map(({ id, state }) => [id, state]));
const sent = (server) => server.socket.sent.filter((frame) => frame.type === "publish").map((frame) => frame.events[0]);

/** Runs r1 > r2 > r3, and r4 by itself. */
function tree(server) {
  server.append("s",
    user("m1", "go"), started("r1", { in_reply_to: "m1" }), started("r2", { parent: "r1" }),
    started("r3", { parent: "r2" }), started("r4"));
}

test("a pressed stop shows its subtree stopping, also what starts in it before the log has the stop", async (t) => {
  const { server, session } = await live(t);
  tree(server);
  server.answer(false);
  session.stop({ run: "r2" });
  assert.deepEqual(states(session), { r1: "running", r2: "stopping", r3: "stopping", r4: "running" });
  server.append("s", started("r5", { parent: "r3" }), started("r6", { parent: "r1" }));
  assert.equal(states(session).r5, "stopping");
  assert.equal(states(session).r6, "running");
});

test("a stop without cascade shows its run alone stopping, and says so to the server", async (t) => {
  const { server, session } = await live(t);
  tree(server);
  server.answer(false);
  session.stop({ run: "r2", cascade: false });
  assert.deepEqual(states(session), { r1: "running", r2: "stopping", r3: "running", r4: "running" });
  const [{ id, ...stop }] = sent(server);
  assert.deepEqual(stop, { kind: "stop.requested", run: "r2", cascade: false });
});

test("a stop whose target names neither a run nor a message is refused, and stops nothing", async (t) => {
  const { server, session } = await live(t);
  tree(server);
  server.answer(false);
  for (const target of ["r1", {}, { run: undefined }, { message: null }, { cascade: false }, null]) {
    const stopped = session.stop(target);
    assert.deepEqual(states(session), { r1: "running", r2: "running", r3: "running", r4: "running" });
    await assert.rejects(stopped, { code: "invalid" });
  }
  assert.deepEqual(sent(server), []);
});

test("a stop of a message is of the run that took it, and of an answer of the run that writes it", async (t) => {
  const { server, session } = await live(t);
  tree(server);
  server.append("s", delta("r4", "a4", "hm"));
  server.answer(false);
  session.stop({ message: "a4" });
  assert.deepEqual(states(session), { r1: "running", r2: "running", r3: "running", r4: "stopping" });
  session.stop({ message: "m1" });
  assert.deepEqual(states(session), { r1: "stopping", r2: "stopping", r3: "stopping", r4: "stopping" });
});

test("a stop of everything leaves what starts after the press alone", async (t) => {
  const { server, session } = await live(t);
  tree(server);
  server.answer(false);
  session.stop();
  server.append("s", started("r5"));
  assert.deepEqual(states(session), { r1: "stopping", r2: "stopping", r3: "stopping", r4: "stopping", r5: "running" });
});

test("a stop that was pressed before a reload shows stopping after it, and the outcome in the end", async (t) => {
  const load = pages(t);
  const before = await load();
  tree(before.server);
  before.server.answer(false);
  before.session.stop({ run: "r1" });
  before.client.close();

  const { server, client, session } = await load();
  server.answer(false);
  await until(() => sent(server).length === 1);
  tree(server);
  assert.deepEqual(states(session), { r1: "stopping", r2: "stopping", r3: "stopping", r4: "running" });
  const { request, events } = server.socket.sent.find((frame) => frame.type === "publish");
  assert.equal(events[0].run, "r1");
  server.append("s", { ...events[0], runs: ["r1", "r2", "r3"] }, ended("r1", "stopped"), ended("r2", "stopped"));
  server.socket.tell({ type: "ack", request, first: 6, last: 6, id: events[0].id, offset: 6, runs: ["r1", "r2", "r3"] });
  assert.deepEqual(states(session), { r3: "stopping", r4: "running" });
  assert.equal(session.transcript().runs[0].state, "stopped");
  client.close();
});

test("a receipt ends when the last run it fenced has, though the connection broke meanwhile", async (t) => {
  const { server, session } = await live(t);
  server.append("s", started("r1"));
  const receipt = await session.stop({ run: "r1" });
  let ends;
  receipt.ended().then((all) => (ends = all));
  server.answer(false);
  server.socket.cut();
  server.append("s", ended("r1", "stopped"));
  server.answer(true);
  await until(() => ends !== undefined);
  assert.deepEqual(ends, [{ run: "r1", outcome: "stopped" }]);
});

test("a steer is shown at the press with its run, and says why if it is refused", async (t) => {
  const { server, session } = await live(t);
  server.append("s", started("r1"));
  server.sessionOf("s").refuses = ({ kind }) => kind === "steer" && { code: "run_ended", status: 422, detail: "over" };
  const steered = session.steer("r1", { id: "s1", text: "assume COGS 12" });
  const [message] = session.transcript().messages;
  assert.deepEqual([message.id, message.role, message.text, message.run, message.state],
    ["s1", "user", "assume COGS 12", "r1", "sending"]);
  assert.deepEqual(sent(server), [{ kind: "steer", id: "s1", run: "r1", text: "assume COGS 12" }]);
  await assert.rejects(steered, { code: "run_ended" });
  assert.deepEqual(shown(session), ["s1 refused"]);

  server.sessionOf("s").refuses = undefined;
  assert.deepEqual(await session.send({ id: "s1" }), { id: "s1", offset: 2 });
  assert.deepEqual(sent(server)[1], sent(server)[0]);
});

test("a steer that was on its way survives its page", async (t) => {
  const load = pages(t);
  const before = await load();
  before.server.answer(false);
  before.session.steer("r1", "faster");
  before.client.close();

  const { server, client, session } = await load();
  await until(() => sent(server).length === 1);
  const [{ kind, run, text }] = sent(server);
  assert.deepEqual([kind, run, text], ["steer", "r1", "faster"]);
  await until(() => session.transcript().offset === 1);
  client.close();
});

test("an answer goes to the run that asks, also when another was first, which the server says", async (t) => {
  const { server, session } = await live(t);
  server.append("s", started("r1"), { kind: "run.suspended", run: "r1", ask: "q1", body: { kind: "confirm" } });
  const [run] = session.transcript().active;
  assert.deepEqual([run.state, run.asks], ["suspended", [{ id: "q1", body: { kind: "confirm" } }]]);
  await session.answer("q1", { yes: true });
  assert.deepEqual(sent(server), [{ kind: "run.resumed", run: "r1", ask: "q1", answer: { yes: true } }]);
  assert.deepEqual(session.transcript().active[0].asks, []);
  assert.equal(states(session).r1, "running");

  server.sessionOf("s").refuses = () => ({ code: "already_answered", status: 422, detail: "by bob" });
  await assert.rejects(session.answer("q1", { yes: false }), { code: "already_answered" });
  await assert.rejects(session.answer("q2", 1), { code: "not_found" });
  assert.equal(sent(server).length, 2);
});

test("update() sets the title", async (t) => {
  const { server, session } = await live(t);
  await session.update({ title: "Bids" });
  assert.equal(session.transcript().title, "Bids");
  assert.equal(sent(server)[0].kind, "session.updated");
});

test("a message says whom it is for and what becomes of what runs", async (t) => {
  const { server, session } = await live(t);
  await session.send({ id: "m1", text: "now", to: "bid-cap", ifRunning: "interrupt" });
  await session.send({ id: "m2", text: "note", to: null });
  assert.deepEqual(sent(server), [
    { kind: "message", id: "m1", role: "user", text: "now", to: "bid-cap", if_running: "interrupt" },
    { kind: "message", id: "m2", role: "user", text: "note", to: null },
  ]);
});

test("what an edit replaces is hidden at the press, and is back if the edit is refused", async (t) => {
  const { server, session } = await live(t);
  server.append("s", user("m1", "go"), user("m2", "on"), user("m3", "and on"));
  server.sessionOf("s").refuses = () => ({ code: "busy", status: 422, detail: "no" });
  const edit = session.send({ id: "e1", text: "stay", replaces: "m2" });
  assert.deepEqual(shown(session), ["m1 sent", "e1 sending"]);
  await assert.rejects(edit, { code: "busy" });
  assert.deepEqual(shown(session), ["m1 sent", "m2 sent", "m3 sent", "e1 refused"]);
});

test("an edit of what was edited meanwhile hides that edit too", async (t) => {
  const { server, session } = await live(t);
  server.append("s", user("m1", "go"), user("m2", "on"), user("m3", "and on"), user("e1", "off", { replaces: "m2" }));
  server.answer(false);
  session.send({ id: "e2", text: "up", replaces: "m3" });
  assert.deepEqual(shown(session), ["m1 sent", "e2 sending"]);
  session.send({ id: "e3", text: "down", replaces: "m2" });
  assert.deepEqual(shown(session), ["m1 sent", "e3 sending"]);
  session.send({ id: "e4", text: "away", replaces: "m1" });
  session.send({ id: "e5", text: "in", replaces: "m2" });
  assert.deepEqual(shown(session), ["e5 sending"]);
});
