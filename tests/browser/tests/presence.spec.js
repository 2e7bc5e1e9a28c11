// Who is attached to a session: people and agents, by device, with the tabs of each.

import { expect, test } from "../support/browsers.js";

/** A device that dies is noticed at once; it is given this long for another of its tabs to take over. */
const GRACE_MS = 2_000;

/** The members of a session as `[name, tabs]`, sorted. */
async function members(peer, session, name) {
  const present = (await peer.now(name)).presence[session];
  return present.map(({ from, tabs }) => [`${from.kind}/${from.id}`, tabs]).sort();
}

test("a device counts its tabs, and the server tells the same over HTTP", async ({ peer, device, server, session }) => {
  const mine = [await (await (await peer()).connect([session], { as: "user/ada" })).isReady()];
  const other = await (await (await peer(await device())).connect([session], { as: "user/grace" })).isReady();
  // What has nothing in its log is nowhere but in the server's memory, and is not told over HTTP.
  await other.sends(session, "Hello");
  const everywhere = async (expected) => {
    for (const tab of [...mine, other]) await expect.poll(() => members(tab, session)).toEqual(expected);
    const response = await fetch(`${server.url}/v1/sessions/${session}`);
    const { presence } = await response.json();
    expect(presence.map(({ from, tabs }) => [`${from.kind}/${from.id}`, tabs]).sort()).toEqual(expected);
  };
  await everywhere([["user/ada", 1], ["user/grace", 1]]);
  for (let tab = 2; tab <= 3; tab += 1) {
    mine.push(await (await (await peer()).connect([session], { as: "user/ada" })).isReady());
    await everywhere([["user/ada", tab], ["user/grace", 1]]);
  }
  await mine.shift().page.close();
  await everywhere([["user/ada", 2], ["user/grace", 1]]);
  await mine.pop().page.close();
  await everywhere([["user/ada", 1], ["user/grace", 1]]);
});

test("a tab counts only on the sessions that it shows", async ({ peer, session }) => {
  const [a, b] = [`${session}-a`, `${session}-b`];
  const both = await (await (await peer()).connect([a, b], { as: "user/ada" })).isReady();
  const one = await (await (await peer()).connect([b], { as: "user/ada" })).isReady();
  await expect.poll(() => members(both, a)).toEqual([["user/ada", 1]]);
  for (const tab of [both, one]) await expect.poll(() => members(tab, b)).toEqual([["user/ada", 2]]);
  await both.frame.evaluate((id) => peers.main.sessions[id].detach(), b);
  await expect.poll(() => members(one, b)).toEqual([["user/ada", 1]]);
});

test("a device keeps its name while its tabs come and go, and no other has it", async ({ peer, device, session }) => {
  const watcher = await (await (await peer(await device())).connect([session], { as: "user/grace" })).isReady();
  const names = async () => {
    const present = (await watcher.now()).presence[session];
    return present.filter(({ from }) => from.id === "ada").map((member) => member.device);
  };
  const [first, second] = [await peer(), await peer()];
  for (const tab of [first, second]) await (await tab.connect([session], { as: "user/ada" })).isReady();
  await expect.poll(async () => (await names()).length).toBe(1);
  const [name] = await names();
  // Whatever is told from now on is noted.
  await watcher.frame.evaluate((id) => {
    globalThis.told = [];
    peers.main.sessions[id].on("presence", (members) => told.push(members.map(({ device }) => device)));
  }, session);
  await first.page.close();
  await second.isReady();
  await expect.poll(() => second.role()).toBe("leader");
  await second.sends(session, "It goes on");
  await expect.poll(() => members(watcher, session)).toEqual([["user/ada", 1], ["user/grace", 1]]);
  expect(await names()).toEqual([name]);
  // No flicker: at no time was the device away while one of its tabs took over from the other.
  for (const devices of await watcher.frame.evaluate(() => told)) expect(devices).toContain(name);
});

test("a device all of whose tabs are killed is soon gone", async ({ peer, device, session }) => {
  const watcher = await (await (await peer()).connect([session], { as: "user/grace" })).isReady();
  const of = await device();
  const tabs = [await peer(of), await peer(of), await peer(of)];
  for (const tab of tabs) await (await tab.connect([session], { as: "user/ada" })).isReady();
  await expect.poll(() => members(watcher, session)).toEqual([["user/ada", 3], ["user/grace", 1]]);
  const killed = Date.now();
  await Promise.all(tabs.map((tab) => tab.crash()));
  await expect.poll(() => members(watcher, session), { intervals: [50] }).toEqual([["user/grace", 1]]);
  const tookMs = Date.now() - killed;
  console.log(`  a killed device was gone after ${tookMs} ms`);
  expect(tookMs).toBeGreaterThan(GRACE_MS - 1_000);
});

for (const [role, rank] of [["leader", 0], ["follower", 1]]) {
  test(`a ${role} that is killed is soon counted no more`, async ({ peer, device, session }) => {
    const watcher = await (await (await peer(await device())).connect([session], { as: "user/grace" })).isReady();
    const tabs = [await peer(), await peer(), await peer()];
    for (const tab of tabs) await (await tab.connect([session], { as: "user/ada" })).isReady();
    await expect.poll(() => members(watcher, session)).toEqual([["user/ada", 3], ["user/grace", 1]]);
    expect(await tabs[rank].role()).toBe(role);
    const killed = Date.now();
    await tabs[rank].crash();
    for (const each of [watcher, tabs[2]]) {
      await expect.poll(() => members(each, session)).toEqual([["user/ada", 2], ["user/grace", 1]]);
    }
    console.log(`  a killed ${role} was counted no more after ${Date.now() - killed} ms`);
    await expect.poll(async () => (await tabs[2].now()).tabs).toBe(2);
  });
}

test.describe("with a heartbeat of a second", () => {
  test.use({ serverWords: ["--heartbeat-ms", "1000"] });

  test("a device whose network goes silent is gone when the server gives it up", async ({ peer, device, session, network }) => {
    const watcher = await (await (await peer()).connect([session], { as: "user/grace" })).isReady();
    const lost = await (await (await peer(await device(), network.url)).connect([session], { as: "user/ada" })).isReady();
    await expect.poll(() => members(watcher, session)).toEqual([["user/ada", 1], ["user/grace", 1]]);
    network.hold(["up", "down"], { andNew: true });
    // A heartbeat, ten seconds for the answer, and the time for a tab to take over.
    await expect.poll(() => members(watcher, session)).toEqual([["user/grace", 1]]);
    network.release();
    await expect.poll(() => members(watcher, session)).toEqual([["user/ada", 1], ["user/grace", 1]]);
    await lost.sends(session, "Back");
  });
});
