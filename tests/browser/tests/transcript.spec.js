// One definition of the fold: what the page folded is what the server folds.

import { expect, test } from "../support/test.js";
import { FIGURES } from "../support/chat.js";

const COMPARISONS_MIN = 5;

test("at each offset of a streaming answer the page's transcript is the server's", async ({ chat, agent, page }) => {
  await agent();
  await chat.open();
  await page.evaluate(() => {
    const { session } = durableSessions;
    globalThis.seen = new Map();
    const note = () => seen.set(session.transcript().offset, session.transcript());
    session.on("event", note);
    session.subscribe(note);
  });
  await chat.send(FIGURES);
  await chat.isStreaming();
  let compared = 0;
  let fetched;
  do {
    fetched = await chat.server.transcript(chat.session);
    const { offset } = fetched;
    await expect(async () => {
      expect(await page.evaluate(() => durableSessions.session.transcript().offset)).toBeGreaterThanOrEqual(offset);
    }).toPass();
    const own = await page.evaluate((offset) => seen.get(offset), offset);
    // Frames carry several events: the page was never at each offset.
    if (!own) continue;
    expect(own).toEqual(fetched);
    compared += 1;
  } while (fetched.active.length > 0);
  expect(compared).toBeGreaterThan(COMPARISONS_MIN);
  await chat.showsTheLog();
});

test("parts, results and failures of runs are folded the same", async ({ chat }) => {
  const { server, session } = chat;
  const as = async (from, ...events) => {
    for (const event of events) await server.append(session, from, event);
  };
  let id = 0;
  const delta = (fields) => ({ kind: "delta", id: `d${(id += 1)}`, run: "r1", message: "a1", ...fields });
  await chat.open();
  const parts = [{ type: "text", text: "Look: " }, { type: "file", url: "/x.png" }, { type: "text", text: "this" }];
  const part = (data) => ({ kind: "data", id: `x${(id += 1)}`, name: "chart", run: "r1", message: "a1", part: 2, data });
  await as("user/u", { kind: "message", id: "m1", role: "user", parts });
  await as(
    "agent/bot",
    { kind: "run.started", run: "r1", agent: "assistant", in_reply_to: "m1" },
    delta({ part: 0, type: "reasoning", text: "Hm. " }),
    delta({ part: 1, text: "Half " }),
    delta({ part: 0, text: "Well." }),
    delta({ part: 1, text: "an answer", end: true }),
    part({ type: "chart", points: [] }),
    part({ type: "chart", points: [1, 2.5, -3e-7] }),
    { kind: "data", id: "progress", name: "progress", run: "r1", data: 0.5 },
    { kind: "message", id: "a2", role: "assistant", run: "r1", text: "And a second message" },
    { kind: "run.ended", run: "r1", outcome: "failed", error: { code: "out_of_ideas" }, usage: { tokens: 12 } },
  );
  await expect(chat.messages).toHaveCount(3);
  await chat.showsTheLog();
  await as("user/u", { kind: "message", id: "m2", role: "user", text: "Instead of all that", replaces: "m1" });
  await expect(chat.messages).toHaveText(["Instead of all that"]);
  const own = await chat.page.evaluate(() => durableSessions.session.transcript());
  expect(own).toEqual(await server.transcript(session));
});
