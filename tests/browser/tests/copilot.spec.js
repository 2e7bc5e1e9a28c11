// Five agents in one session: they work at once, and each can be stopped, steered and answered by itself.

import { expect, test } from "../support/test.js";
import { Copilot, margin, PLAN, SHOP, SPECIALISTS } from "../support/copilot.js";
import { ofKind, outcome } from "../support/log.js";

/** A plan is read at the pace of a person, in a browser among others. */
const PLAN_TIMEOUT_MS = 60_000;

test.describe.configure({ timeout: 180_000 });

/** What a run wrote behind an offset. */
function written(events, run, after) {
  return events.filter((event) => event.run === run && event.offset > after && event.kind !== "run.ended");
}

test("five agents are at work at once, and their figures are those of the numbers typed", async ({ chat, agent }) => {
  await agent();
  await chat.open();
  const copilot = new Copilot(chat);
  await chat.send(PLAN);
  const runs = await copilot.areAtWork();
  await expect(chat.page.getByTestId("ask")).toBeVisible({ timeout: PLAN_TIMEOUT_MS });
  await copilot.approve();
  await copilot.isState("assistant", "completed", PLAN_TIMEOUT_MS);

  const left = margin(SHOP);
  await copilot.isFigure("unit-economics", "contribution_margin", left);
  await copilot.isFigure("unit-economics", "break_even_cpa", left);
  await copilot.isFigure("unit-economics", "break_even_roas", SHOP.price / left);
  await copilot.isFigure("unit-economics", "cpa", 30_000 / 1_200);
  await copilot.isFigure("unit-economics", "profit", 1_200 * left - 30_000);

  // They worked at the same time, and nobody wrote for them.
  const events = await chat.events();
  const ends = SPECIALISTS.map((name) => ofKind(events, "run.ended", runs[name])[0].offset);
  for (const name of SPECIALISTS) {
    const first = ofKind(events, "delta", runs[name])[0];
    expect(first.from, "who wrote it").toEqual({ kind: "agent", id: name });
    expect(first.offset).toBeLessThan(Math.min(...ends));
  }
  expect(SPECIALISTS.map((name) => outcome(events, runs[name]))).toEqual(SPECIALISTS.map(() => "completed"));
  await expect(chat.page.getByTestId("stop-all")).toBeHidden();
});

test("each of the five is there under its own name, and leaves when its process is ended", async ({ chat, agent, page }) => {
  const agents = await agent();
  await page.setViewportSize({ width: 390, height: 844 });
  await chat.open({ as: "Ada" });
  const copilot = new Copilot(chat);
  await chat.send(PLAN);
  await copilot.areAtWork();
  const chips = page.getByTestId("presence").locator(".person");
  const ids = () => chips.evaluateAll((chips) => chips.map(({ dataset }) => `${dataset.kind}/${dataset.id}`));
  const present = ["assistant", ...SPECIALISTS].sort().map((name) => `agent/${name}`);
  // The reader comes first, and nobody is out of sight.
  await expect.poll(ids).toEqual(["user/Ada", ...present]);
  for (const chip of await chips.all()) await expect(chip).toBeInViewport({ ratio: 1 });
  expect(await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)).toBe(0);
  await agents.end();
  await expect.poll(ids).toEqual(["user/Ada"]);
  // Their work waits for the next process.
  await copilot.isState("assistant", "running");
});

test("one agent is stopped by its own button, and the others go on", async ({ chat, agent }) => {
  await agent();
  await chat.open();
  const copilot = new Copilot(chat);
  await chat.send(PLAN);
  const runs = await copilot.areAtWork();
  await copilot.isWriting("seo-listicle");
  await copilot.part("seo-listicle", "stop-run").click();
  await copilot.isState("seo-listicle", "stopped");
  await expect(chat.page.getByTestId("ask")).toBeVisible({ timeout: PLAN_TIMEOUT_MS });

  const events = await chat.events();
  const [stop] = ofKind(events, "stop.requested");
  expect(stop.runs).toEqual([runs["seo-listicle"]]);
  expect(written(events, runs["seo-listicle"], stop.offset)).toEqual([]);
  for (const name of ["unit-economics", "bid-cap", "test-plan"]) expect(outcome(events, runs[name])).toBe("completed");
  await copilot.approve();
  await copilot.isState("assistant", "completed", PLAN_TIMEOUT_MS);
});

test("everything stops at once, on every device", async ({ chat, agent, device, newChat }) => {
  await agent();
  await chat.open();
  const copilot = new Copilot(chat);
  await chat.send(PLAN);
  const runs = await copilot.areAtWork();
  const phone = await newChat(await device({ viewport: { width: 380, height: 800 } }));
  await phone.open({ as: "bob" });
  const there = new Copilot(phone);
  await there.areAtWork();
  await phone.page.getByTestId("stop-all").click();
  for (const name of ["assistant", ...SPECIALISTS]) await expect(copilot.run(name)).not.toHaveAttribute("data-state", /running|suspended|stopping/);
  const events = await chat.events();
  const [stop] = ofKind(events, "stop.requested");
  for (const run of Object.values(runs)) expect(written(events, run, stop.offset)).toEqual([]);
});

test("one agent is steered, and works with the new figure", async ({ chat, agent }) => {
  await agent();
  await chat.open();
  const copilot = new Copilot(chat);
  await chat.send(PLAN);
  await copilot.areAtWork();
  await copilot.isWriting("unit-economics");
  await copilot.steer("unit-economics", "assume COGS 14");
  const sent = copilot.part("unit-economics", "steer-sent");
  await expect(sent).toHaveAttribute("data-state", "completed");
  await copilot.isFigure("unit-economics", "contribution_margin", margin({ ...SHOP, cogs: 14 }));
  const events = await chat.events();
  const [steer] = ofKind(events, "steer");
  expect(ofKind(events, "input.state").filter(({ id }) => id === steer.id).map(({ state }) => state)).toEqual(["used"]);
});

test("the spend is approved from a second device, once", async ({ chat, agent, device, newChat }) => {
  await agent();
  await chat.open();
  const copilot = new Copilot(chat);
  await chat.send(PLAN);
  const ask = chat.page.getByTestId("ask");
  await expect(ask).toBeVisible({ timeout: PLAN_TIMEOUT_MS });
  await copilot.isState("assistant", "suspended");

  const phone = await newChat(await device({ viewport: { width: 380, height: 800 } }));
  await phone.open({ as: "bob" });
  await new Copilot(phone).approve();
  await expect(ask).toBeHidden();
  await copilot.isState("assistant", "completed", PLAN_TIMEOUT_MS);
  const events = await chat.events();
  expect(ofKind(events, "run.resumed").map(({ from, answer }) => [from.id, answer])).toEqual([["bob", { approved: true }]]);
});

test("a reload in the middle shows the same agents, and they go on", async ({ chat, agent }) => {
  await agent();
  await chat.open();
  const copilot = new Copilot(chat);
  await chat.send(PLAN);
  const runs = await copilot.areAtWork();
  await copilot.isWriting("bid-cap");
  await chat.page.reload();
  await chat.isLive();
  expect(await copilot.areAtWork()).toEqual(runs);
  await expect(chat.page.getByTestId("ask")).toBeVisible({ timeout: PLAN_TIMEOUT_MS });
  // A question that waits is still there after a reload.
  await chat.page.reload();
  await chat.isLive();
  await copilot.approve();
  await copilot.isState("assistant", "completed", PLAN_TIMEOUT_MS);
  await copilot.isFigure("unit-economics", "contribution_margin", margin(SHOP));
});

test("two devices edit the same message at once, and both show the later edit", async ({ chat, agent, device, newChat }) => {
  await agent();
  await chat.open();
  await chat.send("AOV 80, COGS 35%, shipping 6, no fees, CR 1.8%. What can I bid?");
  await chat.isState(0, "completed");
  const phone = await newChat(await device());
  await phone.open({ as: "bob" });
  const edit = async (on, text) => {
    await on.page.getByTestId("edit").first().click();
    await on.composer.fill(text);
    await on.page.getByTestId("send").click();
  };
  await Promise.all([edit(chat, "AOV 90, COGS 35%, shipping 6, no fees, CR 1.8%."), edit(phone, "AOV 100, COGS 35%, shipping 6, no fees, CR 1.8%.")]);
  await expect.poll(async () => ofKind(await chat.events(), "message").filter(({ replaces }) => replaces).length).toBe(2);
  const later = ofKind(await chat.events(), "message").filter(({ replaces }) => replaces).at(-1);
  for (const one of [chat, phone]) {
    await expect(one.messages.first()).toHaveAttribute("data-id", later.id);
    await one.isState(0, "completed", PLAN_TIMEOUT_MS);
  }
  await expect.poll(async () => JSON.stringify(await chat.shown()) === JSON.stringify(await phone.shown())).toBe(true);
  const transcript = await chat.server.transcript(chat.session);
  expect((await chat.shown()).map(({ id }) => id)).toEqual(transcript.messages.map(({ id }) => id));
});

test("an answer is asked for again, and takes the place of the one before", async ({ chat, agent }) => {
  await agent();
  await chat.open();
  await chat.send("AOV 80, COGS 35%, shipping 6, no fees, CR 1.8%. What can I bid?");
  await chat.isState(0, "completed");
  const before = await chat.answers.first().getAttribute("data-id");
  await chat.page.getByTestId("regenerate").click();
  await expect(chat.answers).toHaveCount(1);
  await expect(chat.answers.first()).not.toHaveAttribute("data-id", before);
  await chat.isState(0, "completed");
  await expect(chat.messages).toHaveCount(2);
});
