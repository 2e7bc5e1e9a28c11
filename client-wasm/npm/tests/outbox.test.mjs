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
  const box = new Outbox((entries) => (box.found = entries));
  if (principal) box.identify(principal);
  return box;
}

/** What a page that is loaded now finds. */
async function found(principal) {
  const box = load(principal);
  box.recover();
  await until(() => box.found !== undefined);
  box.close(false);
  return box.found.map(({ session, id }) => `${session} ${id}`);
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
  await until(() => other.found);
  assert.deepEqual({ ...other.found[0], at: 0 }, { ...entry("b"), scope: "ann", at: 0 });
});

test("it is written and committed in the task of the call", async (t) => {
  const box = load();
  box.recover();
  await until(() => box.found);
  const calls = [];
  const { put } = IDBObjectStore.prototype;
  const { commit } = IDBTransaction.prototype;
  t.mock.method(IDBObjectStore.prototype, "put", function (...args) { calls.push("put"); return put.apply(this, args); });
  t.mock.method(IDBTransaction.prototype, "commit", function () { calls.push("commit"); return commit.call(this); });
  box.put(entry("a"));
  assert.deepEqual(calls, ["put", "commit"]);
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
  await new Promise((resolve, reject) => {
    const request = indexedDB.deleteDatabase("durable-sessions");
    request.onsuccess = resolve;
    request.onblocked = () => reject(new Error("a connection is open"));
  });
});

test("what is found after the close is told to nobody", async () => {
  const box = load();
  await found();
  box.recover();
  box.close(false);
  await turn();
  assert.equal(box.found, undefined);
});

test("a newer version of the package may change the database at once", async () => {
  const box = load();
  await found();
  const request = indexedDB.open("durable-sessions", 2);
  await new Promise((resolve, reject) => {
    request.onsuccess = resolve;
    request.onblocked = () => reject(new Error("blocked"));
  });
  request.result.close();
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
