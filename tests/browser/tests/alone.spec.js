// Where a browser lacks what sharing takes, every tab has a connection of its own, and nothing else is worse.

import { expect, roles } from "../support/browsers.js";
import { tabAndFrames, test } from "../support/embedder.js";

const TABS = 3;

/** What a browser may lack. Each runs in the page before any script of it, and in the blank one before that. */
const LACKS = {
  "without Web Locks": () => Object.defineProperty(Navigator.prototype, "locks", { get: () => undefined }),
  "without BroadcastChannel": () => delete globalThis.BroadcastChannel,
  "with a BroadcastChannel that throws": () => {
    globalThis.BroadcastChannel = class {
      constructor() {
        throw new DOMException("The operation is insecure.", "SecurityError");
      }
    };
  },
  "with Web Locks that throw": () => {
    if (!navigator.locks) return;
    LockManager.prototype.request = () => {
      throw new DOMException("The operation is insecure.", "SecurityError");
    };
  },
  "with Web Locks that refuse": () => {
    if (!navigator.locks) return;
    LockManager.prototype.request = () => Promise.reject(new DOMException("Access is denied.", "SecurityError"));
  },
  "with a localStorage that throws": () => {
    Object.defineProperty(globalThis, "localStorage", {
      get() {
        throw new DOMException("Access is denied.", "SecurityError");
      },
    });
  },
  "with a localStorage that keeps nothing": () => {
    Storage.prototype.setItem = () => {
      throw new DOMException("It is full.", "QuotaExceededError");
    };
  },
  "without crypto.subtle": () => Object.defineProperty(Crypto.prototype, "subtle", { get: () => undefined }),
};

for (const [what, lack] of Object.entries(LACKS)) {
  test(`tabs ${what} work alone, and none relays`, async ({ context, peer, session, hasConnections, keepsConnections }) => {
    await context.addInitScript(lack);
    await context.addInitScript(countPosts);
    const peers = [];
    for (let tab = 0; tab < TABS; tab += 1) peers.push(await (await (await peer()).connect([session])).isReady());
    await hasConnections(TABS);
    const texts = [];
    for (const [index, each] of peers.entries()) {
      texts.push(`from ${index}`);
      await each.sends(session, texts.at(-1));
    }
    for (const each of peers) {
      await each.has(session, texts);
      expect(await each.now()).toMatchObject({ status: "live", role: "solo", tabs: 1 });
      expect(await each.frame.evaluate(() => posts), "messages to other tabs").toBe(0);
    }
    await keepsConnections(TABS);
  });
}

test("a tab that shall be alone is, and those beside it share", async ({ peer, session, hasConnections, keepsConnections }) => {
  const alone = await (await (await peer()).connect([session], { tabs: "solo" })).isReady();
  const shared = [];
  for (let tab = 0; tab < 2; tab += 1) shared.push(await (await (await peer()).connect([session])).isReady());
  await hasConnections(2);
  expect(await alone.role()).toBe("solo");
  expect(await roles(shared)).toEqual({ leader: 1, follower: 1 });
  await alone.sends(session, "One");
  await shared[1].sends(session, "Two");
  for (const each of [alone, ...shared]) await each.has(session, ["One", "Two"]);
  await keepsConnections(2);
});

test("a browser without IndexedDB shares the connection and sends from memory", async ({ context, peer, session, hasConnections }) => {
  await context.addInitScript(() => {
    Object.defineProperty(globalThis, "indexedDB", {
      get() {
        throw new DOMException("Access is denied.", "SecurityError");
      },
    });
  });
  const peers = [];
  for (let tab = 0; tab < 2; tab += 1) peers.push(await (await (await peer()).connect([session])).isReady());
  for (const [index, each] of peers.entries()) await each.sends(session, `from ${index}`);
  for (const each of peers) await each.has(session, ["from 0", "from 1"]);
  expect(await roles(peers)).toEqual({ leader: 1, follower: 1 });
  await hasConnections(1);
});

test("frames of another site, which may store nothing, work alone", async ({ context, server, session, peer, embedded, hasConnections, keepsConnections }) => {
  const [tab, ...frames] = await tabAndFrames({ context, server, session, peer, embedded });
  for (const frame of frames) {
    const refused = await frame.frame.evaluate(() => {
      try {
        return localStorage.length;
      } catch (error) {
        return error.name;
      }
    });
    expect(refused).toBe("SecurityError");
  }
  await hasConnections(3);
  expect(await roles([tab, ...frames])).toEqual({ leader: 1, solo: 2 });
  await keepsConnections(3);
});

/** Runs in the page: counts what it says to other tabs. */
function countPosts() {
  globalThis.posts = 0;
  if (typeof BroadcastChannel !== "function") return;
  const { postMessage } = BroadcastChannel.prototype;
  BroadcastChannel.prototype.postMessage = function (message) {
    globalThis.posts += 1;
    return postMessage?.call(this, message);
  };
}
