// What was sent is kept until it is answered, whatever becomes of its tab, and is in the log once.

import { expect, test } from "../support/browsers.js";
import { ofKind, outcome } from "../support/log.js";

const SENDS = 8;

/** Sends texts in one task. To run in a page. */
function sendAll([session, texts]) {
  for (const text of texts) peers.main.sessions[session].send(text).catch(() => {});
}

/** How many acts the browser has stored for the page's origin. */
function stored(peer) {
  return peer.frame.evaluate(async () => {
    const names = (await indexedDB.databases()).map(({ name }) => name);
    if (!names.includes("durable-sessions")) return 0;
    const ended = (request) => new Promise((resolve, reject) => {
      request.onsuccess = () => resolve(request.result);
      request.onerror = () => reject(request.error);
    });
    const database = await ended(indexedDB.open("durable-sessions"));
    let count = 0;
    for (const name of database.objectStoreNames) {
      count += await ended(database.transaction(name).objectStore(name).count());
    }
    database.close();
    return count;
  });
}

/**
 * Waits until the client has its database: what is sent before is kept from then on. Whoever opens it behind
 * the client, once it is there, gets it after the client.
 */
async function keeping(peer) {
  await expect.poll(() => peer.frame.evaluate(async () => (await indexedDB.databases()).length)).toBe(1);
  await stored(peer);
  return peer;
}

const texts = async (server, session) => (await server.events(session)).map(({ text }) => text);

test("a message sent just before its only tab is killed is there after reopening, once", async ({ peer, server, session }) => {
  for (let round = 0; round < SENDS; round += 1) {
    const tab = await keeping(await (await (await peer()).connect([session])).isReady());
    await tab.crashAfter(sendAll, [session, [`${round}`]]);
  }
  const tab = await (await (await peer()).connect([session])).isReady();
  const all = Array.from({ length: SENDS }, (_, round) => `${round}`);
  await tab.has(session, all);
  await expect.poll(() => texts(server, session)).toEqual(all);
  await expect.poll(() => stored(tab)).toBe(0);
});

test("messages that never left their tab before it was killed are delivered after reopening, in order and once", async ({ peer, server, session, network }) => {
  const all = Array.from({ length: SENDS }, (_, index) => `${index}`);
  const first = await keeping(await (await (await peer(undefined, network.url)).connect([session])).isReady());
  network.hold(["up"]);
  await first.crashAfter(sendAll, [session, all]);
  network.cut();
  network.release();
  expect(await texts(server, session)).toEqual([]);

  const second = await (await (await peer(undefined, network.url)).connect([session])).isReady();
  await second.has(session, all);
  await expect.poll(() => texts(server, session)).toEqual(all);
  await expect.poll(() => stored(second)).toBe(0);

  // And no later page sends them again.
  await second.page.close();
  const third = await (await (await peer(undefined, network.url)).connect([session])).isReady();
  await third.sends(session, "last");
  expect(await texts(server, session)).toEqual([...all, "last"]);
});

test("a message left behind is sent by a page that was opened without a network, when that is back", async ({ peer, server, session, network }) => {
  const second = await peer(undefined, network.url);
  // While the network is well it loads what it needs.
  await second.frame.evaluate(() => import("/pkg/index.js"));
  const first = await keeping(await (await (await peer(undefined, network.url)).connect([session])).isReady());
  network.hold(["up"], { andNew: true });
  await first.crashAfter(sendAll, [session, ["Wait for me"]]);
  await second.connect([session]);
  const shown = async () => (await second.transcript(session)).messages.map(({ text, state }) => [text, state]);
  await expect.poll(async () => (await second.now()).role).toBe("leader");
  expect(await texts(server, session)).toEqual([]);
  network.release();
  await expect.poll(shown).toEqual([["Wait for me", "sent"]]);
});

test("a message whose ack died with its tab is in the log once", async ({ peer, server, session, network }) => {
  const first = await keeping(await (await (await peer(undefined, network.url)).connect([session])).isReady());
  network.hold(["down"]);
  await first.send(session, "Heard, and not answered");
  await expect.poll(() => texts(server, session)).toEqual(["Heard, and not answered"]);
  await first.crash();
  network.cut();
  network.release();
  const second = await (await (await peer(undefined, network.url)).connect([session])).isReady();
  await expect.poll(() => stored(second)).toBe(0);
  await second.sends(session, "Next");
  expect(await texts(server, session)).toEqual(["Heard, and not answered", "Next"]);
});

test("a stop pressed just before its only tab is killed stops the run after reopening", async ({ peer, server, session, network, agent }) => {
  await agent("counting-agent", { words: ["--numbers", "100000", "--pace-ms", "20"] });
  const first = await keeping(await (await (await peer(undefined, network.url)).connect([session])).isReady());
  await first.sends(session, "Count");
  await expect.poll(async () => (await first.transcript(session)).active.length).toBe(1);
  network.hold(["up"]);
  await first.crashAfter((session) => void peers.main.sessions[session].stop().catch(() => {}), session);
  network.cut();
  network.release();
  const [{ run }] = ofKind(await server.events(session), "run.started");
  expect(outcome(await server.events(session), run)).toBeUndefined();

  await (await (await peer(undefined, network.url)).connect([session])).isReady();
  await expect.poll(async () => outcome(await server.events(session), run)).toBe("stopped");
  expect(ofKind(await server.events(session), "stop.requested")).toHaveLength(1);
});

test("a message of a follower that is killed is sent by a tab that is left", async ({ peer, server, session, network }) => {
  const tabs = [];
  for (let tab = 0; tab < 3; tab += 1) {
    tabs.push(await keeping(await (await (await peer(undefined, network.url)).connect([session])).isReady()));
  }
  network.hold(["up"]);
  await tabs[1].crashAfter(sendAll, [session, ["Said by the dead"]]);
  network.cut();
  network.release();
  for (const tab of [tabs[0], tabs[2]]) await tab.has(session, ["Said by the dead"]);
  await expect.poll(() => texts(server, session)).toEqual(["Said by the dead"]);
  await expect.poll(() => stored(tabs[0])).toBe(0);
});

test("messages of another principal wait for that principal", async ({ peer, server, session, network }) => {
  const url = network.url;
  const first = await keeping(await (await (await peer(undefined, url)).connect([session], { as: "user/ada" })).isReady());
  network.hold(["up"]);
  await first.crashAfter(sendAll, [session, ["By Ada"]]);
  network.cut();
  network.release();
  const grace = await (await (await peer(undefined, url)).connect([session], { as: "user/grace" })).isReady();
  await grace.sends(session, "By Grace");
  expect(await texts(server, session)).toEqual(["By Grace"]);
  const ada = await (await (await peer(undefined, url)).connect([session], { as: "user/ada" })).isReady();
  await ada.has(session, ["By Grace", "By Ada"]);
  await expect.poll(async () => (await server.events(session)).map(({ from }) => from.id)).toEqual(["grace", "ada"]);
});

test("with an outbox in memory nothing is stored, and nothing outlives its tab", async ({ peer, server, session, network }) => {
  const options = { outbox: "memory" };
  const first = await (await (await peer(undefined, network.url)).connect([session], options)).isReady();
  network.hold(["up"]);
  await first.send(session, "In memory alone");
  await first.has(session, ["In memory alone"]);
  expect(await stored(first)).toBe(0);
  expect(await first.frame.evaluate(async () => (await indexedDB.databases()).length)).toBe(0);
  await first.crash();
  network.cut();
  network.release();
  const second = await (await (await peer(undefined, network.url)).connect([session])).isReady();
  await second.sends(session, "After it");
  expect(await texts(server, session)).toEqual(["After it"]);
});

test("who signs out leaves nothing stored", async ({ peer, server, session, network }) => {
  const tab = await (await (await peer(undefined, network.url)).connect([session], { as: "user/ada" })).isReady();
  network.hold(["up"]);
  await tab.send(session, "Forget me");
  await expect.poll(() => stored(tab)).toBe(1);
  await tab.close({ forget: true });
  await expect.poll(() => stored(tab)).toBe(0);
  network.cut();
  network.release();
  await tab.connect([session], { as: "user/ada" });
  await (await tab.isReady()).sends(session, "Here again");
  expect(await texts(server, session)).toEqual(["Here again"]);
});
