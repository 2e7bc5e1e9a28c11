// The tabs of a browser share one connection, and the tab that has it may go at any moment and in
// any way. While runs stream, nothing is lost and nothing comes twice.

import { expect, test as base } from "../support/test.js";
import * as ways from "../support/handovers.js";
import { ofKind, outcome, runFor } from "../support/log.js";
import { Tabs } from "../support/tabs.js";
import { report } from "../support/times.js";

const TABS = 4;
/** So many times as many handovers: for a soak that is longer than a check of each change. */
const SOAK = Number(process.env.SOAK ?? 1);
/** What a handover takes, with all that is looked at after it, on a busy machine. */
const HANDOVER_TIMEOUT_MS = 15_000;
const SETUP_TIMEOUT_MS = 60_000;

/** One that writes for as long as the test goes on, 50 numbers a second. */
const ENDLESS = ["--name", "assistant", "--numbers", "4000000000", "--pace-ms", "20"];
/** One that answers in half a second. */
const BRIEF = ["--name", "brief", "--numbers", "20", "--pace-ms", "25"];
const AGENTS = 2;

const test = base.extend({
  /** Tabs on a session in which a run streams. */
  tabs: async ({ context, server, session, agent, complaints }, use) => {
    await agent("counting-agent", { words: ENDLESS });
    await agent("counting-agent", { words: BRIEF });
    const tabs = new Tabs(context, server, session, { others: AGENTS });
    await server.append(session, "user/ada", { kind: "message", id: "begin", role: "user", text: "Count" });
    await tabs.open(TABS);
    await tabs.settled();
    await use(tabs);
    expect(complaints).toEqual([]);
  },
});

// Pages that are left are kept, as browsers of readers do.
test.use({
  launchOptions: [
    async ({ launchOptions }, use) => use({ ...launchOptions, ignoreDefaultArgs: ["--disable-back-forward-cache"] }),
    { scope: "worker" },
  ],
});

/**
 * One handover with messages on their way, and what must hold after it. Gives how long the visible
 * tabs that were left had to wait for an event.
 */
async function handOver(tabs, way, { name, child, changes = true }) {
  const leader = await tabs.leader();
  const left = tabs.present.filter((tab) => tab !== leader && tab !== child);
  const [sender] = left;
  const began = Date.now();
  const [restore] = await Promise.all([
    way({ leader, child, tabs }),
    sender.send({ id: name, text: "Count", to: "brief" }),
  ]);
  await tabs.settled({ except: changes ? leader : undefined });
  const gaps = await Promise.all(left.map((tab) => tab.gapSince(began)));
  await sender.acks();
  await tabs.showTheLog();
  await restore();
  await tabs.settled();
  await tabs.showTheLog();
  return Math.max(...gaps);
}

/** Each message stands in the log once, and was answered once. */
async function eachOnce(tabs, names) {
  const { log } = tabs;
  const ended = async () => ofKind(await log.read(), "run.ended").length;
  await expect.poll(ended, { timeout: SETUP_TIMEOUT_MS }).toBe(names.length);
  const sent = ofKind(log.events, "message").filter(({ to }) => to === "brief");
  expect(sent.map(({ id }) => id).sort()).toEqual([...names].sort());
  for (const name of names) expect(outcome(log.events, runFor(log.events, name))).toBe("completed");
}

const KINDS = [
  { way: ways.closed, title: "closed", count: 20 },
  { way: ways.crashed, title: "killed", count: 16 },
  { way: ways.frozen, title: "frozen", count: 12 },
  { way: ways.cached, title: "put into the back-forward cache", count: 12 },
  { way: ways.hidden, title: "hidden", count: 12 },
  { way: ways.reloaded, title: "reloaded", count: 8 },
  { way: ways.crashedWithChild, title: "killed together with a tab it opened", count: 8, child: true },
  { way: ways.unheard, title: "not heard by the others for a while", count: 6 },
  { way: ways.robbed, title: "robbed of its lock", count: 6, changes: false },
];

for (const { way, title, count, child, changes } of KINDS) {
  test(`a leader that is ${title} is followed by another, and no event is lost or doubled`, async ({ tabs }, testInfo) => {
    testInfo.setTimeout(SETUP_TIMEOUT_MS + count * SOAK * HANDOVER_TIMEOUT_MS);
    const times = [];
    const names = [];
    for (let round = 0; round < count * SOAK; round += 1) {
      const name = `${way.name}-${round}`;
      names.push(name);
      const opened = child && (await (await tabs.leader()).opens());
      if (opened) {
        tabs.find(opened);
        await tabs.settled();
      }
      times.push(await handOver(tabs, way, { name, child: opened, changes }));
    }
    await eachOnce(tabs, names);
    await report(testInfo, { [way.name]: times });
  });
}
