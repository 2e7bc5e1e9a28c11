// What survives a tab.
import assert from "node:assert/strict";
import { IDBFactory } from "fake-indexeddb";
import { test } from "node:test";
import { browser } from "./browser.mjs";
import { module } from "./module.mjs";
import { until } from "./server.mjs";

const { canStore, Outbox } = await module("outbox");

const entry = (id, session = "s") => ({ tab: "t", session, id, log: "l", event: `{"id":"${id}"}` });
const turn = () => new Promise((resolve) => setTimeout(resolve, 5));

/** An outbox of a page that was just loaded. */
function load(principal = "ann") {
  const found = [];
  const box = Object.assign(new Outbox((entry) => found.push(entry)), { found });
  if (principal) box.identify(principal);
  return box;
}

const names = ({ found }) => found.map(({ session, id }) => `${session} ${id}`);

/** Waits until all that was begun with the database is done. */
const settled = async () => {
  const all = await promised(indexedDB.open("durable-sessions"));
  await promised(all.transaction("acts", "readwrite").objectStore("acts").count());
  all.close();
};

const promised = (request) => new Promise((resolve, reject) => {
  request.onsuccess = () => resolve(request.result);
  request.onerror = () => reject(request.error);
  request.onblocked = () => reject(new Error("a connection is open"));
});

/** The ids of what is stored. */
async function stored() {
  const all = await promised(indexedDB.open("durable-sessions"));
  const keys = await promised(all.transaction("acts").objectStore("acts").getAllKeys());
  all.close();
  return keys.map((key) => key.at(-1));
}

/** What a page that is loaded now finds. */
async function found(principal) {
  const box = load(principal);
  box.recover();
  await settled();
  box.close(false);
  return names(box);
}

/** Lets the next `times` calls of a method fail: it throws, or what it answers does. */
function fails(t, target, method, times, how) {
  const real = target[method];
  t.mock.method(target, method, function (...args) {
    return times-- > 0 ? how(real, this, args) : real.apply(this, args);
  });
}

/** A request that fails on its own. */
const rejects = () => {
  const request = {};
  setImmediate(() => request.onerror());
  return request;
};

/** An outbox whose database is open, and what closes that as the browser would. */
async function opened(t) {
  let request;
  const real = indexedDB.open;
  t.mock.method(indexedDB, "open", function (...args) {
    const opening = real.apply(this, args);
    // Those of the tests themselves name no version.
    if (args.length === 2) request = opening;
    return opening;
  });
  const box = load();
  await settled();
  const close = () => {
    request.result.close();
    request.result.onclose();
  };
  return { box, close };
}

/** Every pause is over at once; what they were. */
function pauses(t) {
  const { setTimeout } = globalThis;
  const all = [];
  t.mock.method(globalThis, "setTimeout", (fn, ms) => {
    if (ms < 1_000) return setTimeout(fn, ms);
    all.push(ms);
    return setTimeout(fn, 0);
  });
  return all;
}

test.beforeEach((t) => {
  browser(t);
  globalThis.indexedDB = new IDBFactory();
});

test("what was put is found by the next page, in the order of the sends, as it was", async () => {
  const box = load();
  await found();
  for (const id of ["b", "a", "c"]) box.put(entry(id));
  assert.deepEqual(await found(), ["s b", "s a", "s c"]);
  const other = load();
  other.recover();
  await until(() => other.found.length > 0);
  assert.deepEqual({ ...other.found[0], at: 0 }, { ...entry("b"), scope: "ann", at: 0 });
});

test("it is written and committed in the task of the call", async (t) => {
  const box = load();
  await found();
  const calls = [];
  const { put } = IDBObjectStore.prototype;
  const { commit } = IDBTransaction.prototype;
  t.mock.method(IDBObjectStore.prototype, "put", function (...args) { calls.push("put"); return put.apply(this, args); });
  t.mock.method(IDBTransaction.prototype, "commit", function () { calls.push("commit"); return commit.call(this); });
  box.put(entry("a"));
  assert.deepEqual(calls, ["put", "commit"]);
  // And no other's again.
  box.put(entry("b"));
  assert.deepEqual(calls, ["put", "commit", "put", "commit"]);
});

test("what was put before the database is open, or the principal known, is stored then", async () => {
  const box = load(null);
  box.put(entry("a"));
  box.put(entry("b"));
  box.remove("s", "a");
  await found();
  box.put(entry("c"));
  assert.deepEqual(await found(), []);
  box.identify("ann");
  await until(async () => (await found()).length === 2);
  assert.deepEqual(await found(), ["s b", "s c"]);
});

test("what is answered is gone", async () => {
  const box = load();
  for (const id of ["a", "b"]) box.put(entry(id));
  box.put(entry("a", "other"));
  await found();
  box.remove("s", "a");
  assert.deepEqual(await found(), ["s b", "other a"]);
});

test("nobody finds what another principal sent", async () => {
  const box = load("ann");
  box.put(entry("a"));
  assert.deepEqual(await found("bob"), []);
  assert.deepEqual(await found("annabel"), []);
  assert.deepEqual(await found("ann"), ["s a"]);
});

test("a principal that is known does not change", async () => {
  const box = load("ann");
  box.identify("bob");
  box.put(entry("a"));
  assert.deepEqual([await found("ann"), await found("bob")], [["s a"], []]);
});

test("close keeps what is stored; close with forget deletes it, and nobody else's", async () => {
  for (const principal of ["ann", "bob"]) load(principal).put(entry("a"));
  const box = load("ann");
  await found();
  box.close(false);
  assert.deepEqual(await found("ann"), ["s a"]);
  const again = load("ann");
  await found();
  again.close(true);
  assert.deepEqual(await found("ann"), []);
  assert.deepEqual(await found("bob"), ["s a"]);
});

test("a close before the database is open still stores or deletes, and leaves no connection", async () => {
  const kept = load();
  kept.put(entry("a"));
  kept.close(false);
  await until(async () => (await found()).length === 1);
  const forgotten = load();
  forgotten.put(entry("b"));
  forgotten.close(true);
  await turn();
  assert.deepEqual(await found(), []);
  // It waits for every connection that is open.
  await promised(indexedDB.deleteDatabase("durable-sessions"));
});

test("what is found after the close is told to nobody", async () => {
  const box = load();
  box.put(entry("a"));
  await found();
  box.recover();
  box.close(false);
  await turn();
  assert.deepEqual(box.found, []);
});

test("a newer version of the package may change the database at once", async () => {
  const box = load();
  await found();
  (await promised(indexedDB.open("durable-sessions", 2))).close();
  box.put(entry("a"));
  box.remove("s", "a");
  box.recover();
  box.close(true);
});

test("where there is no database, or none can be opened, nothing throws", async (t) => {
  const use = () => {
    const box = load();
    box.put(entry("a"));
    box.recover();
    box.remove("s", "a");
    box.close(true);
  };
  indexedDB.open = () => { throw new DOMException("no", "SecurityError"); };
  assert.equal(canStore(), true);
  use();
  browser(t, "indexedDB");
  assert.equal(canStore(), false);
  use();
});

test("a look into a database that cannot be opened at first is made up for once it can", async (t) => {
  const waited = pauses(t);
  const before = load();
  before.put(entry("a"));
  await settled();
  fails(t, indexedDB, "open", 2, rejects);
  const box = load();
  box.recover();
  box.put(entry("b"));
  await until(() => box.found.length > 0, "it looks again");
  assert.deepEqual(names(box).slice(0, 1), ["s a"]);
  assert.deepEqual(waited, [1_000, 2_000]);
  assert.deepEqual(await found(), ["s a", "s b"]);
});

test("a look that fails is no look", async (t) => {
  for (const [target, method, how] of [
    [IDBObjectStore.prototype, "getAll", (getAll, self, args) => {
      self.transaction.abort();
      return getAll.apply(self, args);
    }],
    [IDBTransaction.prototype, "commit", (_, self) => self.abort()],
    [IDBDatabase.prototype, "transaction", () => { throw new DOMException("closing", "InvalidStateError"); }],
  ]) {
    pauses(t);
    globalThis.indexedDB = new IDBFactory();
    load().put(entry("a"));
    await settled();
    const box = load();
    await settled();
    fails(t, target, method, 1, how);
    box.recover();
    await until(() => box.found.length > 0, `it looks again after ${method}`);
    assert.deepEqual(names(box), ["s a"]);
    t.mock.restoreAll();
  }
});

test("what is put meanwhile does not make it look again", async (t) => {
  const box = load();
  await settled();
  const looks = [];
  fails(t, IDBObjectStore.prototype, "getAll", Infinity, (real, self, args) => {
    looks.push(args);
    return real.apply(self, args);
  });
  box.recover();
  for (const id of ["a", "b", "c"]) box.put(entry(id));
  await settled();
  assert.equal(looks.length, 1);
});

test("what is put while the browser has closed the database is stored when it is open again", async (t) => {
  const waited = pauses(t);
  const { box, close } = await opened(t);
  close();
  box.put(entry("a"));
  await until(async () => (await found()).length > 0, "it is stored");
  assert.deepEqual(waited, [1_000]);
});

test("a database that another tab deletes is made anew", async (t) => {
  pauses(t);
  const box = load();
  await settled();
  await promised(indexedDB.deleteDatabase("durable-sessions"));
  box.put(entry("a"));
  await until(async () => (await found()).length > 0, "it is stored");
});

test("what is answered while the database is closed is deleted when it is open again", async (t) => {
  pauses(t);
  const { box, close } = await opened(t);
  for (const id of ["a", "b"]) box.put(entry(id));
  await settled();
  close();
  box.remove("s", "a");
  await until(async () => (await found()).length === 1, "it is deleted");
  assert.deepEqual(await found(), ["s b"]);
});

test("what was being stored when the database failed is stored anew, unless it was answered meanwhile", async (t) => {
  pauses(t);
  const { box } = await opened(t);
  const abort = (_, self) => setImmediate(() => self.abort());
  fails(t, IDBTransaction.prototype, "commit", 2, abort);
  for (const id of ["a", "b"]) box.put(entry(id));
  box.remove("s", "a");
  await until(async () => (await found()).length > 0, "it is stored");
  await settled();
  assert.deepEqual(await found(), ["s b"]);
});

test("what was being deleted when the database failed is deleted anew", async (t) => {
  pauses(t);
  const { box } = await opened(t);
  box.put(entry("a"));
  fails(t, IDBTransaction.prototype, "commit", 1, (_, self) => setImmediate(() => self.abort()));
  box.remove("s", "a");
  box.put(entry("b"));
  await until(async () => !(await stored()).includes("a"), "it is deleted");
  assert.deepEqual(await stored(), ["b"]);
});

test("after a success the pauses begin anew", async (t) => {
  const waited = pauses(t);
  const { box, close } = await opened(t);
  for (const id of ["a", "b", "c"]) {
    close();
    box.put(entry(id));
    await until(async () => (await stored()).includes(id), "it is stored");
  }
  assert.deepEqual(waited, [1_000, 1_000, 1_000]);
});

test("an outbox that was closed with forget leaves the next one's acts alone", async (t) => {
  load("bob").put(entry("b"));
  await settled();
  const timers = [];
  t.mock.method(globalThis, "setTimeout", (fn) => timers.push(fn));
  t.mock.method(globalThis, "clearTimeout", (timer) => (timers[timer - 1] = () => {}));
  fails(t, indexedDB, "open", 1, rejects);
  const box = load();
  await settled();
  assert.equal(timers.length, 1);
  box.close(true);
  await settled();
  const next = load();
  next.put(entry("a"));
  await settled();
  for (const timer of timers) timer();
  await settled();
  t.mock.restoreAll();
  assert.deepEqual(await found(), ["s a"]);
});

test("one that never opens is given up after two minutes, and at the close after one more try", async (t) => {
  const waited = pauses(t);
  let tries = 0;
  fails(t, indexedDB, "open", Infinity, () => {
    tries++;
    return rejects();
  });
  const box = load();
  box.recover();
  await until(() => waited.length === 7);
  await turn();
  assert.deepEqual([waited, tries], [[1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 64_000], 8]);
  box.close(true);
  await turn();
  assert.deepEqual([waited.length, tries], [7, 9]);
});

test("a close with forget deletes what is stored though the database failed just before", async (t) => {
  load().put(entry("a"));
  await settled();
  fails(t, indexedDB, "open", 1, rejects);
  const box = load();
  await turn();
  box.close(true);
  await turn();
  t.mock.restoreAll();
  assert.deepEqual(await found(), []);
});
