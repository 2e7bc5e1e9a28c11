// The demo page in several tabs: what it says about them, and that all show one conversation.

import { expect, test as base } from "../support/test.js";
import { Chat, FIGURES } from "../support/chat.js";
import { connections } from "../support/tail.js";

const test = base.extend({
  /** Opens another tab by the page's own link. */
  openFrom: async ({ context, server, session }, use) =>
    use(async (chat) => {
      const [page] = await Promise.all([
        context.waitForEvent("page"),
        chat.page.getByTestId("new-tab").click(),
      ]);
      const other = new Chat(page, server, session);
      await other.isLive();
      return other;
    }),
});

const shows = (chat, name) => expect(chat.page.getByTestId(name));

test("the link to a new tab opens the session there, and each tab says what it is", async ({ chat, openFrom, server }) => {
  await chat.open({ as: "Ada" });
  await shows(chat, "role").toHaveText("leader");
  await shows(chat, "tabs").toHaveText("1");
  await shows(chat, "news").toHaveText("This tab holds the connection.");
  const others = [];
  for (const tabs of [2, 3]) {
    const other = await openFrom(chat);
    expect(new URL(other.page.url()).search).toBe(new URL(chat.page.url()).search);
    await shows(other, "role").toHaveText("follower");
    await shows(other, "news").toHaveText("Another tab holds the connection.");
    await shows(chat, "news").toHaveText(`A tab was opened: ${tabs} share one connection.`);
    others.push(other);
  }
  for (const each of [chat, ...others]) {
    await shows(each, "tabs").toHaveText("3");
    await shows(each, "presence").toHaveText("Ada (you)3 tabs");
    expect(await each.page.evaluate(() => durableSessions.client.role)).toBe(
      await each.page.getByTestId("role").textContent(),
    );
  }
  expect(await connections(server)).toBe(1);
});

test("a message's text is the same in every tab, whichever sent it, while an answer streams", async ({ chat, openFrom, agent }) => {
  await agent();
  await chat.open();
  const others = [await openFrom(chat), await openFrom(chat)];
  await others[0].send(FIGURES);
  for (const each of [chat, ...others]) await each.isStreaming();
  await others[1].send("Hello");
  for (const each of [chat, ...others]) {
    await each.isState(0, "completed", 40_000);
    await each.isState(1, "completed", 40_000);
    await each.showsTheLog();
  }
});

test("a tab that takes over says so, and how long it took", async ({ chat, openFrom, agent }) => {
  await agent();
  await chat.open();
  const other = await openFrom(chat);
  await chat.send(FIGURES);
  await other.isStreaming();
  await chat.page.close();
  await shows(other, "role").toHaveText("leader");
  await shows(other, "news").toHaveText(/^This tab took over the connection in \d+ ms\.$/);
  console.log(`  ${await other.page.getByTestId("news").textContent()}`);
  await shows(other, "tabs").toHaveText("1");
  await other.isState(0, "completed", 40_000);
  await other.showsTheLog();
});

test("a stop pressed in a follower ends the answer in every tab", async ({ chat, openFrom, agent }) => {
  await agent();
  await chat.open();
  const other = await openFrom(chat);
  await chat.send(FIGURES);
  await other.isStreaming();
  await other.stop.click();
  for (const each of [chat, other]) {
    await each.isState(0, "stopped");
    await each.showsTheLog();
  }
});

test("who comes and goes on other devices is said and shown", async ({ chat, newChat, device }) => {
  await chat.open({ as: "Ada" });
  const context = await device();
  const grace = await (await newChat(context)).open({ as: "Grace" });
  await shows(chat, "presence").toHaveText("Ada (you)1 tabGrace1 tab");
  await shows(grace, "presence").toHaveText("Grace (you)1 tabAda1 tab");
  const second = await (await newChat(context)).open({ as: "Ada" });
  await shows(chat, "presence").toHaveText(/Ada \(you\)1 \+ 1 tabs, 2 devices/);
  await second.page.close();
  await shows(chat, "presence").toHaveText("Ada (you)1 tabGrace1 tab");
  await context.close();
  await shows(chat, "presence").toHaveText("Ada (you)1 tab");
  await shows(chat, "news").toHaveText("Grace left.");
});

for (const [role, rank] of [["leader", 0], ["follower", 1]]) {
  test(`a ${role} whose network is cut is alone with that, and joins the others again`, async ({ chat, openFrom, agent, server }) => {
    await agent();
    await chat.open();
    const tabs = [chat, await openFrom(chat)];
    await chat.send(FIGURES);
    for (const each of tabs) await each.isStreaming();
    const [cut, other] = [tabs[rank], tabs[1 - rank]];
    await shows(cut, "role").toHaveText(role);
    await cut.page.getByTestId("cut").check();
    await expect(cut.status).toHaveText("waiting");
    await shows(other, "role").toHaveText("leader");
    await other.isState(0, "completed", 40_000);
    await other.showsTheLog();
    expect(Number(await cut.page.getByTestId("offset").textContent())).toBeLessThan((await cut.events()).length);

    await cut.page.getByTestId("cut").uncheck();
    for (const each of tabs) await each.isState(0, "completed");
    for (const each of tabs) await each.showsTheLog();
    const roles = () => Promise.all(tabs.map((each) => each.page.getByTestId("role").textContent()));
    await expect.poll(async () => (await roles()).sort()).toEqual(["follower", "leader"]);
    // The tabs have one, and each of the five agents its own.
    await expect.poll(() => connections(server)).toBe(6);
  });
}

test("a narrow page has room for whoever is here", async ({ chat, openFrom, newChat, device, page }) => {
  await page.setViewportSize({ width: 360, height: 640 });
  await chat.open({ as: "A".repeat(60) });
  await openFrom(chat);
  const context = await device();
  for (const name of ["Grace Brewster Murray Hopper", "Alan", "Edsger", "Barbara"]) {
    await (await newChat(context)).open({ as: name });
  }
  await expect(page.locator(".person")).toHaveCount(5);
  expect(await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)).toBe(0);
  for (const name of ["role", "tabs", "news", "new-tab", "cut", "composer"]) {
    await expect(page.getByTestId(name)).toBeInViewport({ ratio: 1 });
  }
});

test("those who come or leave at once are told in one line", async ({ chat, page }) => {
  await chat.open();
  const told = await page.evaluate(async () => {
    const { createNews } = await import("/page/news.js");
    const element = document.createElement("p");
    const session = { status: "live", presence: [], on: () => {} };
    const nameOf = ({ id }) => id;
    const news = createNews({ element, client: { role: "solo", tabs: 1 }, session, isSelf: ({ id }) => id === "ada", nameOf });
    const words = [];
    const here = (...ids) => {
      session.presence = ids.map((id) => ({ from: { kind: "user", id }, tabs: 1 }));
      news.show();
      words.push(element.textContent);
    };
    here("ada");
    here("ada", "bob");
    here("ada", "bob", "cid", "dan", "eve");
    here("ada", "bob", "bob", "cid", "dan", "eve");
    here("ada", "bob", "cid", "dan", "eve");
    here("ada");
    return words.slice(1);
  });
  expect(told).toEqual([
    "bob is here.", "cid, dan and eve are here.", "bob came with another device.", "bob left with one device.",
    "bob, cid and 2 more left.",
  ]);
});
