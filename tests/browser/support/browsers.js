// Pages without the demo in them, and how many connections the server counts for them.

import { expect } from "@playwright/test";
import { Peer } from "./peer.js";
import { connections } from "./tail.js";
import { test as base } from "./test.js";

export { expect };

/** For so long a number that must not change is looked at: longer than any takeover. */
const STEADY_MS = 4_000;

export const test = base.extend({
  /** Opens a page of a context, the test's own if none is named, on the server or on what is at `url`. */
  peer: async ({ context, server, complaints }, use) => {
    await use(async (of = context, url = server.url) => new Peer(await of.newPage(), url).open());
    expect(complaints).toEqual([]);
  },

  /** Waits until the server counts `count` WebSockets. */
  hasConnections: async ({ server }, use) =>
    use((count) => expect.poll(() => connections(server), { message: "connections" }).toBe(count)),

  /** Looks for a while whether it goes on to count `count`. */
  keepsConnections: async ({ server }, use) =>
    use(async (count) => {
      const end = Date.now() + STEADY_MS;
      while (Date.now() < end) {
        expect(await connections(server), "connections").toBe(count);
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    }),
});

/** How many of them have each role. */
export async function roles(peers, name) {
  const counts = {};
  for (const peer of peers) {
    const role = await peer.role(name);
    counts[role] = (counts[role] ?? 0) + 1;
  }
  return counts;
}
