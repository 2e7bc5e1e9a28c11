// What the page shows of runs: tasks that wait for an agent, runs that end without a word, and panels that keep
// what their reader does in them while words come in.

import { expect, test } from "../support/test.js";

/** What stands there for a run. */
const runOf = (chat, id) => chat.page.locator(`[data-testid="run"][data-run="${id}"]`);
const tasks = (chat) => chat.page.getByTestId("task");

/** Writes to the session as `agent/NAME`. */
const writer = (server, session, name) => (event) => server.append(session, `agent/${name}`, event);

test("a task that no run has taken waits for its agent, and the box beside it keeps what is typed", async ({ chat, server }) => {
  const lead = writer(server, chat.session, "lead");
  await lead({ kind: "run.started", run: "r1", agent: "lead", lease_ms: 60_000 });
  await lead({ kind: "message", id: "t1", role: "assistant", run: "r1", to: "bid-cap", text: "What may we bid?" });
  await chat.open();
  await expect(tasks(chat)).toHaveAttribute("data-state", "waiting");
  await expect(tasks(chat)).toHaveText("Bid capWaitingWhat may we bid?Cancel");
  await expect(chat.messages).toHaveCount(0);
  await expect(runOf(chat, "r1").locator(".entry-name")).toHaveText("Lead");
  await expect(runOf(chat, "r1").locator(".entry-note")).toHaveText("is working on it");

  const box = runOf(chat, "r1").locator(".is-root").getByTestId("steer");
  await box.pressSequentially("half a thou");
  const cap = writer(server, chat.session, "bid-cap");
  await cap({ kind: "run.started", run: "r2", agent: "bid-cap", in_reply_to: "t1", lease_ms: 60_000 });
  await expect(runOf(chat, "r2")).toContainText("What may we bid?");
  await expect(tasks(chat)).toHaveCount(0);
  await lead({ kind: "delta", id: "d1", run: "r1", message: "a1", text: "I have asked." });
  await expect(chat.messages).toHaveText("I have asked.");
  await box.page().keyboard.type("ght");
  await expect(box).toHaveValue("half a thought");
});

test("a task that is taken at once is neither seen nor read out", async ({ chat, server }) => {
  const lead = writer(server, chat.session, "lead");
  await lead({ kind: "run.started", run: "r1", agent: "lead", lease_ms: 60_000 });
  await lead({ kind: "message", id: "t1", role: "assistant", run: "r1", to: "bid-cap", text: "What may we bid?" });
  await chat.open();
  // Stops its clock at a time after it came.
  const at = (ms) => tasks(chat).evaluate((task, ms) => {
    const [appearing] = task.getAnimations();
    appearing.pause();
    appearing.currentTime = ms;
  }, ms);
  const announced = chat.page.getByRole("heading", { name: "Bid cap" });
  await at(599);
  await expect(tasks(chat)).toBeHidden();
  await expect(announced).toHaveCount(0);
  await at(700);
  await expect(tasks(chat)).toBeVisible();
  await expect(announced).toHaveCount(1);
});

test("a task that was cancelled before anybody took it says so in every tab, also after a reload", async ({ chat, newChat, server }) => {
  const lead = writer(server, chat.session, "lead");
  await lead({ kind: "run.started", run: "r1", agent: "lead", lease_ms: 60_000 });
  await lead({ kind: "delta", id: "d1", run: "r1", message: "a1", text: "I ask around." });
  await lead({ kind: "message", id: "t1", role: "assistant", run: "r1", to: "bid-cap", text: "What may we bid?" });
  await chat.open();
  const tabs = [chat, await (await newChat()).open()];
  for (const tab of tabs) await expect(tasks(tab)).toHaveAttribute("data-state", "waiting");
  await server.append(chat.session, "user/anonymous", { kind: "stop.requested", id: "s1", message: "t1" });
  const areCancelled = async () => {
    for (const tab of tabs) {
      await expect(tasks(tab)).toHaveText("Bid capCancelledWhat may we bid?");
      await expect(tab.messages).toHaveText("I ask around.");
    }
  };
  await areCancelled();
  for (const tab of tabs) await tab.page.reload();
  await areCancelled();
});

test("a run that ends without a word leaves a line with its outcome, behind what it was to answer", async ({ chat, server }) => {
  const by = writer(server, chat.session, "quiet");
  const ask = (id) => server.append(chat.session, "user/anonymous", { kind: "message", id, role: "user", to: "quiet", text: id });
  const start = (run, fields) => by({ kind: "run.started", run: `run-${run}`, agent: "quiet", in_reply_to: run, lease_ms: 60_000, ...fields });
  await chat.open();
  await ask("done");
  await start("done");
  await by({ kind: "run.ended", run: "run-done", outcome: "completed" });
  await ask("failed");
  await start("failed");
  await by({ kind: "run.ended", run: "run-failed", outcome: "failed", error: { code: "tired" } });
  await ask("stopped");
  await start("stopped");
  await expect(runOf(chat, "run-stopped").locator(".entry-note")).toHaveText("is working on it");
  await chat.stop.click();
  await by({ kind: "run.ended", run: "run-stopped", outcome: "stopped" });
  await ask("lost");
  await start("lost", { lease_ms: 1_000 });
  const shown = () => chat.page.locator("#timeline > li").evaluateAll((entries) =>
    entries.map((entry) => (entry.querySelector(".message-text") ?? entry.querySelector(".entry-note")).textContent),
  );
  const expected = [
    "done", "Finished without a word",
    "failed", "Failed: tired",
    "stopped", "Stopped",
    "lost", "The agent was lost before it finished",
  ];
  await expect.poll(shown).toEqual(expected);
  await expect(chat.stop).toHaveCount(0);
  await chat.page.reload();
  await expect.poll(shown).toEqual(expected);
});

test("a run that had no input and ended without a word stands alone on the page", async ({ chat, server }) => {
  const by = writer(server, chat.session, "quiet");
  await by({ kind: "run.started", run: "r1", agent: "quiet", lease_ms: 60_000 });
  await by({ kind: "run.ended", run: "r1", outcome: "completed" });
  await chat.open();
  await expect(runOf(chat, "r1").locator(".entry-note")).toHaveText("Finished without a word");
  await expect(chat.page.locator("#empty")).toBeHidden();
});

test("what is no word of a run leaves the line with its outcome, whatever fields it has", async ({ chat, server }) => {
  const by = writer(server, chat.session, "quiet");
  await by({ kind: "run.started", run: "r1", agent: "quiet", lease_ms: 60_000 });
  await by({ kind: "run.ended", run: "r1", outcome: "completed", message: "all is well" });
  await by({ kind: "run.started", run: "r2", agent: "quiet", lease_ms: 60_000 });
  await server.append(chat.session, "user/anonymous", { kind: "stop.requested", id: "s1", run: "r2", message: null });
  await by({ kind: "run.ended", run: "r2", outcome: "stopped" });
  await chat.open();
  await expect(runOf(chat, "r1").locator(".entry-note")).toHaveText("Finished without a word");
  await expect(runOf(chat, "r2").locator(".entry-note")).toHaveText("Stopped");
});

test("a run whose words or question an edit took away is not said to have had none", async ({ chat, server }) => {
  const by = writer(server, chat.session, "quiet");
  const say = (id, fields) => server.append(chat.session, "user/anonymous", { kind: "message", id, role: "user", text: id, ...fields });
  const start = (run, input) => by({ kind: "run.started", run, agent: "quiet", in_reply_to: input, lease_ms: 60_000 });
  await say("first", { to: "quiet" });
  await start("r1", "first");
  await say("second", { to: "quiet" });
  await by({ kind: "delta", id: "d1", run: "r1", message: "a1", text: "An answer." });
  await by({ kind: "run.ended", run: "r1", outcome: "completed" });
  await start("r2", "second");
  await by({ kind: "run.ended", run: "r2", outcome: "completed" });
  await say("third", { to: null, replaces: "second" });
  await chat.open();
  await expect(chat.messages).toHaveText(["first", "third"]);
  await expect(chat.page.locator("#timeline > li")).toHaveCount(2);
});

test("a run at work whose words an edit took away is still at work", async ({ chat, server }) => {
  const by = writer(server, chat.session, "quiet");
  const say = (id, fields) => server.append(chat.session, "user/anonymous", { kind: "message", id, role: "user", text: id, ...fields });
  await say("first", { to: "quiet" });
  await by({ kind: "run.started", run: "r1", agent: "quiet", in_reply_to: "first", lease_ms: 60_000 });
  await by({ kind: "delta", id: "d1", run: "r1", message: "a1", text: "An answer." });
  await chat.open();
  await expect(chat.messages).toHaveText(["first", "An answer."]);
  await say("second", { to: null, replaces: "first" });
  await expect(chat.messages).toHaveText(["second"]);
  await expect(runOf(chat, "r1").locator(".entry-note")).toHaveText("is working on it");
  await by({ kind: "delta", id: "d2", run: "r1", message: "a2", text: "Another." });
  await expect(chat.messages).toHaveText(["second", "Another."]);
});

test.describe("while the agents of a plan write", () => {
  let by;

  test.beforeEach(async ({ chat, server }) => {
    by = writer(server, chat.session, "lead");
    await by({ kind: "run.started", run: "r1", agent: "lead", lease_ms: 60_000 });
    await by({ kind: "run.started", run: "r2", agent: "helper", parent: "r1", lease_ms: 60_000 });
    await by({ kind: "delta", id: "d1", run: "r2", message: "r2-a", text: "One" });
    await chat.open();
    await expect(runOf(chat, "r2").getByTestId("message-text")).toHaveText("One");
  });

  test("a panel is busy for as long as its words come in", async ({ chat }) => {
    const words = runOf(chat, "r2").getByTestId("message");
    await expect(words).toHaveAttribute("aria-busy", "true");
    await by({ kind: "run.ended", run: "r2", outcome: "completed" });
    await expect(words).toHaveAttribute("aria-busy", "false");
  });

  test("what is selected of a steer stays selected", async ({ chat }) => {
    await runOf(chat, "r2").getByTestId("steer").fill("assume COGS 12");
    await runOf(chat, "r2").getByTestId("steer").press("Enter");
    const steer = runOf(chat, "r2").getByTestId("steer-sent");
    await expect(steer).toHaveAttribute("data-state", "sent");
    // It is sent when the server has it, and shown anew when the log has told when.
    await expect(chat.page.getByTestId("offset")).toHaveText("4");
    await steer.evaluate((item) => getSelection().selectAllChildren(item));
    const selected = () => chat.page.evaluate(() => getSelection().toString());
    expect(await selected()).toContain("assume COGS 12");
    await by({ kind: "delta", id: "d2", run: "r2", message: "r2-a", text: " two" });
    await expect(runOf(chat, "r2").getByTestId("message-text")).toHaveText("One two");
    expect(await selected()).toContain("assume COGS 12");
  });

  test("what is typed into a panel goes on when another agent joins", async ({ chat }) => {
    const box = runOf(chat, "r2").getByTestId("steer");
    await box.pressSequentially("assume ");
    await by({ kind: "run.started", run: "r3", agent: "another", parent: "r1", lease_ms: 60_000 });
    await expect(runOf(chat, "r3")).toBeVisible();
    await chat.page.keyboard.type("COGS 12");
    await expect(box).toHaveValue("assume COGS 12");
  });
});
