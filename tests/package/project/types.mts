import { connect } from "durable-sessions";
import { connect as slim, load, loadAgent } from "durable-sessions/slim";

const client = connect("http://127.0.0.1:9/");
const status: "connecting" | "live" | "waiting" | "offline" | "closed" = client.status;
// @ts-expect-error a session has a name
client.session(7);

using serving = client.serve("assistant", async (run) => {
  const text: string = run.input.text;
  await run.write(text, { type: "reasoning" });
  const length: number = await run.child("counter", (child) => child.session.length);
  const { outcome } = await run.delegate("critic", { text });
  for await (const steer of run.steers) if (steer.text === outcome) return length;
  // @ts-expect-error a run is not written to by a number
  run.write(7);
}, { sessions: "team-*", concurrency: 2 });

export const used = [status, slim, load, loadAgent, serving];
