// What tests of agents stand on: a server of their own, somebody who talks, and an agent's client.
import WebSocket from "ws";
import { connect } from "./package.mjs";
import { server } from "./program.mjs";
import { until } from "./server.mjs";

/** What no test may leave behind, of this file's process. */
export const rejections = [];
process.on("unhandledRejection", (reason) => rejections.push(reason));

/** A server of this test's own, somebody who talks in the session `s`, and an agent's client. */
export async function stage(t) {
  const { url, ...rest } = await server(t);
  const client = (as, options) => {
    const made = connect(url, { WebSocket, as, tabs: "solo", outbox: "memory", ...options });
    t.after(() => made.close());
    return made;
  };
  const session = client("user/ann").session("s");
  await session.ready;
  return { ...rest, url, client, session, agent: client("agent/bot") };
}

/** Waits until a run of this agent stands so, and gives it. */
export async function run(session, name, ...states) {
  let found;
  const search = (runs) => runs.forEach((run) => {
    if (run.agent === name && states.includes(run.state)) found = run;
    search(run.children);
  });
  await until(() => (search(session.transcript().runs), found), `${name} ${states.join(" or ")}`);
  return found;
}

export const message = (session, find) => session.transcript().messages.find(find);
export const answer = (session) => message(session, ({ role }) => role === "assistant");
