// Pages in a frame of another site, to which the browser gives storage, locks and channels for that site alone.

import { expect, roles } from "../support/browsers.js";
import { tabAndFrames, test } from "../support/embedder.js";

// The driver switches the partition off. Said anew, its list of what to switch off is replaced.
test.use({
  launchOptions: async ({ launchOptions }, use) =>
    use({ ...launchOptions, args: [...launchOptions.args, "--disable-features=Translate"] }),
});

test("frames of a site share a connection, and not with the tabs of what they show", async ({ context, server, session, peer, embedded, hasConnections, keepsConnections }) => {
  const [tab, ...frames] = await tabAndFrames({ context, server, session, peer, embedded });
  await hasConnections(2);
  expect(await tab.role()).toBe("leader");
  expect(await roles(frames)).toEqual({ leader: 1, follower: 1 });
  await expect.poll(async () => (await tab.now()).tabs).toBe(1);
  for (const frame of frames) await expect.poll(async () => (await frame.now()).tabs).toBe(2);
  await keepsConnections(2);
});
