// The tabs of a browser share one connection, and the tab that has it may go at any moment and in
// any way. While runs stream, nothing is lost and nothing comes twice.

import { expect, test as base } from "../support/test.js";
import * as ways from "../support/handovers.js";
import { ofKind, outcome, runFor } from "../support/log.js";
import { Tabs } from "../support/tabs.js";
import { report } from "../support/times.js";

const TABS = 4;
/** So many times as many handovers, for a soak that is longer than the check of a change. */
const SOAK = Number(process.env.SOAK ?? 1);
/** What a handover takes, with all that is looked at after it, on a busy machine. */
const HANDOVER_TIMEOUT_MS = 30_000;
const SETUP_TIMEOUT_MS = 60_000;

/** One that writes for as long as the test goes on, 50 numbers a second. */
const ENDLESS = ["--name", "assistant", "--numbers", "4000000000", "--pace-ms", "20"];
/** One that is done at once. */
const BRIEF = ["--name", "brief", "--numbers", "10", "--pace-ms", "10"];
/** One that is there to be stopped. */
const PATIENT = ["--name", "patient", "--numbers", "4000000000", "--pace-ms", "50"];
const AGENTS = [ENDLESS, BRIEF, PATIENT];

/** The messages that are on their way during a handover: before it, in it, after it. */
const SENDS = 5;
const SEND_PACE_MS = 12;
/** Acts come so much later in each round: a round finds the leader alive, dying or dead. */
const ROUND_STEP_MS = 4;

const test = base.extend({
  /** Opens tabs on a session in which a run streams. */
  openTabs: async ({ context, server, session, agent, complaints }, use) => {
    await use(async (url) => {
      await Promise.all(AGENTS.map((words) => agent("counting-agent", { words })));
      await server.append(session, "user/ada", { kind: "message", id: "begin", role: "user", text: "Count" });
      const tabs = new Tabs(context, server, session, { url, others: AGENTS.length });
      await tabs.open(TABS);
      await tabs.settled();
      return tabs;
    });
    expect(complaints).toEqual([]);
  },

  tabs: async ({ openTabs }, use) => use(await openTabs()),
});

// Pages that are left are kept, as the browsers of readers do.
test.use({
  launchOptions: [
    async ({ launchOptions }, use) => use({ ...launchOptions, ignoreDefaultArgs: ["--disable-back-forward-cache"] }),
    { scope: "worker" },
  ],
});

/**
 * One handover with messages on their way, and what must hold after it. Gives how long the visible
 * tabs that were left had to wait for an event, and what brings back the tab that went.
 */
async function handOver(tabs, { way, withChild = false, goes = true }, name) {
  const leader = await tabs.leader();
  const child = withChild ? await tabs.openFrom(leader) : undefined;
  const left = tabs.present.filter((tab) => tab !== leader && tab !== child);
  const [sender] = left;
  const began = Date.now();
  const [restore] = await Promise.all([way({ leader, child, tabs }), sender.sends(messages(name), SEND_PACE_MS)]);
  await tabs.settled({ except: goes ? leader : undefined });
  const visible = left.filter((tab) => tab.isVisible);
  const waits = await Promise.all(visible.map((tab) => tab.gapSince(began)));
  await sender.acks();
  await tabs.showTheLog();
  return { wait: Math.max(...waits), restore };
}

/** The first is for an agent, the others are notes. */
function messages(name) {
  const all = Array.from({ length: SENDS }, (_, index) => ({ id: `${name}-${index}`, text: "Count", to: null }));
  all[0].to = "brief";
  return all;
}

/** Each message of each handover stands in the log once, in the order of its tab, and each run ended once. */
async function eachOnce({ log }, names) {
  const answered = async () => names.map((name) => outcome(log.events, runFor(log.events, `${name}-0`)));
  const read = async () => (await log.read(), answered());
  await expect.poll(read, { timeout: SETUP_TIMEOUT_MS }).toEqual(names.map(() => "completed"));
  const ids = ofKind(log.events, "message").map(({ id }) => id);
  expect(ids.filter((id) => id !== "begin")).toEqual(names.flatMap((name) => messages(name).map(({ id }) => id)));
  expect(ofKind(log.events, "run.ended")).toHaveLength(names.length);
}

const KINDS = [
  { way: ways.closed, title: "closed", count: 20 },
  { way: ways.crashed, title: "killed", count: 14 },
  { way: ways.frozen, title: "frozen", count: 10 },
  { way: ways.cached, title: "put into the back-forward cache", count: 10 },
  { way: ways.hidden, title: "hidden", count: 10 },
  { way: ways.reloaded, title: "reloaded", count: 8 },
  { way: ways.crashedWithChild, title: "killed together with a tab it opened", count: 6, withChild: true },
  { way: ways.unheard, title: "not heard by the others for a while", count: 5 },
  { way: ways.robbed, title: "robbed of its lock", count: 5, goes: false },
];

for (const kind of KINDS) {
  const { way, title, count } = kind;
  test(`a leader that is ${title} is followed by another, and no event is lost or doubled`, async ({ tabs }, testInfo) => {
    testInfo.setTimeout(SETUP_TIMEOUT_MS + count * SOAK * HANDOVER_TIMEOUT_MS);
    const names = Array.from({ length: count * SOAK }, (_, round) => `${way.name}-${round}`);
    const waits = [];
    for (const name of names) {
      const { wait, restore } = await handOver(tabs, kind, name);
      waits.push(wait);
      await restore();
      await tabs.settled();
      await tabs.showTheLog();
    }
    await eachOnce(tabs, names);
    await report(testInfo, { [way.name]: waits });
  });
}

/** With those between them that are not back yet when the next one goes. */
const MIXED = [ways.frozen, ways.closed, ways.cached, ways.crashed, ways.hidden, ways.reloaded].map((way) => ({ way }));

test("leaders that go in turn in all ways are followed by others, before those that went are back", async ({ tabs }, testInfo) => {
  const kinds = Array.from({ length: 2 * SOAK }).flatMap(() => MIXED);
  testInfo.setTimeout(SETUP_TIMEOUT_MS + kinds.length * HANDOVER_TIMEOUT_MS);
  const names = kinds.map(({ way }, round) => `${way.name}-${round}`);
  const waits = {};
  let back = () => {};
  for (const [round, kind] of kinds.entries()) {
    const { wait, restore } = await handOver(tabs, kind, names[round]);
    (waits[kind.way.name] ??= []).push(wait);
    await back();
    back = restore;
    await tabs.settled();
    await tabs.showTheLog();
  }
  await back();
  await tabs.settled();
  await tabs.showTheLog();
  await eachOnce(tabs, names);
  await report(testInfo, waits);
});

const ENDS = [
  { way: ways.closed, title: "closed", rounds: 6 },
  { way: ways.crashed, title: "killed", rounds: 6 },
  { way: ways.frozen, title: "frozen", rounds: 3 },
];

for (const { way, title, rounds } of ENDS) {
  test(`a stop and a send at the moment the leader is ${title} are applied once, and the receipt ends`, async ({ tabs, server, session }, testInfo) => {
    testInfo.setTimeout(SETUP_TIMEOUT_MS + rounds * SOAK * HANDOVER_TIMEOUT_MS);
    for (let round = 0; round < rounds * SOAK; round += 1) {
      const run = await startRun(tabs, server, session, `begin-${round}`);
      const message = { id: `sent-${round}`, text: "And then?", to: null };
      const leader = await tabs.leader();
      const follower = tabs.present.find((tab) => tab !== leader);
      const afterMs = (round % rounds) * ROUND_STEP_MS;
      const [restore] = await Promise.all([way({ leader, tabs }), follower.stopsAndSends(run, message, afterMs)]);
      await appliedOnce(tabs, follower, run, message);
      await tabs.settled({ except: leader });
      await restore();
      await tabs.settled();
    }
    await tabs.showTheLog();
  });

  for (const { direction, lost } of [{ direction: "up", lost: "they" }, { direction: "down", lost: "their answers" }]) {
    test(`a stop and a send are applied once if the leader is ${title} and ${lost} are lost with it`, async ({ openTabs, network, server, session }) => {
      const tabs = await openTabs(network.url);
      const run = await startRun(tabs, server, session, "begin-run");
      const message = { id: "sent", text: "And then?", to: null };
      const leader = await tabs.leader();
      const follower = tabs.present.find((tab) => tab !== leader);
      network.hold([direction]);
      await follower.stopsAndSends(run, message);
      // The message waits for the answer to the stop.
      if (direction === "down") await expect.poll(() => stops(tabs.log, run)).toHaveLength(1);
      const restore = await way({ leader, tabs });
      await appliedOnce(tabs, follower, run, message);
      network.release();
      await tabs.settled({ except: leader });
      await restore();
      await tabs.settled();
      await tabs.showTheLog();
      expect(await stops(tabs.log, run)).toHaveLength(1);
      expect(messagesOf(tabs.log, message.id)).toHaveLength(1);
    });
  }
}

/** Starts a run that goes on until it is stopped, and waits until it writes. */
async function startRun({ log }, server, session, input) {
  await server.append(session, "user/ada", { kind: "message", id: input, role: "user", text: "Count", to: "patient" });
  const writes = async () => {
    await log.read();
    const run = runFor(log.events, input);
    return run !== undefined && ofKind(log.events, "delta", run).length > 0;
  };
  await expect.poll(writes).toBe(true);
  return runFor(log.events, input);
}

/** Both acts of `tab` are answered and stand in the log once, and nothing of the run is behind its stop. */
async function appliedOnce({ log }, tab, run, message) {
  const [ended, { offset }] = await tab.acks();
  expect(ended).toEqual([{ run, outcome: "stopped" }]);
  const [stop, ...more] = await stops(log, run);
  expect(more).toEqual([]);
  expect(messagesOf(log, message.id).map((sent) => sent.offset)).toEqual([offset]);
  const after = log.events.slice(stop.offset).filter((event) => event.run === run);
  expect(after.map(({ kind }) => kind)).toEqual(["run.ended"]);
}

async function stops(log, run) {
  return ofKind(await log.read(), "stop.requested", run);
}

function messagesOf(log, id) {
  return ofKind(log.events, "message").filter((message) => message.id === id);
}
