// What docs/AGENTS.md shows of TypeScript is run as it stands there, but for where the server is.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import WebSocket from "ws";
import { connect, RunFailure } from "./package.mjs";
import { server } from "./program.mjs";
import { until } from "./server.mjs";

const guide = readFileSync(join(import.meta.dirname, "../../../docs/AGENTS.md"), "utf8");

test("the guide's agents answer, ask, and delegate", async (t) => {
  const { url } = await server(t);
  const [, code] = guide.match(/guide\.test\.mjs\. -->\n```ts\n([^]*?)```/);
  const script = code.replace(/^(import|type) .*$/gm, "").replace("connect<App>", "connect");
  const run = new Function("connect", "RunFailure", "WebSocket", `${script}; return client;`);
  const agents = run((_, options) => connect(url, options), RunFailure, WebSocket);
  const client = connect(url, { as: "user/ann", WebSocket, outbox: "memory", tabs: "solo" });
  t.after(() => (agents.close(), client.close()));

  const session = client.session("shop-1");
  await session.send("umbrella");
  const asks = () => session.transcript().active.flatMap((run) => run.asks);
  await until(() => asks().length > 0, "it asks");
  const [{ id, body }] = asks();
  assert.deepEqual(body, { type: "confirm", title: "Shall I order it?" });
  await session.answer(id, { approved: true });
  const states = () => session.transcript().runs.map(({ state }) => state);
  await until(() => states().every((state) => state === "completed"), "the run is completed");
  const texts = session.transcript().messages.map(({ text }) => text);
  assert.ok(texts.includes("Let me ask. Ordered: one fine umbrella "), texts.join("; "));

  await session.send({ parts: [{ type: "image", url: "https://example.org/a.png" }] });
  await until(() => states().includes("failed"), "a run fails");
  assert.deepEqual(session.transcript().runs.at(-1).error, { code: "empty", detail: "Say something first." });
});
