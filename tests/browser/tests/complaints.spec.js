// What users of other chat libraries have reported, as tests: each names the report it answers.

import { expect, test } from "../support/test.js";
import { Copilot, PLAN, SPECIALISTS } from "../support/copilot.js";
import { FIGURES } from "../support/chat.js";
import { ofKind, outcome } from "../support/log.js";

const ANSWER_TIMEOUT_MS = 40_000;
const TOOL_CALLS = 24;

test.describe.configure({ timeout: 180_000 });

// vercel/ai#6502, #18458: stop() does nothing on a resumed stream, and the generation is orphaned.
test("a stop pressed after a reload stops the answer that was resumed", async ({ chat, agent }) => {
  await agent();
  await chat.open();
  await chat.send(FIGURES);
  const run = await chat.isStreaming();
  await chat.page.reload();
  await chat.isLive();
  expect(await chat.isStreaming()).toBe(run);
  await chat.stop.click();
  await chat.isState(0, "stopped");
  const events = await chat.showsTheLog();
  const [stop] = ofKind(events, "stop.requested");
  expect(events.filter((event) => event.run === run && event.offset > stop.offset).map(({ kind }) => kind)).toEqual(["run.ended"]);
});

// vercel/ai#15091: a client that aborts is only a disconnect, and stopping is left to the application.
test("leaving a session is no stop, and a stop needs no endpoint of one's own", async ({ chat, agent }) => {
  await agent();
  await chat.open();
  await chat.send(FIGURES);
  const run = await chat.isStreaming();
  await chat.page.evaluate(() => durableSessions.session.detach());
  await expect.poll(async () => outcome(await chat.events(), run), { timeout: ANSWER_TIMEOUT_MS }).toBe("completed");
  expect(ofKind(await chat.events(), "stop.requested")).toEqual([]);
});

// vercel/ai#7900: the partial message is lost on abort. vercel/resumable-stream#47, cloudflare/agents#1485: the page
// shows "streaming" for ever.
test("a stopped answer keeps what it had said, and nothing spins, also after a reload", async ({ chat, agent }) => {
  await agent("rude-agent");
  await chat.open();
  await chat.send("Talk");
  await chat.isStreaming();
  await chat.stop.click();
  await chat.isState(0, "stopped");
  const said = await chat.answers.first().textContent();
  expect(said.length).toBeGreaterThan(60);
  await chat.page.reload();
  await chat.isLive();
  await chat.isState(0, "stopped");
  await expect(chat.answers.first()).toHaveText(said);
  await expect(chat.page.locator('[data-state="streaming"]')).toHaveCount(0);
  await expect(chat.page.getByTestId("stop-all")).toBeHidden();
});

// vercel/ai#20446: a WebSocket for many tool calls that the client answers. TanStack/ai#286: sending apart from receiving.
test("many tool calls at once are answered over the one socket, some here and some on another device", async ({ chat, server, device, newChat }) => {
  await chat.open();
  const by = (event) => server.append(chat.session, "agent/tools", event);
  await by({ kind: "run.started", run: "r1", agent: "tools", lease_ms: 60_000 });
  const asks = Array.from({ length: TOOL_CALLS }, (_, n) => `call-${n}`);
  for (const ask of asks) {
    await by({ kind: "run.suspended", run: "r1", ask, body: { type: "tool", name: "locate", input: { ask } } });
  }
  const other = await (await newChat(await device())).open({ as: "bob" });
  // Each shows all of them before anybody answers: an answered one is gone from the list.
  for (const one of [chat, other]) await expect(one.page.getByTestId("ask")).toHaveCount(TOOL_CALLS);
  const answers = (page, mine) =>
    page.evaluate((mine) => {
      const { session } = durableSessions;
      return Promise.all(mine.map((ask) => session.answer(ask, { found: ask })));
    }, mine);
  const [here, there] = [0, 1].map((parity) => asks.filter((_, n) => n % 2 === parity));
  const acks = (await Promise.all([answers(chat.page, here), answers(other.page, there)])).flat();
  expect(acks).toHaveLength(TOOL_CALLS);
  const resumed = ofKind(await chat.events(), "run.resumed");
  expect(resumed.map(({ ask, answer }) => [ask, answer.found]).sort()).toEqual(asks.map((ask) => [ask, ask]).sort());
  expect(new Set(resumed.map(({ from }) => from.id))).toEqual(new Set(["anonymous", "bob"]));
  for (const one of [chat, other]) await expect(one.page.locator('[data-run="r1"][data-testid="run"]')).toHaveAttribute("data-state", "running");
});

// cloudflare/agents#1172: the second tab misses live chunks. #1471: closing a tab must not cancel the turn. #1658: does a
// stop stop the sub-agents?
test("the second tab sees every word, closing one cancels nothing, and a stop reaches sub-agents", async ({ chat, agent, newChat }) => {
  await agent();
  await chat.open();
  await chat.send(PLAN);
  const second = await (await newChat()).open();
  const copilot = new Copilot(second);
  const runs = await copilot.areAtWork();
  await chat.page.close();
  await copilot.isWriting("test-plan");
  expect(ofKind(await second.events(), "stop.requested")).toEqual([]);
  await copilot.part("assistant", "stop-run").last().click();
  for (const name of ["assistant", ...SPECIALISTS]) await expect(copilot.run(name)).not.toHaveAttribute("data-state", /running|suspended|stopping/);
  const events = await second.events();
  const [stop] = ofKind(events, "stop.requested");
  const late = events.filter(({ run, kind, offset }) => Object.values(runs).includes(run) && offset > stop.offset && kind !== "run.ended");
  expect(late).toEqual([]);
});

// langchain-ai/langgraphjs#2330, langgraph#7778: a reconnect silently drops the events of sub-agents.
test("a reconnect drops nothing of what sub-agents wrote meanwhile", async ({ chat, agent }) => {
  await agent();
  await chat.open();
  const copilot = new Copilot(chat);
  await chat.send(PLAN);
  const runs = await copilot.areAtWork();
  await chat.page.getByTestId("cut").check();
  const length = (await chat.events()).length;
  await chat.goesOn(length, 40);
  await chat.page.getByTestId("cut").uncheck();
  await expect(chat.page.getByTestId("ask")).toBeVisible({ timeout: ANSWER_TIMEOUT_MS });
  const { messages } = await chat.server.transcript(chat.session);
  for (const name of SPECIALISTS) {
    const told = messages.filter(({ role, run }) => role === "assistant" && run === runs[name]).map(({ text }) => text);
    expect(told.join("").length).toBeGreaterThan(100);
    await expect.poll(() => copilot.part(name, "message-text").allTextContents()).toEqual(told);
  }
});

// unfence-labs/hive#358, novuhq/novu#12418: a retried send doubles the turn unless the server knows it by an id.
test("a send that is tried again from anywhere is one message and one answer", async ({ chat, agent, server, network }) => {
  await agent();
  await chat.open({ url: network.url });
  network.hold(["down"]);
  await chat.send("Hello");
  await expect.poll(async () => (await chat.events()).length).toBeGreaterThan(0);
  const [message] = ofKind(await chat.events(), "message");
  // A proxy, a script, the page itself: whoever sends it once more is told what became of it the first time.
  const { kind, id, role, text } = message;
  await server.append(chat.session, "user/anonymous", { kind, id, role, text });
  network.cut();
  await chat.isState(0, "completed", ANSWER_TIMEOUT_MS);
  const events = await chat.showsTheLog();
  expect(ofKind(events, "message").filter(({ role }) => role === "user")).toHaveLength(1);
  expect(ofKind(events, "run.started")).toHaveLength(1);
});
