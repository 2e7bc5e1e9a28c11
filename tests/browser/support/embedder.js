// Sites of their own that show a page of the server in a frame.

import { once } from "node:events";
import { createServer } from "node:http";
import { test as base } from "./browsers.js";
import { Peer } from "./peer.js";

/** The names of this machine, which to a browser are two sites. */
const OTHER_NAME = { "127.0.0.1": "localhost", localhost: "127.0.0.1" };

/** The same address by the machine's other name: another site. */
export function otherSite(url) {
  const other = new URL(url);
  other.hostname = OTHER_NAME[other.hostname];
  return other.origin;
}

export const test = base.extend({
  /** Opens a page of another site that shows the server's in a frame, and gives that frame. */
  embedded: async ({ context, server }, use) => {
    const origin = otherSite(server.url);
    const site = createServer((_, response) => {
      response.setHeader("Content-Type", "text/html");
      response.end(`<!doctype html><iframe src="${origin}/healthz"></iframe>`);
    });
    site.listen(0, "127.0.0.1");
    await once(site, "listening");
    await use(async () => {
      const page = await context.newPage();
      await page.goto(`http://127.0.0.1:${site.address().port}`);
      const frame = page.frames().find((frame) => frame !== page.mainFrame());
      await frame.waitForURL(`${origin}/healthz`);
      return new Peer(frame, origin);
    });
    site.closeAllConnections();
    site.close();
  },
});

/** A tab and two frames of one site on a session, all of which have heard the others. */
export async function tabAndFrames({ peer, embedded, context, server, session }) {
  const made = [await peer(context, otherSite(server.url)), await embedded(), await embedded()];
  const texts = made.map((_, index) => `from ${index}`);
  for (const each of made) await (await each.connect([session])).isReady();
  for (const [index, each] of made.entries()) await each.sends(session, texts[index]);
  for (const each of made) await each.has(session, texts);
  return made;
}
