// The page for those who hear it, who read it with poor eyes, and whose hands are on the keyboard when it changes.

import { expect, test } from "../support/test.js";
import { faint, stickingOut } from "../support/seen.js";

const LEASE_MS = 60_000;

/** Figures as an agent writes them. */
const ROWS = [{ label: "Left after ads at 50% of the cap", value: 10_976.4, text: "$10,976.40" }];

const runOf = (chat, id) => chat.page.locator(`[data-testid="run"][data-run="${id}"]`);

/** Whether a screen reader is to say what changes in an element. */
const isReadOut = (locator) =>
  locator.evaluate((element) => {
    const region = element.closest('[aria-live], [role="log"], [role="status"], [role="alert"]');
    return region !== null && region.getAttribute("aria-live") !== "off";
  });

/** How many lines a text takes. */
const lines = (locator) =>
  locator.evaluate((element) => {
    const range = document.createRange();
    range.selectNodeContents(element);
    return range.getClientRects().length;
  });

/** Everything the page can show, with words that are too long for any of it. */
async function showAll(server, chat) {
  const long = (letter, length) => `${letter} ${letter.repeat(length)}`;
  const say = (id, text, fields) => server.append(chat.session, "user/anonymous", { kind: "message", id, role: "user", text, ...fields });
  const by = (agent, event) => server.append(chat.session, `agent/${agent}`, event);
  const start = (run, agent, fields) => by(agent, { kind: "run.started", run, agent, lease_ms: LEASE_MS, ...fields });
  await say("m1", long("w", 300));
  await start("r1", "assistant", { in_reply_to: "m1" });
  const text = `${long("x", 200)}\n| col ${long("c", 90)} | b |\n|---|---|\n| 1 | 2 |\n- ${long("i", 120)}\n`;
  await by("assistant", { kind: "delta", id: "d1", run: "r1", message: "a1", text });
  for (const [id, to] of [["t1", "bid-cap"], ["t2", "an-agent-whose-name-is-longer-than-any-box"]]) {
    await by("assistant", { kind: "message", id, role: "assistant", run: "r1", to, text: long("t", 150) });
  }
  await server.append(chat.session, "user/anonymous", { kind: "stop.requested", id: "s1", message: "t2" });
  for (const [run, agent] of [["r2", "unit-economics"], ["r3", "test-plan"], ["r4", "seo-listicle"]]) {
    await start(run, agent, { parent: "r1" });
    await by(agent, { kind: "delta", id: `d-${run}`, run, message: `a-${run}`, text: long("y", 90) });
    const rows = [...ROWS, { label: long("l", 60), value: 1, text: long("9", 30) }];
    await by(agent, { kind: "data", id: `f-${run}`, name: "figures", run, message: `a-${run}`, part: 1, data: { type: "figures", rows } });
  }
  await by("unit-economics", { kind: "run.ended", run: "r2", outcome: "failed", error: { code: "overloaded", detail: long("e", 90) } });
  await server.append(chat.session, "user/anonymous", { kind: "steer", id: "st1", run: "r3", text: long("s", 120) });
  await by("seo-listicle", { kind: "run.suspended", run: "r4", ask: "k0", body: { title: long("q", 80), confirm: long("b", 60) } });
  const fields = [{ name: "price", label: long("u", 60) }, { name: "b", label: "B" }];
  await by("assistant", { kind: "run.suspended", run: "r1", ask: "k1", body: { type: "form", title: long("p", 90), detail: long("d", 120), fields, submit: long("s", 60) } });
  await by("assistant", { kind: "run.suspended", run: "r1", ask: "k2", body: { type: "choose", title: "Which?", options: ["A", long("o", 80)] } });
  await say("m2", "And now?");
  await say("m3", "Never mind");
  await server.append(chat.session, "user/anonymous", { kind: "stop.requested", id: "s2", message: "m3" });
}

for (const [scheme, width] of [["light", 1440], ["dark", 1440], ["light", 390], ["dark", 390]]) {
  test(`nothing is faint or cut off on a ${scheme} page of ${width} px`, async ({ newChat, device, server }) => {
    const chat = await newChat(await device({ colorScheme: scheme, viewport: { width, height: 900 }, reducedMotion: "reduce" }));
    await chat.open();
    expect(await faint(chat.page), "before the first message").toEqual([]);
    await showAll(server, chat);
    await expect(chat.messages.last()).toHaveAttribute("data-state", "stopped");
    await expect(chat.page.getByTestId("ask")).toHaveCount(3);
    await expect(chat.page.getByTestId("cancel")).toHaveCount(2);
    for (const button of await chat.page.getByTestId("cancel").all()) await expect(button).toBeVisible();
    expect(await stickingOut(chat.page)).toEqual([]);
    for (const number of await chat.page.getByText(ROWS[0].text).all()) expect(await lines(number)).toBe(1);
    expect(await faint(chat.page)).toEqual([]);
    await chat.page.getByTestId("cut").check();
    await expect(chat.page.locator("#link")).toBeVisible();
    expect(await faint(chat.page), "without a network").toEqual([]);
  });
}

test("what people say is read out, and what comes in word by word is not", async ({ chat, server }) => {
  const by = (event) => server.append(chat.session, "agent/lead", event);
  await server.append(chat.session, "user/anonymous", { kind: "message", id: "m1", role: "user", to: "lead", text: "Are you there?" });
  await by({ kind: "run.started", run: "r1", agent: "lead", in_reply_to: "m1", lease_ms: LEASE_MS });
  await by({ kind: "delta", id: "d1", run: "r1", message: "a1", text: "One" });
  await by({ kind: "run.started", run: "r2", agent: "helper", parent: "r1", lease_ms: LEASE_MS });
  await by({ kind: "delta", id: "d2", run: "r2", message: "a2", text: "Two" });
  await by({ kind: "data", id: "d3", name: "figures", run: "r2", message: "a2", part: 1, data: { type: "figures", rows: [{ label: "CPA", value: 1 }] } });
  await chat.open();
  const text = (words) => chat.page.getByTestId("message-text").filter({ hasText: words });
  const figures = chat.page.getByTestId("figures");
  await expect(figures).toBeVisible();
  expect(await isReadOut(text("Are you there?"))).toBe(true);
  for (const streamed of [text("One"), text("Two"), figures]) expect(await isReadOut(streamed)).toBe(false);
  // What becomes of them is.
  expect(await isReadOut(runOf(chat, "r2").locator(".panel-state"))).toBe(true);
});

test("who types a steer as its run ends goes on in the message box", async ({ chat, server }) => {
  const by = (event) => server.append(chat.session, "agent/lead", event);
  await by({ kind: "run.started", run: "r1", agent: "lead", lease_ms: LEASE_MS });
  await by({ kind: "run.started", run: "r2", agent: "helper", parent: "r1", lease_ms: LEASE_MS });
  await chat.open();
  await runOf(chat, "r2").getByTestId("steer").pressSequentially("assume CO");
  await server.append(chat.session, "user/anonymous", { kind: "stop.requested", id: "s1", run: "r2" });
  await expect(runOf(chat, "r2").getByTestId("stop-run")).toHaveText("Stopping…");
  await chat.page.keyboard.type("GS ");
  await by({ kind: "run.ended", run: "r2", outcome: "stopped" });
  await expect(chat.composer).toBeFocused();
  await chat.page.keyboard.type("12");
  await expect(chat.composer).toHaveValue("assume COGS 12");
});

test("the keyboard is back in the message box when what it pressed is gone", async ({ chat, server }) => {
  const by = (event) => server.append(chat.session, "agent/lead", event);
  await by({ kind: "run.started", run: "r1", agent: "lead", lease_ms: LEASE_MS });
  await by({ kind: "delta", id: "d1", run: "r1", message: "a1", text: "Line\n".repeat(100) });
  await by({ kind: "run.suspended", run: "r1", ask: "k1", body: { title: "Shall I?" } });
  await chat.open();
  await chat.page.getByTestId("answer").first().press("Enter");
  await expect(chat.page.getByTestId("ask")).toHaveCount(0);
  await expect(chat.composer).toBeFocused();
  await chat.page.locator("#scroller").evaluate((scroller) => scroller.scrollTo(0, 0));
  await chat.page.getByRole("button", { name: "Jump to latest" }).press("Enter");
  await expect(chat.page.getByRole("button", { name: "Jump to latest" })).toBeHidden();
  await expect(chat.composer).toBeFocused();
});

test("a panel says why its run failed", async ({ chat, server }) => {
  const by = (event) => server.append(chat.session, "agent/lead", event);
  await by({ kind: "run.started", run: "r1", agent: "lead", lease_ms: LEASE_MS });
  for (const [run, error] of [["r2", { code: "overloaded", detail: "The model is overloaded" }], ["r3", { code: "tired" }]]) {
    await by({ kind: "run.started", run, agent: "helper", parent: "r1", lease_ms: LEASE_MS });
    await by({ kind: "run.ended", run, outcome: "failed", error });
  }
  await chat.open();
  await expect(runOf(chat, "r2").locator(".panel-reason")).toHaveText("The model is overloaded");
  await expect(runOf(chat, "r3").locator(".panel-reason")).toHaveText("tired");
});

test("who reads further up stays there while words come in above and below", async ({ chat, server }) => {
  const lines = (from, count) => Array.from({ length: count }, (_, i) => `Line ${from + i}.\n`).join("");
  const write = (id, run, agent, text) => server.append(chat.session, `agent/${agent}`, { kind: "delta", id, run, message: `${run}-a`, text });
  for (const [run, agent, parent] of [["r1", "lead"], ["r2", "helper", "r1"]]) {
    await server.append(chat.session, `agent/${agent}`, { kind: "run.started", run, agent, parent, lease_ms: LEASE_MS });
  }
  await write("d1", "r1", "lead", lines(0, 60));
  await write("d2", "r2", "helper", "One\n");
  await chat.open();
  const scroller = chat.page.locator("#scroller");
  const isAtEnd = () => scroller.evaluate((box) => box.scrollHeight - box.clientHeight - box.scrollTop < 2);
  const text = chat.page.locator('[data-id="r1-a"]').getByTestId("message-text");
  await expect.poll(isAtEnd).toBe(true);
  await write("d3", "r1", "lead", lines(60, 20));
  await expect(text).toContainText("Line 79.");
  await expect.poll(isAtEnd).toBe(true);

  await scroller.hover();
  await chat.page.mouse.wheel(0, -600);
  const jump = chat.page.getByRole("button", { name: "Jump to latest" });
  await expect(jump).toBeVisible();
  // Where a line stands on the screen.
  const top = () =>
    text.evaluate((element) => {
      const words = element.firstChild;
      const range = document.createRange();
      range.setStart(words, words.data.indexOf("Line 60."));
      range.setEnd(words, words.data.indexOf("Line 61."));
      return Math.round(range.getBoundingClientRect().top);
    });
  const settled = async () => {
    const before = await top();
    await chat.page.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve))));
    return before === (await top());
  };
  await expect.poll(settled).toBe(true);
  const before = await top();
  await write("d4", "r2", "helper", lines(0, 10));
  await write("d5", "r1", "lead", lines(80, 20));
  await expect(text).toContainText("Line 99.");
  await expect(runOf(chat, "r2")).toContainText("Line 9.");
  await expect.poll(async () => Math.abs((await top()) - before)).toBeLessThan(2);
  await expect(jump).toBeVisible();
  await jump.click();
  await expect.poll(isAtEnd).toBe(true);

  // The same within a panel.
  const panel = runOf(chat, "r2").locator(".panel-texts");
  await write("d6", "r2", "helper", lines(10, 60));
  const isAtPanelEnd = () => panel.evaluate((box) => box.scrollHeight - box.clientHeight - box.scrollTop < 2);
  await expect(panel).toContainText("Line 69.");
  await expect.poll(isAtPanelEnd).toBe(true);
  await panel.evaluate((box) => box.scrollTo(0, 0));
  await write("d7", "r2", "helper", lines(70, 10));
  await expect(panel).toContainText("Line 79.");
  expect(await panel.evaluate((box) => box.scrollTop)).toBe(0);

  // One that begins with much in it is followed, too.
  await chat.page.reload();
  await expect(panel).toContainText("Line 79.");
  await write("d8", "r2", "helper", lines(80, 10));
  await expect(panel).toContainText("Line 89.");
  await expect.poll(isAtPanelEnd).toBe(true);
});
