// A page that serves an agent: what it loads, what it leaves behind, and that a cut costs nothing.

import { keepBooks, NOTHING } from "../support/books.js";
import { expect, test } from "../support/test.js";

/** Opens a page with the package and no script of its own, which connects as `as`. */
async function open(page, url, as) {
  await page.addInitScript(keepBooks);
  await page.goto(`${url}/healthz`);
  await page.evaluate(async (as) => {
    const { connect } = await import("/pkg/index.js");
    globalThis.client = connect(undefined, { as, outbox: "memory" });
  }, as);
  return page;
}

const texts = (page) => page.evaluate(() => session.transcript().messages.map(({ text, state }) => [text, state]));

/** Sends from a page, which shows the session. */
const send = (page, session, text) => page.evaluate(([id, text]) => {
  globalThis.session = client.session(id);
  return session.send(text);
}, [session, text]);

test("a page that serves answers people on other devices", async ({ page, device, server, session, complaints }) => {
  await open(page, server.url, "agent/page");
  await page.evaluate(() => {
    globalThis.serving = client.serve("assistant", async (run) => {
      const history = await run.history();
      for (const word of ["You", " said", `: ${run.input.text}`]) await run.write(word);
      return { messages: history.length };
    });
  });
  const person = await open(await (await device()).newPage(), server.url, "user/ann");
  await send(person, session, "hello");
  await expect.poll(() => texts(person)).toEqual([["hello", "sent"], ["You said: hello", "completed"]]);
  const end = (await server.events(session)).find(({ kind }) => kind === "run.ended");
  expect(end).toMatchObject({ outcome: "completed", data: { messages: 1 }, from: { kind: "agent", id: "page" } });
  expect(complaints).toEqual([]);
});

test("only a page that serves loads what that needs, and opens a connection for it", async ({ page, server, session, complaints }) => {
  const loaded = [];
  page.on("request", (request) => loaded.push(new URL(request.url()).pathname));
  await open(page, server.url, "agent/page");
  await page.evaluate(async (id) => {
    globalThis.session = client.session(id);
    await session.ready;
  }, session);
  expect(loaded).not.toContain("/pkg/agent.js");
  expect(await page.evaluate(() => socketsMade())).toBe(1);
  await page.evaluate(() => void (globalThis.serving = client.serve("assistant", () => {})));
  await expect.poll(() => page.evaluate(() => socketsMade())).toBe(2);
  expect(loaded).toContain("/pkg/agent.js");
  expect(complaints).toEqual([]);
});

test("who serves no more leaves nothing behind", async ({ page, server, session, complaints }) => {
  await open(page, server.url, "agent/page");
  await page.evaluate(async (id) => {
    const serving = client.serve("assistant", (run) => run.write("once"));
    globalThis.session = client.session(id);
    globalThis.stop = () => {
      serving[Symbol.dispose]();
      session.detach();
    };
  }, session);
  await server.append(session, "user/ann", { kind: "message", id: "m", role: "user", text: "go" });
  await expect.poll(() => texts(page)).toEqual([["go", "sent"], ["once", "completed"]]);
  await page.evaluate(() => stop());
  // The client's own connection stays.
  await expect.poll(async () => (await page.evaluate(() => left())).sockets).toBe(1);
  await page.evaluate(() => client.close());
  await expect.poll(() => page.evaluate(() => left())).toEqual(NOTHING);
  expect(complaints).toEqual([]);
});

test("a run goes on through cuts of its page's connection, and loses and doubles nothing", async ({ page, device, server, network, session, complaints }) => {
  await open(page, network.url, "agent/page");
  await page.evaluate(() => {
    globalThis.written = -1;
    globalThis.words = Array.from({ length: 60 }, (_, n) => `${n} `);
    client.serve("assistant", async (run) => {
      for (const [n, word] of words.entries()) {
        await run.write(word);
        globalThis.written = n;
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    });
  });
  const person = await open(await (await device()).newPage(), server.url, "user/ann");
  await send(person, session, "count");
  for (const place of [10, 30]) {
    await page.waitForFunction((place) => written >= place, place);
    network.cut();
  }
  const all = await page.evaluate(() => words.join(""));
  await expect.poll(() => texts(person)).toEqual([["count", "sent"], [all, "completed"]]);
  const starts = (await server.events(session)).filter(({ kind }) => kind === "run.started");
  expect(starts).toHaveLength(1);
  expect(complaints).toEqual([]);
});

test("a stop pressed elsewhere aborts the signal in the page", async ({ page, device, server, session, complaints }) => {
  await open(page, server.url, "agent/page");
  await page.evaluate(() => {
    client.serve("assistant", async (run) => {
      await run.write("working");
      await new Promise((resolve) => run.signal.addEventListener("abort", resolve));
      globalThis.reason = run.signal.reason.code;
    });
  });
  const person = await open(await (await device()).newPage(), server.url, "user/ann");
  await send(person, session, "go");
  await expect.poll(() => texts(person)).toEqual([["go", "sent"], ["working", "streaming"]]);
  const outcomes = await person.evaluate(async () => (await (await session.stop()).ended()).map(({ outcome }) => outcome));
  expect(outcomes).toEqual(["stopped"]);
  expect(await page.evaluate(() => reason)).toBe("run_stopped");
  expect(complaints).toEqual([]);
});
