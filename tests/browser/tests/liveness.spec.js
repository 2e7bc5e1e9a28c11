// Connections that die without a word.

import { expect, test } from "../support/test.js";
import { FIGURES } from "../support/chat.js";
import { outcome } from "../support/log.js";

/** The page gives a server that promises a sign every second ten more. */
const HEARTBEAT = ["--heartbeat-ms", "1000"];
const SILENCE_TIMEOUT_MS = 20_000;
/** A page that looks again gives its server 2 s. Well below the silence that it bears otherwise, 25 s. */
const PROBE_TIMEOUT_MS = 6_000;
/** An attempt may take 8 s. */
const CONNECT_TIMEOUT_MS = 15_000;

test.describe("with a heartbeat of a second", () => {
  test.use({ serverWords: HEARTBEAT });

  test("a connection that falls silent is replaced, and nothing is lost", async ({ chat, agent, network }) => {
    await agent();
    await chat.open({ url: network.url });
    await chat.send(FIGURES);
    await chat.isStreaming();
    // The first retry comes at once: too quick to be seen on the page.
    const replacement = chat.page.waitForEvent("websocket", { timeout: SILENCE_TIMEOUT_MS });
    network.hold(["up", "down"]);
    await replacement;
    await chat.isState(0, "completed", 40_000);
    await chat.showsTheLog();
  });

  test("a browser whose socket stalls offline says so and keeps what is sent", async ({ chat, agent, context }) => {
    await agent();
    await chat.open();
    await chat.send(FIGURES);
    await chat.isStreaming();
    await context.setOffline(true);
    await expect(chat.status).toHaveText("offline", { timeout: SILENCE_TIMEOUT_MS });
    await chat.send("Hello");
    await expect(chat.messages.last()).toHaveAttribute("data-state", "sending");

    await context.setOffline(false);
    await chat.isLive();
    await chat.isState(1, "completed", 40_000);
    await chat.showsTheLog();
  });

  test("an agent whose connection falls silent goes on with its run", async ({ chat, agent, network }) => {
    await agent(undefined, { url: network.url });
    await chat.open();
    await chat.send(FIGURES);
    const run = await chat.isStreaming();
    network.hold(["up", "down"]);
    await chat.isState(0, "completed", 40_000);
    expect(outcome(await chat.showsTheLog(), run)).toBe("completed");
  });
});

for (const event of ["visibilitychange", "pageshow", "online", "resume"]) {
  test(`a page that learns of "${event}" asks its server, and replaces a dead connection`, async ({ chat, network }) => {
    await chat.open({ url: network.url });
    await chat.server.append(chat.session, "user/else", { kind: "message", id: "m1", role: "user", text: "One" });
    await expect(chat.messages).toHaveText(["One"]);
    network.hold(["up", "down"]);
    await chat.server.append(chat.session, "user/else", { kind: "message", id: "m2", role: "user", text: "Two" });

    await chat.page.evaluate((event) => {
      const target = ["visibilitychange", "resume"].includes(event) ? document : window;
      target.dispatchEvent(new Event(event));
    }, event);
    await expect(chat.messages).toHaveText(["One", "Two"], { timeout: PROBE_TIMEOUT_MS });
    await chat.showsTheLog();
  });
}

test("a page that learns of these while its connection is well keeps it", async ({ chat }) => {
  const sockets = [];
  chat.page.on("websocket", (socket) => sockets.push(socket));
  await chat.open();
  for (let round = 0; round < 3; round += 1) {
    const answer = sockets[0].waitForEvent("framereceived", (frame) => frame.payload.includes('"pong"'));
    await chat.page.evaluate(() => document.dispatchEvent(new Event("visibilitychange")));
    await answer;
  }
  await chat.isLive();
  expect(sockets).toHaveLength(1);
});

test("a server that takes connections and says nothing is waited for", async ({ chat, network }) => {
  await chat.open({ url: network.url });
  network.hold(["up", "down"], { andNew: true });
  network.cut();
  await expect(chat.status).toHaveText("waiting", { timeout: CONNECT_TIMEOUT_MS });
  await chat.send("Hello");
  network.release();
  await chat.isLive(CONNECT_TIMEOUT_MS);
  await expect(chat.messages).toHaveAttribute("data-state", "sent");
  await chat.showsTheLog();
});
