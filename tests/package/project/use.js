import { started } from "./cores.js";

// What an application does first, short of opening a connection. The result is for the test to judge.
export function use({ connect }) {
  const startedByImport = started;
  const client = connect("http://127.0.0.1:9/", { as: "user/somebody", tabs: "solo", WebSocket: class {} });
  const status = client.status;
  client.close();
  return { startedByImport, startedByUse: started - startedByImport, status, afterClose: client.status };
}
