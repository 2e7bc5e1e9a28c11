// However many tabs a browser has, and on however many sessions, it has one connection.

import { expect, roles, test } from "../support/browsers.js";
import { ofKind } from "../support/log.js";
import { Tabs } from "../support/tabs.js";
import { connections } from "../support/tail.js";
import { writeRun } from "../support/writer.js";

const TABS = 8;
/** Four at 12.5 tokens a second each are 50 in all, for eight seconds, if the machine keeps up. */
const RUNS = [1, 2, 3, 4].map((n) => ({ run: `r${n}`, tokens: 100, paceMs: 80 }));

test("eight tabs on a session have one connection, and all show the log of four runs", async ({ context, server, session }) => {
  test.setTimeout(180_000);
  await server.append(session, "user/ada", { kind: "message", id: "m1", role: "user", to: null, text: "Go" });
  const tabs = new Tabs(context, server, session);
  await tabs.open(TABS);
  await tabs.settled();

  const begun = Date.now();
  let isWriting = true;
  const counted = new Set();
  const count = async () => {
    while (isWriting) counted.add(await connections(server));
  };
  const counting = count();
  await Promise.all(RUNS.map((run) => writeRun(server, session, run)));
  const seconds = (Date.now() - begun) / 1000;
  isWriting = false;
  await counting;
  expect([...counted], "connections while it streamed").toEqual([1]);
  console.log(`  written: ${((RUNS.length * RUNS[0].tokens) / seconds).toFixed(1)} tokens a second`);

  await tabs.settled();
  await tabs.showTheLog();
  expect(ofKind(tabs.log.events, "run.ended")).toHaveLength(RUNS.length);
  const folded = await server.transcript(session);
  for (const tab of tabs.present) expect((await tab.taken()).transcript).toEqual(folded);
  expect((await tabs.present[0].now()).tabs).toBe(TABS);
});

test("three sessions in each of five tabs are one connection", async ({ peer, session, hasConnections, keepsConnections }) => {
  test.setTimeout(180_000);
  const sessions = ["a", "b", "c"].map((name) => `${session}-${name}`);
  const peers = [];
  for (let tab = 0; tab < 5; tab += 1) peers.push(await (await peer()).connect(sessions));
  for (const each of peers) await each.isReady();
  await hasConnections(1);
  for (const [index, each] of peers.entries()) await each.sends(sessions[index % 3], `from ${index}`);
  const texts = { [sessions[0]]: ["from 0", "from 3"], [sessions[1]]: ["from 1", "from 4"], [sessions[2]]: ["from 2"] };
  for (const each of peers) await expect.poll(async () => (await each.now()).texts).toEqual(texts);
  expect(await roles(peers)).toEqual({ leader: 1, follower: 4 });
  await keepsConnections(1);
});

test("tabs on different sessions share the connection, and each is given its own alone", async ({ peer, server, session, hasConnections }) => {
  const sessions = ["a", "b", "c"].map((name) => `${session}-${name}`);
  const peers = [];
  for (const id of sessions) peers.push(await (await (await peer()).connect([id])).isReady());
  for (const id of sessions) await server.append(id, "user/else", { kind: "message", id: "m1", role: "user", to: null, text: id });
  for (const [index, each] of peers.entries()) await each.has(sessions[index], [sessions[index]]);
  await hasConnections(1);
});

test("several clients in one page share the connection, and count as one tab", async ({ peer, session, hasConnections, keepsConnections }) => {
  const [first, second] = [await peer(), await peer()];
  for (const name of ["main", "more", "most"]) await first.connect([session], { name });
  await second.connect([session]);
  for (const name of ["main", "more", "most"]) await first.isReady(name);
  await second.isReady();
  await hasConnections(1);
  for (const name of ["main", "more", "most"]) {
    await expect.poll(async () => (await first.now(name)).tabs).toBe(2);
    await first.sends(session, name, name);
  }
  await second.has(session, ["main", "more", "most"]);
  await first.close({}, "main");
  await first.sends(session, "after", "most");
  await second.has(session, ["main", "more", "most", "after"]);
  await keepsConnections(1);
});

test("a tab that is closed is counted no more", async ({ peer, session, hasConnections }) => {
  const peers = [];
  for (let tab = 0; tab < 3; tab += 1) peers.push(await (await (await peer()).connect([session])).isReady());
  const counts = () => Promise.all(peers.map(async (each) => (await each.now()).tabs));
  await expect.poll(counts).toEqual([3, 3, 3]);
  await peers.pop().page.close();
  await expect.poll(counts).toEqual([2, 2]);
  await peers.shift().page.close();
  await expect.poll(counts).toEqual([1]);
  expect(await peers[0].role()).toBe("leader");
  await hasConnections(1);
});
