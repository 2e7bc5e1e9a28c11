import { started } from "./cores.js";

/** Never opens: nothing here is about a server. */
class Deaf extends EventTarget {
  readyState = 0;
  send() {}
  close() {}
}

// What an application does first. The result is for the test to judge.
export function use({ connect }) {
  const startedByImport = started;
  const client = connect("http://127.0.0.1:9/", { as: "user/somebody", WebSocket: Deaf });
  const session = client.session("packaging");
  session.send("hello").catch(() => {});
  const { status } = client;
  const { messages } = session.transcript();
  client.close();
  return {
    startedByImport,
    startedByUse: started - startedByImport,
    status,
    sent: messages.map(({ text, state }) => ({ text, state })),
    afterClose: client.status,
  };
}
