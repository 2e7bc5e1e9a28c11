// Runs written over HTTP, at a pace: an agent that takes no connection of its own.

import { setTimeout as sleep } from "node:timers/promises";

/** Writes the run `run` with `tokens` tokens, one each `paceMs`, and ends it. */
export async function writeRun(server, session, { run, tokens, paceMs }) {
  const as = `agent/${run}`;
  const message = `${run}-answer`;
  await server.append(session, as, { kind: "run.started", run, agent: "assistant" });
  const begun = Date.now();
  for (let token = 0; token < tokens; token += 1) {
    await server.append(session, as, { kind: "delta", id: `${run}-${token}`, run, message, text: `${run}:${token} ` });
    // By the clock and not by the answer: the pace is kept.
    await sleep(Math.max(0, begun + (token + 1) * paceMs - Date.now()));
  }
  await server.append(session, as, { kind: "run.ended", run, outcome: "completed" });
}
