// The built package in a page of its own: what it leaves behind, and what may be called from where.

import { keepBooks, NOTHING } from "../support/books.js";
import { expect, test } from "../support/test.js";

test.beforeEach(async ({ page, server, complaints }) => {
  expect(complaints).toEqual([]);
  await page.addInitScript(keepBooks);
  // A page of the server's origin, and no script of its own.
  await page.goto(`${server.url}/healthz`);
  await page.evaluate(async () => (globalThis.connect = (await import("/pkg/index.js")).connect));
});

test("importing and connecting open nothing before the first session", async ({ page }) => {
  const left = await page.evaluate(async () => {
    const client = connect();
    client.subscribe(() => {});
    const left = await globalThis.left();
    client.close();
    return left;
  });
  expect(left).toEqual(NOTHING);
  expect(await page.evaluate(() => socketsMade())).toBe(0);
});

test("a closed client leaves no timer, listener or socket", async ({ page }) => {
  await page.evaluate(async () => {
    globalThis.client = connect();
    const session = client.session("a");
    session.subscribe(() => {});
    await session.ready;
    await session.send("Hello");
  });
  expect((await page.evaluate(() => left())).sockets).toBe(1);
  await page.evaluate(() => client.close());
  await expect.poll(() => page.evaluate(() => left())).toEqual(NOTHING);
  expect(await page.evaluate(() => client.status)).toBe("closed");
});

test("a client closed while it waits for its server leaves nothing and never connects", async ({ page, server }) => {
  await server.kill();
  await page.evaluate(async () => {
    globalThis.client = connect();
    globalThis.session = client.session("a");
    globalThis.sent = session.send("Hello").catch((error) => error.code);
  });
  await expect.poll(() => page.evaluate(() => client.status)).toBe("waiting");
  await page.evaluate(() => client.close());
  expect(await page.evaluate(() => sent)).toBe("closed");
  await expect.poll(() => page.evaluate(() => left())).toEqual(NOTHING);
  const made = await page.evaluate(() => socketsMade());

  await server.restart();
  await page.evaluate(() => {
    client.reconnect();
    dispatchEvent(new Event("online"));
    document.dispatchEvent(new Event("visibilitychange"));
  });
  expect(await page.evaluate(() => socketsMade())).toBe(made);
  expect(await server.events("a")).toEqual([]);
});

test("a client closed in the same turn leaves nothing", async ({ page }) => {
  await page.evaluate(() => {
    const client = connect();
    client.session("a").send("Hello").catch(() => {});
    client.close();
  });
  await expect.poll(() => page.evaluate(() => left())).toEqual(NOTHING);
});

test("fifty sessions share one socket, and as many clients leave nothing", async ({ page }) => {
  const made = await page.evaluate(async () => {
    const client = connect();
    const sessions = Array.from({ length: 50 }, (_, index) => client.session(`many-${index}`));
    await Promise.all(sessions.map((session) => session.ready));
    await Promise.all(sessions.map((session) => session.send("Hello")));
    for (const session of sessions) session.detach();
    client.close();
    const before = socketsMade();
    for (let round = 0; round < 50; round += 1) {
      const other = connect();
      await other.session("many-0").ready;
      other.close();
    }
    return before;
  });
  expect(made).toBe(1);
  await expect.poll(() => page.evaluate(() => left())).toEqual(NOTHING);
});

test("every call is allowed from within every callback", async ({ page, server }) => {
  await page.evaluate(async () => {
    const client = connect();
    const session = client.session("inner");
    const called = new Set();
    // Each callback sends, stops, follows, attaches and asks for the transcript, once.
    const meddle = (name) => () => {
      if (called.has(name)) return;
      called.add(name);
      session.send(`from ${name}`);
      session.stop().catch(() => {});
      session.publish("note", { name });
      session.on("event", () => session.transcript())();
      client.session(`inner-${name}`).detach();
      client.reconnect();
      client.subscribe(() => {})();
      session.transcript();
    };
    session.on("event", meddle("event"));
    session.on("status", meddle("session-status"));
    session.subscribe(meddle("session"));
    client.subscribe(meddle("client"));
    await session.ready;
    await session.send("first");
    // Some of them are stopped before anybody answers.
    const taken = () => session.transcript().messages.filter((message) => message.state !== "sending").length;
    while (taken() < 5) await new Promise(requestAnimationFrame);
    globalThis.called = [...called].sort();
    client.close();
  });
  expect(await page.evaluate(() => called)).toEqual(["client", "event", "session", "session-status"]);
  const events = await server.events("inner");
  expect(events.filter((event) => event.kind === "message").map((event) => event.text).sort()).toEqual(
    ["first", "from client", "from event", "from session", "from session-status"],
  );
  await expect.poll(() => page.evaluate(() => left())).toEqual(NOTHING);
});

for (const where of ["event", "status", "subscribe", "client"]) {
  test(`close() and detach() from within "${where}" end everything there`, async ({ page }) => {
    const after = await page.evaluate(async (where) => {
      const client = connect();
      const session = client.session("end");
      const end = () => {
        session.detach();
        client.close();
      };
      if (where === "subscribe") session.subscribe(end);
      else if (where === "client") client.subscribe(end);
      else session.on(where, end);
      // Its ack may come before its event, and the end before both.
      await session.send("Hello").catch(() => {});
      while (client.status !== "closed") await new Promise(requestAnimationFrame);
      return session.status;
    }, where);
    expect(after).toBe("closed");
    await expect.poll(() => page.evaluate(() => left())).toEqual(NOTHING);
  });
}

test("a listener that throws is reported and harms nobody else", async ({ page, complaints }) => {
  await page.evaluate(async () => {
    const client = connect();
    const session = client.session("throws");
    session.subscribe(() => {
      throw new Error("on purpose");
    });
    let heard = 0;
    session.on("event", () => {
      throw new Error("on purpose");
    });
    session.on("event", () => (heard += 1));
    await session.ready;
    await session.send("One");
    await session.send("Two");
    while (heard < 2) await new Promise(requestAnimationFrame);
    client.close();
  });
  await expect.poll(() => complaints.length).toBeGreaterThan(1);
  expect(complaints.filter((complaint) => !complaint.includes("on purpose"))).toEqual([]);
  complaints.length = 0;
});

test("a session left and opened again shows the whole log", async ({ page }) => {
  const texts = await page.evaluate(async () => {
    const client = connect();
    const first = client.session("again");
    await first.ready;
    for (const text of ["One", "Two", "Three"]) await first.send(text);
    first.detach();
    const second = client.session("again");
    await second.ready;
    const texts = second.transcript().messages.map((message) => message.text);
    client.close();
    return texts;
  });
  expect(texts).toEqual(["One", "Two", "Three"]);
});
