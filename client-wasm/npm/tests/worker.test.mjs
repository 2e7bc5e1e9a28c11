// What a worker does that comes late, comes back, or is told how long to wait.
import assert from "node:assert/strict";
import { test } from "node:test";
import { connect } from "./package.mjs";
import { fakeServer, until } from "./server.mjs";
import { answer, run, stage } from "./stage.mjs";

const rejections = [];
process.on("unhandledRejection", (reason) => rejections.push(reason));

/** A worker of a server that is made of one object, once it offers. */
async function worker(t, handler, options) {
  const fake = fakeServer();
  const client = connect("http://127.0.0.1:1", { WebSocket: fake.WebSocket, as: "agent/bot" });
  t.after(() => client.close());
  client.serve("writer", handler, options);
  await until(() => fake.socket?.sent.length > 1, "it offers");
  return {
    ...fake,
    sent: (type) => fake.socket.sent.filter((frame) => frame.type === type),
    published: (kind) => fake.sessionOf("s").events.filter((event) => event.kind === kind),
    tell: (frame) => fake.socket.tell(frame),
    wake: (input, run) => fake.socket.tell({ type: "wake", agent: "writer", session: "s", input, attempt: 1, run }),
  };
}

const said = (id, more) => ({ kind: "message", id, role: "user", text: id, ...more });
const untilAborted = ({ signal }) => new Promise((resolve) => signal.addEventListener("abort", resolve));

test("a run whose input an edit hid is not gone on with, and what waits behind it is worked on at once", async (t) => {
  const { session, agent, client } = await stage(t);
  const options = { producer: "worker-1" };
  agent.serve("assistant", async (run) => {
    await run.write("begun");
    await untilAborted(run);
  }, options);
  const { id } = await session.send("go");
  await until(() => answer(session)?.text === "begun");
  await session.send({ text: "go elsewhere", replaces: id });
  agent.close();
  const inputs = [];
  client("agent/bot").serve("assistant", ({ input }) => void inputs.push(input.text), options);
  await run(session, "assistant", "completed");
  assert.deepEqual(inputs, ["go elsewhere"]);
  assert.deepEqual(session.transcript().runs.map(({ state }) => state), ["stopped", "completed"]);
});

test("an input that an edit hid before its run started is answered by nothing, at once", async (t) => {
  const { append, published, wake } = await worker(t, () => assert.fail("nobody would see it"));
  append("s", said("m1"), said("m2", { replaces: "m1" }));
  wake("m1");
  await until(() => published("run.ended").length > 0, "it ends");
  const [{ outcome, data }] = published("run.ended");
  assert.deepEqual([outcome, data], ["completed", undefined]);
});

test("a session is attached once, for its events and for the runs in it", async (t) => {
  for (const producer of [undefined, "worker-1"]) {
    const { append, published, sent, wake } = await worker(t, (run) => run.write("done"), { producer });
    append("s", said("m1"));
    wake("m1");
    await until(() => published("run.ended").length > 0, "it ends");
    append("s", said("m2"));
    wake("m2");
    await until(() => published("run.ended").length > 1, "the next one, too");
    const attaches = sent("attach").map(({ session, producer, merge }) => [session, !!producer, merge]);
    assert.deepEqual(attaches, [["s", true, undefined]]);
  }
});

test("runs and those below them have the lease that is asked for", async (t) => {
  const { session, agent, events } = await stage(t);
  agent.serve("assistant", (run) => run.child("helper", () => {}), { leaseMs: 60_000 });
  agent.serve("plain", () => {});
  await session.send("go");
  await run(session, "assistant", "completed");
  await session.send({ text: "go", to: "plain" });
  await run(session, "plain", "completed");
  const starts = (await events("s")).filter(({ kind }) => kind === "run.started");
  assert.deepEqual(starts.map(({ agent, lease_ms }) => [agent, lease_ms]), [
    ["assistant", 60_000], ["helper", 60_000], ["plain", undefined],
  ]);
});

test("a run whose question nobody answers in time is lost, and its input is offered again", async (t) => {
  const { session, agent } = await stage(t);
  let reason;
  agent.serve("assistant", async (run) => {
    if (run.attempt === 2) return;
    await run.ask("sure?", { expiresMs: 1_000 }).catch((error) => (reason = error.code));
    assert.ok(run.signal.aborted);
  });
  await session.send("go");
  await run(session, "assistant", "completed");
  assert.deepEqual(session.transcript().runs.map(({ state }) => state), ["lost", "completed"]);
  assert.equal(reason, "run_stopped");
});

test("a time that the server would not take is refused before anything is asked or offered", async (t) => {
  const errors = [];
  const { append, published, wake, sent } = await worker(t, async (run) => {
    for (const expiresMs of [999, 2_592_000_001, 1_000.5, "1000", null]) {
      await run.ask("sure?", { expiresMs }).catch((error) => errors.push(error));
    }
  });
  append("s", said("m1"));
  wake("m1");
  await until(() => published("run.ended").length > 0, "it ends");
  assert.deepEqual(errors.map(({ code }) => code), Array(5).fill("invalid"));
  assert.equal(errors[0].detail, "expiresMs is a whole number from 1000 to 2592000000, not 999");
  assert.deepEqual(published("run.suspended"), []);

  t.mock.method(console, "error", (error) => errors.push(error));
  const { WebSocket, sockets } = fakeServer();
  const client = connect("http://127.0.0.1:1", { WebSocket, as: "agent/bot" });
  t.after(() => client.close());
  for (const leaseMs of [999, 86_400_001]) client.serve("writer", () => {}, { leaseMs });
  await until(() => errors.length === 7);
  assert.equal(errors[6].detail, "leaseMs is a whole number from 1000 to 86400000, not 86400001");
  assert.deepEqual([sockets.length, sent("serve").length], [0, 1]);
});

test("who still holds a session that ended does not leave the one that was taken anew", async (t) => {
  const { setTimeout } = globalThis;
  // A session is left as soon as nothing is at work in it.
  t.mock.method(globalThis, "setTimeout", (fn, ms) => setTimeout(fn, ms === 300_000 ? 0 : ms));
  const finish = [];
  const { append, published, sent, tell, wake } = await worker(t, () => new Promise((resolve) => finish.push(resolve)));
  append("s", said("m1"));
  wake("m1");
  await until(() => finish.length === 1, "the first is at work");
  tell({ type: "detached", session: "s", reason: "deleted" });
  append("s", said("m2"));
  wake("m2");
  await until(() => finish.length === 2, "the second is at work");
  finish[0]();
  // A timer of no length is over long before.
  await new Promise((resolve) => setTimeout(resolve, 50));
  assert.deepEqual(sent("detach"), []);
  finish[1]();
  await until(() => published("run.ended").length === 1, "it ends");
  await until(() => sent("detach").length === 1, "and then it is left");
});

test("nothing was an unhandled rejection", () => assert.deepEqual(rejections, []));
