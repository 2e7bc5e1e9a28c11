// A worker that counts to forty, and goes on where the one before it was killed: worker.mjs URL. It says
// when it is connected.
import WebSocket from "ws";
import { connect } from "./package.mjs";

const client = connect(process.argv[2], { as: "agent/counter", WebSocket });

client.serve("assistant", async (run) => {
  const written = run.isResumed ? (await run.history()).at(-1) : undefined;
  const from = written?.run === run.id ? written.text.trim().split(" ").length : 0;
  for (let n = from; n < 40; n++) {
    await run.write(`${n} `);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}, { producer: "counter-1" });

client.subscribe(() => client.status === "live" && console.log("serving"));
