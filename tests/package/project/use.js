import { started } from "./cores.js";

/** Never opens: nothing here is about a server. */
class Deaf extends EventTarget {
  readyState = 0;
  send() {}
  close() {}
}

/** Resolves when this many modules have been started, or with what there are after a while. */
async function starts(count) {
  for (let turn = 0; turn < 1_000 && started < count; turn++) await new Promise((resolve) => setTimeout(resolve, 5));
  return started;
}

// What an application does first, and then what one does that serves an agent. The result is for the test to judge.
export async function use({ connect }) {
  const startedByImport = started;
  const client = connect("http://127.0.0.1:9/", { as: "agent/somebody", WebSocket: Deaf });
  const session = client.session("packaging");
  session.send("hello").catch(() => {});
  const { status } = client;
  const { messages } = session.transcript();
  const startedByUse = started - startedByImport;
  client.serve("assistant", () => {});
  const startedByServing = (await starts(startedByImport + startedByUse + 1)) - startedByImport - startedByUse;
  client.close();
  return {
    startedByImport,
    startedByUse,
    startedByServing,
    status,
    sent: messages.map(({ text, state }) => ({ text, state })),
    afterClose: client.status,
  };
}
