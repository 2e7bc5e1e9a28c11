// Clients of one browser that share a connection: Node's BroadcastChannel, a server of the test's own.
import assert from "node:assert/strict";
import { IDBFactory } from "fake-indexeddb";
import { test } from "node:test";
import { browser } from "./browser.mjs";
import { connect } from "./package.mjs";
import { fakeServer, until } from "./server.mjs";

/** A browser with a server; `open` makes clients of it. */
function start(t, ...without) {
  const { locks } = browser(t, ...without);
  if (!without.includes("indexedDB")) globalThis.indexedDB = new IDBFactory();
  const server = fakeServer();
  const open = (options = {}) => {
    const client = connect("http://127.0.0.1:1", { WebSocket: server.WebSocket, as: "user/ann", ...options });
    t.after(() => client.close());
    return client;
  };
  const live = async (options) => {
    const client = open(options);
    const session = client.session("s");
    await session.ready;
    return { client, session };
  };
  const openSockets = () => server.sockets.filter((socket) => !socket.isClosed).length;
  return { server, locks, open, live, openSockets };
}

const texts = (session) => session.transcript().messages.map((message) => message.text);
const token = (claims) => `h.${Buffer.from(JSON.stringify(claims)).toString("base64url")}.s`;

test("two clients share a connection, and what one sends both show", async (t) => {
  const { server, live, openSockets } = start(t);
  const one = await live();
  const two = await live();
  assert.deepEqual([one.client.role, two.client.role], ["leader", "follower"]);
  assert.equal(server.sockets.length, 1);
  assert.match(server.socket.sent[0].group, /^[0-9a-f]{32}$/);
  await two.session.send("from the follower");
  await one.session.send("from the leader");
  await until(() => texts(one.session).length === 2 && texts(two.session).length === 2);
  assert.deepEqual(texts(two.session), texts(one.session));
  // Both are of one page.
  assert.deepEqual([one.client.tabs, two.client.tabs], [1, 1]);
  assert.equal(openSockets(), 1);
});

test("the follower goes on when the leader is closed", async (t) => {
  const { server, live, locks, openSockets } = start(t);
  const one = await live();
  const two = await live();
  one.client.close();
  server.append("s", { kind: "message", id: "m1", role: "user", text: "meanwhile" });
  await until(() => two.client.role === "leader" && texts(two.session).length === 1);
  await two.session.send("after");
  assert.deepEqual(texts(two.session), ["meanwhile", "after"]);
  assert.equal(openSockets(), 1);
  two.client.close();
  await until(() => locks.names.length === 0);
  assert.equal(openSockets(), 0);
});

test("who has other rights has a connection of its own", async (t) => {
  const { live, openSockets } = start(t);
  const one = await live({ as: undefined, token: async () => token({ sub: "ann", can: ["read"] }) });
  const two = await live({ as: undefined, token: async () => token({ sub: "ann", can: [] }) });
  const three = await live({ as: undefined, token: async () => token({ sub: "ann", can: [], exp: 5 }) });
  assert.deepEqual([one, two, three].map(({ client }) => client.role), ["leader", "leader", "follower"]);
  assert.equal(openSockets(), 2);
});

test("the token that names the group is used for the attempt, and not for a later one", async (t) => {
  const { server, live } = start(t);
  let asked = 0;
  const { session } = await live({ as: undefined, token: async () => token({ sub: "ann", exp: ++asked }) });
  assert.equal(asked, 1);
  server.socket.cut();
  await until(() => session.status === "live" && server.sockets.length === 2);
  assert.equal(asked, 2);
});

test("a token of other rights leads to another group, with that token", async (t) => {
  const { server, live, locks } = start(t);
  let rights = 1;
  const { client, session } = await live({ as: undefined, token: async () => token({ sub: "ann", can: [rights] }) });
  const [first] = locks.names;
  const group = server.socket.sent[0].group;
  rights = 2;
  server.socket.cut();
  await until(() => session.status === "live");
  assert.notEqual(server.socket.sent[0].group, group);
  assert.equal(locks.names.length, 1);
  assert.notEqual(locks.names[0], first);
  assert.equal(client.role, "leader");
});

test("tokens of ever other rights still connect", async (t) => {
  const { server, live } = start(t);
  let rights = 0;
  const { session } = await live({ as: undefined, token: async () => token({ sub: "ann", can: [++rights] }) });
  assert.equal(rights, 1);
  server.socket.cut();
  await until(() => session.status === "live");
  assert.equal(rights, 2);
});

test("a client never connects as another principal", async (t) => {
  const { server, live, openSockets } = start(t);
  const lines = [];
  let sub = "ann";
  const options = { as: undefined, token: async () => token({ sub }), log: (line) => lines.push(line) };
  const { client, session } = await live(options);
  server.answer(false);
  session.send("of ann").catch(() => {});
  sub = "bob";
  server.socket.cut();
  server.answer(true);
  await until(() => client.status === "closed");
  assert.equal(client.error.code, "unauthorized");
  assert.equal(openSockets(), 0);
  assert.ok(lines.some((line) => line.includes("another principal")));
});

for (const [what, answer] of [["null", null], ["a token that nobody can read", "opaque"]]) {
  test(`with ${what} for a token nothing is shared`, async (t) => {
    const { open, locks } = start(t);
    const client = open({ as: undefined, token: async () => answer });
    client.session("s");
    await until(() => client.status === (answer ? "live" : "closed"));
    assert.equal(client.role, "solo");
    assert.deepEqual(locks.names, []);
  });
}

test("a token function that fails is asked again, and then the connection is shared", async (t) => {
  const { live } = start(t);
  let asked = 0;
  const fails = async () => {
    if (++asked <= 2) throw new Error("no network");
    return token({ sub: "ann" });
  };
  const { client } = await live({ as: undefined, token: fails });
  assert.equal(client.role, "leader");
});

for (const without of ["navigator", "localStorage", "BroadcastChannel"]) {
  test(`without ${without} every client is solo`, async (t) => {
    const { live, openSockets } = start(t, without);
    const [one, two] = [await live(), await live()];
    assert.deepEqual([one.client.role, two.client.role], ["solo", "solo"]);
    assert.equal(openSockets(), 2);
  });
}

test("clients that want to be solo are", async (t) => {
  const { live, locks } = start(t);
  const { client } = await live({ tabs: "solo" });
  assert.equal(client.role, "solo");
  assert.deepEqual(locks.names, []);
});

for (const [what, breaks] of [
  ["a channel that cannot be opened", () => (globalThis.BroadcastChannel = class { constructor() { throw new Error("no"); } })],
  ["a channel that cannot be posted to", () => {
    globalThis.BroadcastChannel = class { postMessage() { throw new Error("no"); } close() {} };
  }],
  ["locks that cannot be had", ({ locks }) => (locks.request = async () => { throw new DOMException("no", "SecurityError"); })],
  ["a lock that fails after all", ({ locks }) => {
    const request = locks.request.bind(locks);
    locks.request = (name, ...rest) => (rest.length > 1 ? Promise.reject(new Error("no")) : request(name, ...rest));
  }],
  ["a storage that is full", () => (localStorage.setItem = () => { throw new Error("full"); })],
]) {
  test(`with ${what} a client is solo, and says no group`, async (t) => {
    const { live, ...all } = start(t);
    breaks(all);
    for (const options of [{}, { as: undefined, token: async () => token({ sub: "ann" }) }]) {
      const { client } = await live(options);
      await until(() => client.role === "solo");
      assert.equal(all.server.socket.sent[0].group, undefined);
      client.close();
    }
  });
}

test("what was sent before a crash is shown as sending by the next page, and sent once", async (t) => {
  const { server, live, open } = start(t);
  server.answer(false);
  const crashed = open();
  crashed.session("s").send({ id: "m1", text: "hello" });
  crashed.session("s").send({ id: "m2", text: "again" });
  crashed.session("s").stop({ run: "r1" }).catch(() => {});
  // Stored once the database is open. What ends with the page says nothing more.
  await stored(3);
  crashed.close();

  server.sessionOf("s").refuses = () => ({ code: "rate_limited", status: 429, detail: "later", retryable: true });
  server.answer(true);
  const { client, session } = await live();
  await until(() => session.transcript().messages.length === 2);
  const shown = () => session.transcript().messages.map(({ id, text, state }) => [id, text, state]);
  assert.deepEqual(shown(), [["m1", "hello", "sending"], ["m2", "again", "sending"]]);
  server.sessionOf("s").refuses = undefined;
  client.reconnect();
  await until(() => shown().every(([, , state]) => state === "sent") && server.sessionOf("s").events.length >= 3);
  assert.deepEqual(server.sessionOf("s").events.filter((event) => event.kind === "message").map((event) => event.id), ["m1", "m2"]);
  await stored(0);
});

test("close with forget leaves nothing for the next page", async (t) => {
  const { server, live, open } = start(t);
  server.answer(false);
  const client = open();
  client.session("s").send({ id: "m1", text: "hello" }).catch(() => {});
  await stored(1);
  client.close({ forget: true });
  await stored(0);
  server.answer(true);
  const { session } = await live();
  await new Promise((resolve) => setTimeout(resolve, 50));
  assert.deepEqual(texts(session), []);
});

for (const [what, options] of [["a name", {}], ["a token", { as: undefined, token: async () => token({ sub: "ann" }) }]]) {
  test(`close with forget deletes what an earlier page stored under ${what}, though nothing was opened`, async (t) => {
    const { server, open } = start(t);
    server.answer(false);
    const earlier = open(options);
    earlier.session("s").send({ id: "m1", text: "hello" }).catch(() => {});
    await stored(1);
    earlier.close();
    open({ ...options, outbox: "memory" }).close({ forget: true });
    await stored(1);
    const before = server.sockets.length;
    open(options).close({ forget: true });
    await stored(0);
    assert.equal(server.sockets.length, before);
  });
}

test("with an outbox in memory nothing is stored", async (t) => {
  const { server, live, open } = start(t);
  t.mock.method(indexedDB, "open", assert.fail);
  const { session } = await live({ outbox: "memory" });
  await session.send("hello");
  assert.deepEqual(texts(session), ["hello"]);
});

/** Waits until so many acts are stored. */
async function stored(count) {
  const ask = (request) => new Promise((resolve, reject) => Object.assign(request, { onsuccess: () => resolve(request.result), onerror: reject }));
  await until(async () => {
    const database = await ask(indexedDB.open("durable-sessions"));
    try {
      return (await ask(database.transaction("acts").objectStore("acts").count())) === count;
    } catch {
      return false;
    } finally {
      database.close();
    }
  }, `${count} are stored`);
}
