// How runs end whose writes are refused, whose handlers go on too long or throw what nobody meant.
import assert from "node:assert/strict";
import { test } from "node:test";
import { until } from "./server.mjs";
import { answer, run, stage } from "./stage.mjs";

const EVENT_MAX_BYTES = 256 * 1024;

test("text of any length arrives whole", async (t) => {
  const { session, agent } = await stage(t);
  const text = "aé🦀\u0001".repeat(60_000);
  agent.serve("assistant", (run) => run.write(text));
  await session.send("at length");
  await run(session, "assistant", "completed");
  assert.ok(answer(session).text === text);
});

test("a run that wrote what an event cannot hold has failed, though its handler never heard of it", async (t) => {
  const { session, agent } = await stage(t);
  agent.serve("assistant", (run) => {
    run.part({ type: "picture", data: "x".repeat(EVENT_MAX_BYTES) });
    return "done";
  });
  await session.send("draw");
  assert.deepEqual((await run(session, "assistant", "failed")).error, { code: "too_large" });
});

test("a child that wrote what an event cannot hold has failed for its parent", async (t) => {
  const { session, agent } = await stage(t);
  agent.serve("assistant", async (run) => {
    const drawn = run.child("artist", (child) => void child.part({ data: "x".repeat(EVENT_MAX_BYTES) }));
    await assert.rejects(drawn, { code: "too_large" });
  });
  await session.send("draw");
  const { children } = await run(session, "assistant", "completed");
  assert.equal(children[0].state, "failed");
});

test("a run whose handler has returned takes nothing more in, and says so", async (t) => {
  const { session, agent } = await stage(t);
  let kept;
  agent.serve("assistant", (run) => void (kept = run));
  await session.send("go");
  await run(session, "assistant", "completed");
  for (const call of [
    () => kept.write("late"),
    () => kept.part({ type: "late" }),
    () => kept.ask({ type: "confirm" }),
    () => kept.delegate("other", "late"),
    () => kept.child("other", () => {}),
  ]) await assert.rejects(call(), { code: "run_ended" });
});

test("an error that a handler did not mean to throw is told where it runs, and not in the log", async (t) => {
  const { session, agent, events } = await stage(t);
  const told = t.mock.method(console, "error", () => {});
  const mistake = new TypeError("a secret of the house");
  agent.serve("assistant", () => Promise.reject(mistake));
  await session.send("go");
  assert.deepEqual((await run(session, "assistant", "failed")).error, { code: "failed" });
  await until(() => told.mock.callCount() > 0);
  assert.equal(told.mock.calls[0].arguments[0], mistake);
  assert.ok(!JSON.stringify(await events("s")).includes("secret"));
});
