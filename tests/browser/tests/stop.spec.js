// A stop is an act of its own: durable, acknowledged, and the only thing that stops a run.

import { expect, test } from "../support/test.js";
import { FIGURES } from "../support/chat.js";
import { ofKind, outcome, runFor } from "../support/log.js";

/** The page's press and its end lie so far apart: the stop is on its way, the receipt hardly. */
const CLOSE_AFTER_PRESS_MS = 50;
/** An agent that does not react is given 5 s, and the page some time to show it. */
const FENCE_TIMEOUT_MS = 10_000;
/** A lease is 30 s. */
const LOST_TIMEOUT_MS = 35_000;

/** The stop of the log, after which the run has said nothing. */
function expectSilenceAfterStop(events, run) {
  const [stop, ...more] = ofKind(events, "stop.requested");
  expect(more).toEqual([]);
  const after = events.filter((event) => event.offset > stop.offset && event.run === run);
  expect(after.map((event) => event.kind)).toEqual(["run.ended"]);
  expect(outcome(events, run)).toBe("stopped");
  return stop;
}

test("the stop button ends the answer, and nothing of it follows in the log", async ({ chat, agent }) => {
  await agent();
  await chat.open();
  await chat.send(FIGURES);
  const run = await chat.isStreaming();
  await chat.stop.click();
  await chat.isState(0, "stopped");
  await expect(chat.stop).toHaveCount(0);
  const events = await chat.showsTheLog();
  expect(expectSilenceAfterStop(events, run).run).toBe(run);

  // The agent is free for the next one.
  await chat.send("Hello");
  await chat.isState(1, "completed");
  await chat.showsTheLog();
});

test("the Escape key ends the answer", async ({ chat, agent }) => {
  await agent();
  await chat.open();
  await chat.send(FIGURES);
  const run = await chat.isStreaming();
  await chat.page.keyboard.press("Escape");
  await chat.isState(0, "stopped");
  expectSilenceAfterStop(await chat.showsTheLog(), run);
});

test("an agent that ignores the stop gets nothing more into the log", async ({ chat, agent }) => {
  await agent("rude-agent");
  await chat.open();
  await chat.send("Talk");
  const run = await chat.isStreaming();
  await chat.stop.click();
  // It is shown at once, while the fence holds off what the agent goes on writing.
  await expect(chat.stop).toHaveText("Stopping…");
  await chat.isState(0, "stopped", FENCE_TIMEOUT_MS);
  const events = await chat.showsTheLog();
  expectSilenceAfterStop(events, run);
});

for (const name of ["durable-sessions-demo-agent", "rude-agent"]) {
  test(`a stop pressed just before the page is closed holds for ${name}`, async ({ chat, agent, newChat }) => {
    await agent(name);
    await chat.open();
    await chat.send(FIGURES);
    const run = await chat.isStreaming();
    await chat.stop.click();
    // This is the case, not a wait for something to be ready.
    await new Promise((resolve) => setTimeout(resolve, CLOSE_AFTER_PRESS_MS));
    await chat.page.close();

    await expect
      .poll(async () => outcome(await chat.events(), run), { timeout: FENCE_TIMEOUT_MS })
      .toBe("stopped");
    const other = await (await newChat()).open();
    await other.isState(0, "stopped");
    expectSilenceAfterStop(await other.showsTheLog(), run);
  });
}

test("a stop outlives a server that is killed before the agent has obeyed it", async ({ chat, agent, server }) => {
  await agent("rude-agent");
  await chat.open();
  await chat.send("Talk");
  const run = await chat.isStreaming();
  await chat.stop.click();
  await expect.poll(async () => ofKind(await chat.events(), "stop.requested").length).toBe(1);
  await server.kill();
  await server.restart();
  await chat.isState(0, "stopped", FENCE_TIMEOUT_MS);
  expectSilenceAfterStop(await chat.showsTheLog(), run);
});

test("a stop pressed while the server is away is delivered when it is back", async ({ chat, agent, server }) => {
  await agent();
  await chat.open();
  await chat.send(FIGURES);
  const run = await chat.isStreaming();
  await server.kill();
  await expect(chat.status).not.toHaveText("live");
  await chat.stop.click();
  await expect(chat.stop).toHaveText("Stopping…");
  await server.restart();
  await chat.isState(0, "stopped", FENCE_TIMEOUT_MS);
  expectSilenceAfterStop(await chat.showsTheLog(), run);
});

test("an input cancelled before an agent took it is never answered", async ({ chat, agent }) => {
  await chat.open();
  await chat.send("Never mind");
  await chat.page.getByTestId("cancel").click();
  const cancelled = chat.messages.first();
  await expect(cancelled).toHaveAttribute("data-state", "stopped");
  await expect(chat.page.getByTestId("cancel")).toHaveCount(0);

  await agent();
  await chat.send("Hello");
  await chat.isState(0, "completed");
  const events = await chat.showsTheLog();
  const [first, second] = ofKind(events, "message");
  expect(runFor(events, first.id)).toBeUndefined();
  expect(runFor(events, second.id)).toBeDefined();
  expect(ofKind(events, "run.started")).toHaveLength(1);
});

test("a stop of everything delivered late leaves a newer run alone", async ({ chat, agent, newChat, device }) => {
  await agent();
  await chat.open();
  await chat.send(FIGURES);
  const older = await chat.isStreaming();
  await chat.page.getByTestId("cut").check();
  await expect(chat.status).toHaveText("waiting");
  await chat.page.keyboard.press("Escape");
  await expect(chat.stop).toHaveText("Stopping…");

  const other = await (await newChat(await device())).open();
  await other.stop.click();
  await other.isState(0, "stopped");
  await other.send(FIGURES);
  const newer = await other.isStreaming(1);

  await chat.page.getByTestId("cut").uncheck();
  await chat.isLive();
  // What it did not stop goes on, to its end.
  await chat.isState(1, "completed", 40_000);
  await expect(chat.stop).toHaveCount(0);
  const events = await chat.showsTheLog();
  await other.showsTheLog();
  expect(outcome(events, older)).toBe("stopped");
  expect(outcome(events, newer)).toBe("completed");
});

test("a stop of everything delivered late spares the input sent since", async ({ chat, agent, newChat, device }) => {
  await agent();
  await chat.open();
  await chat.send(FIGURES);
  const older = await chat.isStreaming();
  await chat.page.getByTestId("cut").check();
  await expect(chat.status).toHaveText("waiting");
  await chat.page.keyboard.press("Escape");

  const other = await (await newChat(await device())).open();
  await other.send("Hello");
  await expect(other.messages.last()).toHaveAttribute("data-state", "sent");
  expect(outcome(await other.events(), older), "the stop came while it streamed").toBeUndefined();

  await chat.page.getByTestId("cut").uncheck();
  await chat.isState(0, "stopped");
  await chat.isState(1, "completed", 40_000);
  expectSilenceAfterStop(await chat.showsTheLog(), older);
});

test("closing the page stops nothing", async ({ chat, agent, newChat }) => {
  await agent();
  await chat.open();
  await chat.send(FIGURES);
  const run = await chat.isStreaming();
  await chat.page.close();
  await expect.poll(async () => outcome(await chat.events(), run), { timeout: 40_000 }).toBe("completed");
  expect(ofKind(await chat.events(), "stop.requested")).toEqual([]);

  const other = await (await newChat()).open();
  await other.isState(0, "completed");
  await other.showsTheLog();
});

test("losing the socket for good stops nothing", async ({ chat, agent }) => {
  await agent();
  await chat.open();
  await chat.send(FIGURES);
  const run = await chat.isStreaming();
  await chat.page.getByTestId("cut").check();
  await expect.poll(async () => outcome(await chat.events(), run), { timeout: 40_000 }).toBe("completed");
  expect(ofKind(await chat.events(), "stop.requested")).toEqual([]);
});

test("a run whose agent was killed is shown as lost", async ({ chat, agent }) => {
  test.slow();
  const killed = await agent();
  await chat.open();
  await chat.send(FIGURES);
  const run = await chat.isStreaming();
  await killed.kill();
  await chat.isState(0, "lost", LOST_TIMEOUT_MS);
  await expect(chat.stop).toHaveCount(0);
  expect(outcome(await chat.showsTheLog(), run)).toBe("lost");

  // The input is offered again, to the next agent that comes.
  await agent();
  await chat.isState(1, "completed", 40_000);
  const events = await chat.showsTheLog();
  expect(ofKind(events, "run.started").map((event) => event.in_reply_to)).toEqual([events[0].id, events[0].id]);
});
