// What is allowed and seldom: JSON of any shape, which the log keeps for good, and runs that say nothing.

import { expect, test } from "../support/test.js";

test("parts, figures, asks and names of any shape leave the rest of the conversation alone", async ({ chat, server }) => {
  const by = (as, event) => server.append(chat.session, as, event);
  const say = (id, text) => by("user/anonymous", { kind: "message", id, role: "user", to: null, ...text });
  await say("parts", { parts: [null, 7, { type: "figures", rows: [null, { name: {}, label: [], value: { toString: 1 } }] }] });
  const agents = ["constructor", "__proto__"];
  for (const agent of agents) {
    const run = `by-${agent}`;
    await by(`agent/${agent}`, { kind: "run.started", run, agent, lease_ms: 60_000 });
    await by(`agent/${agent}`, { kind: "data", name: "figures", run, message: `${run}-a`, part: 0, data: null });
  }
  const bodies = [
    "Shall I?",
    { question: "Shall I order it?" },
    { type: "form", title: "A form", fields: [null, { name: "append" }, { name: "remove" }] },
    { type: "form", fields: "none" },
    { type: "choose", options: {} },
    { type: "choose", options: [null, "submitted", { label: "No value" }] },
    { type: "tool", name: { a: 1 }, input: null },
  ];
  for (const [n, body] of bodies.entries()) {
    await by("agent/constructor", { kind: "run.suspended", run: "by-constructor", ask: `ask-${n}`, body });
  }
  await say("after", { text: "After it all" });

  await chat.open();
  await expect(chat.messages.last()).toHaveText("After it all");
  await expect(chat.page.getByTestId("ask")).toHaveCount(bodies.length);
  for (const agent of agents) await expect(chat.page.locator(`[data-agent="${agent}"]`)).toBeVisible();
  await expect(chat.page.locator('[data-ask="ask-1"]')).toContainText("Shall I order it?");

  // A field may bear the name of anything, and any value may be chosen.
  await chat.page.locator('[data-ask="ask-2"] input').first().fill("12");
  await chat.page.locator('[data-ask="ask-2"]').getByTestId("answer").click();
  await chat.page.locator('[data-ask="ask-5"]').getByTestId("answer").nth(1).click();
  const answers = async () => (await chat.events()).filter(({ kind }) => kind === "run.resumed").map(({ answer }) => answer);
  await expect.poll(answers).toEqual([{ append: "12", remove: "" }, "submitted"]);
  await expect(chat.page.getByTestId("ask")).toHaveCount(bodies.length - 2);

  await say("live", { text: "And while it is open" });
  await expect(chat.messages.last()).toHaveText("And while it is open");
});

test("a run that says nothing is named, has one way to be stopped, and ends with a word", async ({ chat, server }) => {
  const by = (event) => server.append(chat.session, "agent/quiet", event);
  await by({ kind: "run.started", run: "r1", agent: "quiet", lease_ms: 60_000 });
  await by({ kind: "run.suspended", run: "r1", ask: "a1", body: { type: "confirm", title: "Shall I?" } });
  await by({ kind: "run.suspended", run: "r1", ask: "a2", body: { type: "confirm", title: "Really?" } });
  await chat.open();
  const run = chat.page.locator('[data-testid="run"][data-run="r1"]');
  const stops = run.getByRole("button", { name: /^Stop/ }).filter({ visible: true });
  await expect(run.locator(".entry-name")).toHaveText("Quiet");
  await expect(run.locator(".entry-note")).toHaveText("waits for an answer");
  await expect(stops).toHaveAccessibleName("Stop Quiet");
  for (const ask of ["a1", "a2"]) await run.locator(`[data-ask="${ask}"]`).getByTestId("answer").first().click();
  await expect(run.getByTestId("ask")).toHaveCount(0);
  await expect(run.locator(".entry-note")).toHaveText("is working on it");
  await expect(stops).toHaveCount(1);

  await by({ kind: "run.started", run: "r2", agent: "helper", parent: "r1", lease_ms: 60_000 });
  await by({ kind: "delta", id: "d1", run: "r2", message: "r2-a", text: "Here it is." });
  await expect(run.getByTestId("message-text")).toHaveText("Here it is.");
  await by({ kind: "run.ended", run: "r2", outcome: "completed" });
  await by({ kind: "run.ended", run: "r1", outcome: "failed", error: { code: "tired" } });
  await expect(run.locator(".entry-note")).toHaveText("Failed: tired");
  await chat.page.reload();
  await expect(run.locator(".entry-note")).toHaveText("Failed: tired");
});

test("a refused steer says so until it is discarded", async ({ chat, server }) => {
  const by = (event) => server.append(chat.session, "agent/quiet", event);
  await by({ kind: "run.started", run: "r1", agent: "quiet", lease_ms: 60_000 });
  await by({ kind: "run.suspended", run: "r1", ask: "a1", body: "Shall I?" });
  await chat.open();
  const steer = chat.page.getByTestId("steer-sent");
  await chat.page.evaluate((text) => durableSessions.session.steer("r1", text).catch(() => {}), "x".repeat(300 * 1024));
  await expect(steer).toHaveAttribute("data-state", "refused");
  await steer.getByTestId("discard").click();
  await expect(steer).toHaveCount(0);
});
