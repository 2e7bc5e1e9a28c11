// What is sent stands on the page at once, and in the log once.

import { expect, test } from "../support/test.js";
import { FIGURES } from "../support/chat.js";
import { ofKind } from "../support/log.js";

/** More than an event may be: 256 KiB. */
const OVERLONG = "x".repeat(300 * 1024);

const withState = (chat, state) => chat.messages.and(chat.page.locator(`[data-state="${state}"]`));

test("a message whose way is blocked is shown as sending, and is delivered once", async ({ chat, network }) => {
  await chat.open({ url: network.url });
  network.hold(["up"]);
  await chat.send("Are you there?");
  await expect(chat.messages).toHaveText(["Are you there?"]);
  await expect(chat.messages).toHaveAttribute("data-state", "sending");
  await expect(chat.page.getByText("Sending…")).toBeVisible();
  expect(await chat.events()).toEqual([]);

  network.release();
  await expect(chat.messages).toHaveAttribute("data-state", "sent");
  expect(await chat.showsTheLog()).toHaveLength(1);
});

test("a message whose ack was lost with the connection is in the log once", async ({ chat, network }) => {
  await chat.open({ url: network.url });
  network.hold(["down"]);
  await chat.send("Did you get this?");
  await expect.poll(async () => (await chat.events()).length).toBe(1);
  await expect(chat.messages).toHaveAttribute("data-state", "sending");

  network.cut();
  await expect(chat.messages).toHaveAttribute("data-state", "sent");
  await chat.send("And this?");
  await expect(withState(chat, "sent")).toHaveCount(2);
  expect(await chat.showsTheLog()).toHaveLength(2);
});

test("messages written without a network keep their order and go out when it is back", async ({ chat }) => {
  await chat.open();
  await chat.page.getByTestId("cut").check();
  await expect(chat.status).toHaveText("waiting");
  const texts = ["One", "Two", "Three"];
  for (const text of texts) await chat.send(text);
  await expect(withState(chat, "sending")).toHaveText(texts);

  await chat.page.getByTestId("cut").uncheck();
  await expect(withState(chat, "sent")).toHaveText(texts);
  expect((await chat.showsTheLog()).map((event) => event.text)).toEqual(texts);
});

test("messages written while the server is away are answered when it is back", async ({ chat, agent, server }) => {
  await agent();
  await chat.open();
  await server.kill();
  await chat.send("Hello");
  await expect(chat.messages).toHaveAttribute("data-state", "sending");
  await server.restart();
  await chat.isState(0, "completed", 40_000);
  expect(ofKind(await chat.showsTheLog(), "message")).toHaveLength(1);
});

test("a message over the limit is refused, can be tried again and be discarded", async ({ chat }) => {
  await chat.open();
  await chat.send(OVERLONG);
  await expect(chat.messages).toHaveAttribute("data-state", "refused");
  await expect(chat.page.getByTestId("error")).toHaveText("This message is too long to be sent.");
  await chat.isLive();

  await chat.page.getByTestId("retry").click();
  await expect(chat.messages).toHaveAttribute("data-state", "refused");

  await chat.page.getByTestId("discard").click();
  await expect(chat.messages).toHaveCount(0);
  await expect(chat.page.getByTestId("error")).toHaveCount(0);
  expect(await chat.events()).toEqual([]);

  await chat.send("Shorter");
  await expect(chat.messages).toHaveAttribute("data-state", "sent");
  expect(await chat.showsTheLog()).toHaveLength(1);
});

test("an edit that was refused is the same edit when it is tried again", async ({ chat, page }) => {
  // The server is made to say no once: it would take this edit at any time.
  let refused;
  await page.routeWebSocket(/\/v1\/connect$/, (socket) => {
    const server = socket.connectToServer();
    socket.onMessage((text) => {
      const { type, request, events } = JSON.parse(text);
      if (type !== "publish" || !events[0].replaces || refused) return server.send(text);
      refused = events[0];
      const error = { type: "about:blank", title: "Not allowed", status: 403, detail: "Not now.", code: "forbidden", retryable: false, side_effects: "none" };
      socket.send(JSON.stringify({ type: "refused", request, error, index: 0 }));
    });
  });
  await chat.open();
  await chat.send("Price 49");
  await expect(chat.messages).toHaveAttribute("data-state", "sent");
  await page.getByTestId("edit").click();
  await chat.send("Price 59");
  await expect(chat.messages).toHaveText(["Price 49", "Price 59"]);
  await expect(page.getByTestId("error")).toHaveText("Not now.");

  await page.getByTestId("retry").click();
  await expect(chat.messages).toHaveText(["Price 59"]);
  await expect(chat.messages).toHaveAttribute("data-state", "sent");
  const [first, edit] = ofKind(await chat.events(), "message");
  expect(edit).toMatchObject(refused);
  expect(edit.replaces).toBe(first.id);
});

test("a message sent while an answer streams waits for its turn, and is answered", async ({ chat, agent }) => {
  await agent();
  await chat.open();
  await chat.send(FIGURES);
  await chat.isStreaming();
  await chat.send("Hello");
  await expect(chat.messages.and(chat.page.locator('[data-role="user"]')).nth(1)).toHaveAttribute("data-state", "sent");
  await expect(chat.answers).toHaveCount(1);
  await chat.isState(1, "completed", 40_000);
  const [first, second] = ofKind(await chat.showsTheLog(), "run.started");
  const ended = ofKind(await chat.events(), "run.ended", first.run)[0];
  expect(second.offset).toBeGreaterThan(ended.offset);
});
