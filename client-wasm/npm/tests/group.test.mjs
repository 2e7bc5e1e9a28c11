// Which tabs may share a connection.
import assert from "node:assert/strict";
import { test } from "node:test";
import { browser } from "./browser.mjs";
import { module } from "./module.mjs";

const { canShare, groupOf, identify } = await module("group");

const URL = "wss://sessions.example/v1/connect";
const claims = { iss: "app", sub: "ann", kind: "user", sessions: ["a*"], can: ["read"], aud: "x", exp: 1 };

/** A token without a signature, which nobody here looks at. */
const token = (claims) => `h.${Buffer.from(JSON.stringify(claims)).toString("base64url")}.s`;
const of = (changes) => identify(URL, undefined, token({ ...claims, ...changes }));

test("tokens of the same rights have the same key, whatever else they say", () => {
  assert.deepEqual(of({ exp: 2, jti: "z" }), of({}));
});

for (const changes of [{ iss: "b" }, { sub: "bob" }, { kind: "agent" }, { sessions: ["b"] }, { can: [] }]) {
  test(`another ${Object.keys(changes)} has another key`, () => {
    assert.notEqual(of(changes).rights, of({}).rights);
  });
}

test("other rights of the same principal keep its outbox, another principal does not", () => {
  assert.equal(of({ can: [], sessions: [] }).principal, of({}).principal);
  assert.notEqual(of({ sub: "bob" }).principal, of({}).principal);
});

test("without a token the server and the name count", () => {
  const all = [[URL, "user/ann"], [URL, "user/bob"], [URL, undefined], ["wss://other/", "user/ann"]];
  assert.equal(new Set(all.map(([url, as]) => identify(url, as).rights)).size, all.length);
});

test("claims with other letters than ASCII are read", () => {
  assert.notEqual(of({ sub: "Zoë" }).rights, of({ sub: "Zoé" }).rights);
});

for (const text of ["", "opaque", "a.b.c", `h.${Buffer.from("null").toString("base64url")}.s`]) {
  test(`nobody can say who "${text}" is`, () => assert.equal(identify(URL, undefined, text), undefined));
}

test("a group has one id in a browser, and says nothing of the rights", async (t) => {
  browser(t);
  const [one, two] = await Promise.all([groupOf("rights"), groupOf("rights")]);
  assert.deepEqual(one, two);
  assert.match(one.key, /^durable-sessions\.v1:[0-9a-f]{64}$/);
  assert.match(one.id, /^[0-9a-f]{32}$/);
  const other = await groupOf("others");
  assert.notEqual(other.key, one.key);
  assert.notEqual(other.id, one.id);
});

test("another browser has another id", async (t) => {
  browser(t);
  const { id } = await groupOf("rights");
  browser(t);
  assert.notEqual((await groupOf("rights")).id, id);
});

test("a group rejects where something that it needs throws", async (t) => {
  browser(t);
  localStorage.setItem = () => { throw new Error("full"); };
  await assert.rejects(groupOf("rights"), /full/);
});

test("tabs can share where all of it is there, and not where one is missing or throws", (t) => {
  browser(t);
  assert.equal(canShare(), true);
  for (const name of ["navigator", "localStorage", "BroadcastChannel"]) {
    browser(t, name);
    assert.equal(canShare(), false, name);
    Object.defineProperty(globalThis, name, { get() { throw new Error("denied"); }, configurable: true });
    assert.equal(canShare(), false, `${name} throws`);
  }
});
