// Whatever breaks while an answer streams, the page ends with exactly the text of the log.

import { expect, test } from "../support/test.js";
import { FIGURES } from "../support/chat.js";
import { ofKind, outcome } from "../support/log.js";

/** Leaves time for several faults in one answer. */
const SLOWLY = ["--tokens-per-second", "30"];

test("an answer streams to its end, and the page shows the log", async ({ chat, agent }) => {
  await agent();
  await chat.open();
  await expect(chat.page.getByTestId("empty")).toBeVisible();
  await chat.send(FIGURES);
  const run = await chat.isStreaming();
  await chat.isState(0, "completed", 40_000);
  const events = await chat.showsTheLog();
  expect(outcome(events, run)).toBe("completed");
  expect(ofKind(events, "delta").length).toBeGreaterThan(50);
});

test("a server killed and started again while an answer streams loses nothing", async ({ chat, agent, server }) => {
  await agent();
  await chat.open();
  await chat.send(FIGURES);
  const run = await chat.isStreaming();
  await server.kill();
  await expect(chat.status).not.toHaveText("live");
  await server.restart();
  expect(outcome(await chat.events(), run), "the fault came while it streamed").toBeUndefined();

  await chat.isLive();
  await chat.isState(0, "completed", 40_000);
  const events = await chat.showsTheLog();
  expect(outcome(events, run)).toBe("completed");
  // The same process went on with the same run.
  expect(ofKind(events, "run.started")).toHaveLength(1);
});

test("a server killed three times while an answer streams loses nothing", async ({ chat, agent, server }) => {
  await agent(undefined, { words: SLOWLY });
  await chat.open();
  await chat.send(FIGURES);
  const run = await chat.isStreaming();
  for (let round = 0; round < 3; round += 1) {
    await server.kill();
    await server.restart();
    const events = await chat.events();
    expect(outcome(events, run), "the fault came while it streamed").toBeUndefined();
    await chat.goesOn(events.length);
  }
  await chat.isState(0, "completed", 40_000);
  expect(ofKind(await chat.showsTheLog(), "run.started")).toHaveLength(1);
});

test("a connection reset while an answer streams loses nothing", async ({ chat, agent, network }) => {
  await agent(undefined, { words: SLOWLY });
  await chat.open({ url: network.url });
  await chat.send(FIGURES);
  const run = await chat.isStreaming();
  for (let round = 0; round < 3; round += 1) {
    const before = (await chat.shown()).at(-1).text.length;
    network.cut();
    expect(outcome(await chat.events(), run), "the fault came while it streamed").toBeUndefined();
    await expect.poll(async () => (await chat.shown()).at(-1).text.length).toBeGreaterThan(before);
  }
  await chat.isState(0, "completed", 40_000);
  await chat.showsTheLog();
});

test("an agent whose connection is reset while it writes goes on where it was", async ({ chat, agent, network }) => {
  await agent(undefined, { url: network.url, words: SLOWLY });
  await chat.open();
  await chat.send(FIGURES);
  const run = await chat.isStreaming();
  for (let round = 0; round < 3; round += 1) {
    const { length } = await chat.events();
    network.cut();
    await chat.goesOn(length);
    expect(outcome(await chat.events(), run), "the fault came while it streamed").toBeUndefined();
  }
  await chat.isState(0, "completed", 40_000);
  expect(ofKind(await chat.showsTheLog(), "run.started")).toHaveLength(1);
});

test("the page's own switch cuts the network, and what was missed comes with it", async ({ chat, agent }) => {
  await agent();
  await chat.open();
  await chat.send(FIGURES);
  const run = await chat.isStreaming();
  const cut = chat.page.getByTestId("cut");
  await cut.check();
  await expect(chat.status).toHaveText("waiting");
  const { length } = await chat.events();
  await chat.goesOn(length, 40);
  expect(outcome(await chat.events(), run), "the fault came while it streamed").toBeUndefined();
  await cut.uncheck();

  await chat.isLive();
  await chat.isState(0, "completed", 40_000);
  await chat.showsTheLog();
});

test("a browser that goes offline and comes back loses nothing", async ({ chat, agent, context }) => {
  await agent();
  await chat.open();
  await chat.send(FIGURES);
  const run = await chat.isStreaming();
  await context.setOffline(true);
  const { length } = await chat.events();
  await chat.goesOn(length, 40);
  const missed = await chat.events();
  expect(outcome(missed, run), "the fault came while it streamed").toBeUndefined();
  expect(Number(await chat.page.getByTestId("offset").textContent())).toBeLessThan(missed.length - 20);
  await context.setOffline(false);

  await chat.isLive();
  await chat.isState(0, "completed", 40_000);
  await chat.showsTheLog();
});

test("a page reloaded while an answer streams shows all of it", async ({ chat, agent, page }) => {
  await agent();
  await chat.open();
  await chat.send(FIGURES);
  const run = await chat.isStreaming();
  await page.reload();
  expect(outcome(await chat.events(), run), "the fault came while it streamed").toBeUndefined();

  await chat.isStreaming();
  await chat.isState(0, "completed", 40_000);
  await chat.showsTheLog();
});

test("two pages on a session see the same answer stream", async ({ chat, agent, newChat }) => {
  await agent();
  await chat.open({ as: "Ada" });
  const other = await (await newChat()).open({ as: "Grace" });
  await chat.send(FIGURES);
  await other.isStreaming();
  await expect(other.page.locator(".entry-name").first()).toHaveText("Ada");
  await expect(chat.page.locator(".entry-name").first()).toHaveText("You");
  await chat.isState(0, "completed", 40_000);
  await other.isState(0, "completed");
  await chat.showsTheLog();
  const events = await other.showsTheLog();
  expect(events[0].from).toEqual({ kind: "user", id: "Ada" });
});
