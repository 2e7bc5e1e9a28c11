// The recorded exchanges of `tests/fixtures/fold`: the package shows what the Rust transcript shows.
import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { connect } from "./package.mjs";
import { fakeServer } from "./server.mjs";

const fixtures = join(import.meta.dirname, "../../../tests/fixtures/fold");

for (const file of readdirSync(fixtures)) {
  const { log, steps } = JSON.parse(readFileSync(join(fixtures, file), "utf8"));

  // Whole steps, then every event in a batch of its own: patches must not depend on the cuts.
  for (const [how, cut] of [["step by step", (events) => [events]], ["event by event", (events) => events.map((event) => [event])]]) {
    test(`${file}, ${how}`, async (t) => {
      const server = fakeServer();
      server.sessionOf("s").log = log;
      const client = connect("http://127.0.0.1:1", { WebSocket: server.WebSocket });
      t.after(() => client.close());
      const session = client.session("s");
      await session.ready;
      for (const { events, transcript } of steps) {
        for (const batch of cut(events)) {
          const first = session.transcript().offset + 1;
          const last = batch.at(-1).offset;
          server.socket.tell({ type: "events", session: "s", first, last, events: batch });
        }
        // As JSON: the key of an absent field is not there at all.
        assert.deepEqual(JSON.parse(JSON.stringify(session.transcript())), transcript);
      }
    });
  }
}
