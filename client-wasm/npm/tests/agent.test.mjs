// Agents in Node, from the facade through their core to the server itself.
import assert from "node:assert/strict";
import { test } from "node:test";
import WebSocket from "ws";
import { connect, RunFailure } from "./package.mjs";
import { server } from "./program.mjs";
import { until } from "./server.mjs";

/** Clients of a server of this test's own. */
async function stage(t) {
  const { url, events } = await server(t);
  const client = (as, options) => {
    const made = connect(url, { WebSocket, as, tabs: "solo", outbox: "memory", ...options });
    t.after(() => made.close());
    return made;
  };
  return { events, client, session: client("user/ann").session("s"), agent: client("agent/bot") };
}

const ended = (session) => until(() => {
  const { runs, messages } = session.transcript();
  return runs.length > 0 && session.transcript().active.length === 0 && messages.length > 0;
}, "every run has ended");

test("an input is worked on, and what the handler returns is the run's result", async (t) => {
  const { session, agent, events } = await stage(t);
  agent.serve("assistant", async (run) => {
    assert.equal(run.session, "s");
    assert.equal(run.input.text, "hello");
    assert.equal(run.attempt, 1);
    await run.write("Hi ");
    await run.write("there.");
    return { words: 2 };
  });
  await session.send("hello");
  await ended(session);
  const { messages, runs } = session.transcript();
  assert.deepEqual(messages.map(({ role, text, state }) => [role, text, state]), [
    ["user", "hello", "sent"],
    ["assistant", "Hi there.", "completed"],
  ]);
  assert.equal(runs[0].state, "completed");
  const end = (await events("s")).find((event) => event.kind === "run.ended");
  assert.deepEqual(end.data, { words: 2 });
  assert.deepEqual(end.from, { kind: "agent", id: "bot" });
});
