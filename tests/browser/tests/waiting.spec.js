// What nobody has taken yet: it says that it waits, can be cancelled from any tab, and says what became of it.

import { expect, test } from "../support/test.js";
import { FIGURES } from "../support/chat.js";
import { ofKind, outcome, runFor } from "../support/log.js";

/** The shortest there is. */
const LEASE_MS = 1_000;
/** An input is given to so many runs before it is given up. */
const CLAIMS_MAX = 3;

const cancels = (chat) => chat.page.getByTestId("cancel");
const tasks = (chat) => chat.page.getByTestId("task");
const entry = (chat, text) => chat.page.locator("#timeline > li").filter({ hasText: text });
const note = (chat, text) => entry(chat, text).locator(".entry-note");
const userSays = (server, chat, fields) => server.append(chat.session, "user/anonymous", { kind: "message", role: "user", ...fields });

/** Gives a task to the agent `bid-cap`, which may be there or not. */
const delegate = (server, chat, id) =>
  server.append(chat.session, "agent/lead", { kind: "message", id, role: "assistant", run: "r1", to: "bid-cap", text: `What may we bid? (${id})` });

const lead = (server, chat) =>
  server.append(chat.session, "agent/lead", { kind: "run.started", run: "r1", agent: "lead", lease_ms: 60_000 });

test("a message whose agent is away is cancelled by keyboard from a second tab, and nobody answers it", async ({ chat, agent, newChat }) => {
  await chat.open();
  await chat.send("Never mind");
  const other = await (await newChat()).open();
  for (const tab of [chat, other]) await expect(note(tab, "Never mind")).toHaveText("Waiting for an agent");
  const button = other.page.getByRole("button", { name: "Cancel: Never mind" });
  await expect(button).toBeVisible();
  await button.press("Enter");
  await expect(other.composer).toBeFocused();
  const isCancelled = async () => {
    for (const tab of [chat, other]) {
      await expect(tab.messages.first()).toHaveAttribute("data-state", "stopped");
      await expect(note(tab, "Never mind")).toHaveText("Cancelled");
      await expect(cancels(tab)).toHaveCount(0);
    }
  };
  await isCancelled();

  await agent();
  await chat.send("Hello");
  await chat.isState(0, "completed");
  const events = await chat.showsTheLog();
  const [never, hello] = ofKind(events, "message");
  expect(runFor(events, never.id)).toBeUndefined();
  expect(ofKind(events, "run.started").map((event) => event.in_reply_to)).toEqual([hello.id]);
  for (const tab of [chat, other]) await tab.page.reload();
  await isCancelled();
});

test("a task whose agent is away is cancelled by keyboard from a second tab, and nobody takes it", async ({ chat, agent, newChat, server }) => {
  await lead(server, chat);
  const body = { type: "form", title: "Your price", fields: [{ name: "price" }] };
  await server.append(chat.session, "agent/lead", { kind: "run.suspended", run: "r1", ask: "ask-1", body });
  await delegate(server, chat, "t1");
  await chat.open();
  const other = await (await newChat()).open();
  for (const tab of [chat, other]) await expect(tasks(tab).locator(".panel-state")).toHaveText("Waiting");
  const price = other.page.locator('[data-name="price"]');
  await price.fill("49.90");
  await other.page.getByRole("button", { name: "Cancel: Bid cap" }).press("Enter");
  const isCancelled = async () => {
    for (const tab of [chat, other]) {
      await expect(tasks(tab).first()).toHaveText("Bid capCancelledWhat may we bid? (t1)");
      await expect(tasks(tab).first().getByRole("button")).toHaveCount(0);
    }
  };
  await isCancelled();
  // Whoever gave it goes on, and what was typed for it stays.
  await expect(price).toHaveValue("49.90");

  await agent();
  await delegate(server, chat, "t2");
  await expect.poll(async () => runFor(await chat.events(), "t2")).toBeDefined();
  const events = await chat.events();
  expect(runFor(events, "t1")).toBeUndefined();
  expect(ofKind(events, "stop.requested").map(({ message, runs }) => ({ message, runs }))).toEqual([{ message: "t1", runs: [] }]);
  for (const tab of [chat, other]) await tab.page.reload();
  await isCancelled();
});

test("a message behind a run waits for its turn, and starts when that run is stopped", async ({ chat, agent }) => {
  await agent();
  await chat.open();
  await chat.send(FIGURES);
  const run = await chat.isStreaming();
  await chat.send("Hello");
  await expect(note(chat, "Hello")).toHaveText("Waiting for its turn");
  await chat.stop.first().click();
  await chat.isState(0, "stopped");
  await chat.isState(1, "completed");
  await expect(note(chat, "Hello").first()).toBeEmpty();
  await expect(cancels(chat)).toHaveCount(0);
  expect(outcome(await chat.showsTheLog(), run)).toBe("stopped");
});

test("a message behind a run is cancelled, and the run goes on to its end", async ({ chat, agent }) => {
  await agent();
  await chat.open();
  await chat.send(FIGURES);
  await chat.isStreaming();
  await chat.send("Never mind");
  await cancels(chat).click();
  await expect(note(chat, "Never mind")).toHaveText("Cancelled");
  await chat.isState(0, "completed", 40_000);
  const events = await chat.showsTheLog();
  expect(ofKind(events, "run.started")).toHaveLength(1);
});

test("a cancel that is pressed without a network says so at once, and is done when the network is back", async ({ chat }) => {
  await chat.open();
  await chat.send("Never mind");
  await expect(note(chat, "Never mind")).toHaveText("Waiting for an agent");
  await chat.page.getByTestId("cut").check();
  await expect(chat.status).toHaveText("waiting");
  await cancels(chat).click();
  await expect(cancels(chat)).toHaveText("Cancelling…");
  await expect(cancels(chat)).toBeDisabled();
  await chat.page.getByTestId("cut").uncheck();
  await expect(note(chat, "Never mind")).toHaveText("Cancelled");
  await expect(cancels(chat)).toHaveCount(0);
});

test("what every agent loses waits again each time, and is given up in the end", async ({ chat, newChat, server }) => {
  const claim = async (name, input, attempt) => {
    const run = `${input}-${attempt}`;
    await server.append(chat.session, `agent/${name}`, { kind: "run.started", run, agent: name, in_reply_to: input, lease_ms: LEASE_MS });
    await expect.poll(async () => outcome(await chat.events(), run)).toBe("lost");
  };
  const other = await newChat();
  const tabs = [chat, other];
  await lead(server, chat);
  await delegate(server, chat, "t1");
  await userSays(server, chat, { id: "m1", to: "quiet", text: "Are you there?" });
  for (const tab of tabs) await tab.open();
  for (let attempt = 1; attempt <= CLAIMS_MAX; attempt += 1) {
    for (const tab of tabs) {
      await expect(note(tab, "Are you there?").first()).toHaveText("Waiting for an agent");
      await expect(tasks(tab).locator(".panel-state")).toHaveText(attempt === 1 ? "Waiting" : "Waiting again");
      await expect(cancels(tab)).toHaveCount(2);
    }
    await Promise.all([claim("bid-cap", "t1", attempt), claim("quiet", "m1", attempt)]);
  }
  const areGivenUp = async () => {
    for (const tab of tabs) {
      await expect(note(tab, "Are you there?").first()).toHaveText("Given up");
      await expect(tasks(tab).locator(".panel-state")).toHaveText("Given up");
      await expect(cancels(tab)).toHaveCount(0);
    }
  };
  await areGivenUp();
  for (const tab of tabs) await tab.page.reload();
  await areGivenUp();
});

test("what is said to nobody waits for nobody", async ({ chat, server }) => {
  await userSays(server, chat, { id: "m1", to: null, text: "A note" });
  await userSays(server, chat, { id: "m2", text: "Are you there?" });
  await chat.open();
  await expect(note(chat, "Are you there?")).toHaveText("Waiting for an agent");
  await expect(note(chat, "A note")).toBeEmpty();
  await expect(cancels(chat)).toHaveCount(1);
});
