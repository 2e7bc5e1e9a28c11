// Paging through a long session of the server itself.
import assert from "node:assert/strict";
import { test } from "node:test";
import WebSocket from "ws";
import { connect } from "./package.mjs";
import { server } from "./program.mjs";
import { until } from "./server.mjs";

/** A server, clients of it, and an agent that writes over HTTP. */
async function stage(t) {
  const { url, events } = await server(t);
  const client = (options) => {
    const made = connect(url, { WebSocket, as: "user/ann", tabs: "solo", outbox: "memory", ...options });
    t.after(() => made.close());
    return made;
  };
  let seq = 0;
  const write = async (...written) => {
    const headers = {
      "Content-Type": "application/json", "Session-As": "agent/bot",
      "Producer-Id": "p", "Producer-Epoch": "0", "Producer-Seq": String(seq++),
    };
    const response = await fetch(`${url}/v1/sessions/s/events`, { method: "POST", headers, body: JSON.stringify(written) });
    assert.ok(response.ok, await response.text());
  };
  return { client, events, write };
}

const started = (run, fields) => ({ kind: "run.started", run, agent: "assistant", ...fields });
const ended = (run) => ({ kind: "run.ended", run, outcome: "completed" });
const delta = (run, message, text) => ({ kind: "delta", run, message, text });
const said = (run, id) => ({ kind: "message", id, role: "assistant", run, text: `${id} `.repeat(20) });
const plain = (value) => JSON.parse(JSON.stringify(value));

test("the last 20 of 1,000 messages are read with a twentieth of the log, and paging to the start gives all of it", async (t) => {
  const { client, events, write } = await stage(t);
  await write(started("r1"), started("r2", { parent: "r1" }));
  for (let at = 0; at < 1000; at += 50) {
    const run = `r2-${at}`;
    const each = Array.from({ length: 50 }, (_, n) => said(run, `m${at + n}`));
    await write(started(run, { parent: "r2" }), ...each, ended(run), delta("r2", "a1", `${at} `));
  }
  await write(ended("r2"));
  const log = JSON.stringify(await events("s")).length;

  let read = 0;
  const { fetch } = globalThis;
  t.mock.method(globalThis, "fetch", async (...args) => {
    const text = await (await fetch(...args)).text();
    read += text.length;
    return new Response(text);
  });
  class Counting extends WebSocket {
    set onmessage(hear) {
      super.onmessage = hear && ((event) => {
        read += event.data.length;
        hear(event);
      });
    }
  }
  const session = client({ WebSocket: Counting }).session("s", { last: 20 });
  await session.ready;
  assert.equal(session.transcript().messages.length, 20);
  assert.ok(read < log / 20, `${read} of ${log}`);
  t.mock.restoreAll();

  const whole = client().session("s");
  await whole.ready;
  for (let pages = 0; session.transcript().hasOlder; pages++) {
    assert.ok(pages < 30);
    const before = session.transcript().messages.length;
    await Promise.all([session.loadOlder(50), write(delta("r1", "a2", `${pages} `)), session.send({ text: `${pages}`, to: null })]);
    assert.ok(session.transcript().messages.length > before);
  }
  await write(ended("r1"));
  await until(() => whole.transcript().active.length === 0 && session.transcript().offset === whole.transcript().offset);
  assert.deepEqual(plain(session.transcript()), plain(whole.transcript()));
});

test("a transcript that was read starts a session, and the list of sessions names it", async (t) => {
  const { client, write } = await stage(t);
  const ann = client();
  await assert.rejects(ann.read("s"), { code: "not_found" });
  const empty = ann.session("empty", { last: 3 });
  await empty.ready;
  await write(started("r1"), delta("r1", "a1", "one "));
  const snapshot = plain(await ann.read("s"));
  await write(delta("r1", "a1", "two"), { kind: "session.updated", title: "Bids" });
  const session = ann.session("s", { snapshot });
  assert.deepEqual(session.transcript().messages.map(({ text }) => text), ["one "]);
  await session.ready;
  assert.deepEqual(session.transcript().messages.map(({ text }) => text), ["one two"]);
  const { sessions, next } = await ann.sessions({ prefix: "s" });
  assert.deepEqual(sessions.map(({ id, title, tail, log }) => [id, title, tail, log]), [["s", "Bids", 4, snapshot.log]]);
  assert.ok(sessions[0].updatedAt > 0);
  assert.equal(next, undefined);
});
