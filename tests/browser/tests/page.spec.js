// The page for those who look at it, type on it and read its code.

import { expect, test } from "../support/test.js";
import { FIGURES } from "../support/chat.js";

/** Few controls stand between the message box and a stop button. */
const TAB_MAX_PRESSES = 5;

test("everything is done by keyboard: write, send, stop, and write again", async ({ chat, agent, page }) => {
  await agent();
  await chat.open();
  await expect(chat.composer).toBeFocused();
  await page.keyboard.type("First line");
  await page.keyboard.press("Shift+Enter");
  await page.keyboard.type(FIGURES);
  await page.keyboard.press("Enter");
  await expect(chat.composer).toHaveValue("");
  await expect(chat.messages.first()).toHaveText(`First line\n${FIGURES}`, { useInnerText: true });

  await chat.isStreaming();
  const isOnStop = () => chat.stop.evaluate((stop) => stop === document.activeElement);
  for (let presses = 0; presses < TAB_MAX_PRESSES && !(await isOnStop()); presses += 1) {
    await page.keyboard.press("Shift+Tab");
  }
  await expect(chat.stop).toBeFocused();
  await page.keyboard.press("Enter");
  await chat.isState(0, "stopped");
  await expect(chat.composer).toBeFocused();
  await chat.showsTheLog();
});

test("a narrow page has no sideways scroll, whatever is in it", async ({ chat, agent, page }) => {
  await page.setViewportSize({ width: 360, height: 640 });
  await agent();
  await chat.open();
  const overflow = () =>
    page.evaluate(() =>
      [document.documentElement, document.querySelector("#scroller")].map((box) => box.scrollWidth - box.clientWidth),
    );
  expect(await overflow()).toEqual([0, 0]);
  await chat.send("w".repeat(400));
  await chat.send(FIGURES);
  await chat.isStreaming(1);
  expect(await overflow()).toEqual([0, 0]);
  await chat.page.getByTestId("cut").check();
  await expect(chat.status).toHaveText("waiting");
  expect(await overflow()).toEqual([0, 0]);
  await chat.page.getByTestId("cut").uncheck();
  await chat.isState(1, "completed", 40_000);
  expect(await overflow()).toEqual([0, 0]);
  for (const control of ["composer", "send", "cut", "status", "offset"]) {
    await expect(page.getByTestId(control)).toBeInViewport({ ratio: 1 });
  }
});

test("any text is shown as it was written, and none is taken for markup", async ({ chat, page }) => {
  const texts = [
    "<img src=x onerror=alert(1)><script>alert(1)</script> &amp; <b>bold</b>",
    "| a | b |\n|---|---|\n| 1 | 2 |\nafter | it",
    "- one\n- two\n\n\n  indented\ttabbed",
    "👩‍👩‍👧‍👦 e\u0301 שלום مرحبا \u202Eright to left\u202C \u0001\u0007\u007F \u2028 \uFFFD",
    "x".repeat(50_000),
  ];
  await chat.open();
  for (const text of texts) await page.evaluate((text) => durableSessions.session.send(text), text);
  const events = await chat.showsTheLog();
  expect(events.map((event) => event.text)).toEqual(texts);
  await expect(page.locator("#timeline").locator("img, script, b")).toHaveCount(0);
});

test("the page keeps to its policy, and says nothing on the console", async ({ page, server, session, agent }) => {
  const said = [];
  page.on("console", (message) => said.push(message.text()));
  page.on("pageerror", (error) => said.push(String(error)));
  await page.addInitScript(() => {
    addEventListener("securitypolicyviolation", (event) => console.error(`forbidden: ${event.violatedDirective}`));
  });
  await agent();
  const response = await page.goto(`${server.url}/?session=${session}`);
  const policy = response.headers()["content-security-policy"];
  expect(policy).toContain("default-src 'none'");
  expect(policy.match(/'[^']*unsafe[^']*'/g)).toEqual(["'wasm-unsafe-eval'"]);
  await page.getByTestId("composer").fill("Hello");
  await page.getByTestId("send").click();
  await expect(page.locator('[data-role="assistant"]')).toHaveAttribute("data-state", "completed", { timeout: 40_000 });
  expect(said).toEqual([]);

  await page.evaluate(() => {
    const script = document.createElement("script");
    script.textContent = "globalThis.wasRun = true";
    document.head.append(script);
  });
  expect(await page.evaluate(() => globalThis.wasRun)).toBeUndefined();
  expect(said.join()).toContain("forbidden: script-src");
});

test("a page without a session begins a new one, which its address names", async ({ page, server, complaints }) => {
  expect(complaints).toEqual([]);
  const ids = [];
  for (let visit = 0; visit < 2; visit += 1) {
    await page.goto(server.url);
    await expect(page.getByTestId("status")).toHaveText("live");
    await expect(page.getByTestId("empty")).toBeVisible();
    ids.push(new URL(page.url()).searchParams.get("session"));
  }
  expect(ids[0]).toMatch(/^[A-Za-z0-9._~-]{16,128}$/);
  expect(ids[1]).not.toBe(ids[0]);

  await page.goto(`${server.url}/?session=not%20an%20id`);
  await expect(page.getByTestId("error")).toContainText("new session");
  await expect(page.getByTestId("status")).toHaveText("live");
});

test("an example fills the message box and waits to be sent", async ({ chat, page }) => {
  await chat.open();
  const example = page.getByTestId("empty").getByRole("button").first();
  const text = await example.textContent();
  await example.click();
  await expect(chat.composer).toHaveValue(text);
  await expect(chat.composer).toBeFocused();
  expect(await chat.events()).toEqual([]);
});

test("what was typed is kept through faults and answers", async ({ chat, agent, server }) => {
  await agent();
  await chat.open();
  await chat.send("Hello");
  await chat.composer.pressSequentially("half a thought");
  await server.kill();
  await server.restart();
  await chat.isState(0, "completed", 40_000);
  await expect(chat.composer).toHaveValue("half a thought");
  await chat.showsTheLog();
});

test("the page says who it is for, and what the connection is doing", async ({ chat, page, network }) => {
  await chat.open({ url: network.url, as: "Ada Lovelace" });
  await expect(page.getByTestId("role")).toHaveText("leader");
  await chat.send("Hello");
  await expect(chat.messages).toHaveAttribute("data-state", "sent");
  expect((await chat.showsTheLog())[0].from).toEqual({ kind: "user", id: "Ada Lovelace" });

  await page.getByTestId("cut").check();
  await expect(page.locator("#link")).toContainText("The network is cut on this page");
  await page.getByTestId("cut").uncheck();
  await chat.isLive();
  await expect(page.locator("#link")).toBeHidden();
});

test("a page whose server is away waits, and tries at once when told to", async ({ chat, page, network, server }, testInfo) => {
  testInfo.setTimeout(120_000);
  await chat.open({ url: network.url });
  await server.kill();
  await expect(chat.status).toHaveText("waiting");
  // It would wait longer by itself than the attempt is waited for.
  await expect(page.locator("#link")).toContainText(/cannot be reached.*in ([6-9]|1\d|20) s/, { timeout: 40_000 });
  const attempt = page.waitForEvent("websocket", { timeout: 5_000 });
  await page.locator("#link-retry").click();
  await attempt;
  await server.restart();
  await page.evaluate(() => dispatchEvent(new Event("online")));
  await chat.isLive(40_000);
  await expect(page.locator("#link")).toBeHidden();
});
