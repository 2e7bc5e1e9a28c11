import { connect } from "durable-sessions";
import { connect as slim, load } from "durable-sessions/slim";

const client = connect("http://127.0.0.1:9/");
const status: "connecting" | "live" | "waiting" | "offline" | "closed" = client.status;
// @ts-expect-error a session has a name
client.session(7);

export const used = [status, slim, load];
