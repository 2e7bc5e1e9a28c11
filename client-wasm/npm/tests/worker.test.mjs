// What a worker does that comes late, comes back, or is told how long to wait.
import assert from "node:assert/strict";
import { test } from "node:test";
import { connect } from "./package.mjs";
import { fakeServer, until } from "./server.mjs";

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
