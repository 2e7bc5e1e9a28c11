// The lock of a group of tabs.
import assert from "node:assert/strict";
import { test } from "node:test";
import { browser } from "./browser.mjs";
import { module } from "./module.mjs";
import { until } from "./server.mjs";

const { lock } = await module("lock");

const rejections = [];
process.on("unhandledRejection", (reason) => rejections.push(reason));

/** A request that notes what it is told. */
function take(name = "n") {
  const told = [];
  const release = lock(name, () => told.push("granted"), () => told.push("lost"), () => told.push("failed"));
  return { told, release };
}

const turn = () => new Promise((resolve) => setTimeout(resolve, 5));

test("one has the lock, and the next gets it when it is released", async (t) => {
  browser(t);
  const [first, second] = [take(), take()];
  await until(() => first.told.length === 1);
  await turn();
  assert.deepEqual([first.told, second.told], [["granted"], []]);
  first.release();
  await until(() => second.told.length === 1);
  assert.deepEqual([first.told, second.told], [["granted"], ["granted"]]);
});

test("who withdraws is never granted it, and leaves nothing", async (t) => {
  const { locks } = browser(t);
  const [first, second, third] = [take(), take(), take()];
  await until(() => first.told.length === 1);
  second.release();
  first.release();
  await until(() => third.told.length === 1);
  third.release();
  await until(() => locks.names.length === 0);
  assert.deepEqual([first.told, second.told, third.told], [["granted"], [], ["granted"]]);
});

test("who withdraws before the first turn leaves nothing", async (t) => {
  const { locks } = browser(t);
  const { told, release } = take();
  release();
  await until(() => locks.names.length === 0);
  assert.deepEqual(told, []);
});

test("a lock may be released as it is granted", async (t) => {
  const { locks } = browser(t);
  let granted = 0;
  const release = lock("n", () => (granted++, release()), assert.fail, assert.fail);
  await until(() => granted === 1 && locks.names.length === 0);
});

test("a stolen lock is lost once, and what is released after says nothing", async (t) => {
  const { locks } = browser(t);
  const { told, release } = take();
  await until(() => told.length === 1);
  locks.steal("n");
  await until(() => told.length === 2);
  release();
  await turn();
  assert.deepEqual(told, ["granted", "lost"]);
});

for (const [how, request] of [
  ["throws", () => { throw new Error("no"); }],
  ["rejects", () => Promise.reject(new DOMException("no", "SecurityError"))],
]) {
  test(`where the request ${how} there is no lock`, async (t) => {
    const { locks } = browser(t);
    locks.request = request;
    const { told } = take();
    await until(() => told.length === 1);
    assert.deepEqual(told, ["failed"]);
  });
}

test("nothing of it is an unhandled rejection", () => assert.deepEqual(rejections, []));
