import type { App, LogEvent, Message, Run, Transcript } from "../types.js";
import type { AgentSession } from "./sessions.js";

/** The conversation of a run up to its input and, if it has written something, to there. */
export function history<A extends App>(home: AgentSession<A>, id: string, input: Message<A>): Message<A>[] {
  const { messages, runs } = home.transcript();
  const place = messages.findIndex((message) => message.id === input.id);
  const attempts = attemptsAt(runs, input.id);
  const before = messages.filter((message, at) => {
    const isOwn = message.run !== undefined && attempts.has(message.run);
    // What came to a person's input meanwhile belongs to the conversation; what an agent delegated is about
    // what stood there then.
    const waits = place >= 0 && at > place && (message.role === "user" || input.run !== undefined);
    return message.id !== input.id && !isOwn && !waits;
  });
  const taken = messages.filter(({ run, role, state }) => run === id && role === "user" && state === "completed");
  return [...before, input, ...taken, ...written(home, id)];
}

/** What a run has said, without what it delegated. */
export function written<A extends App>(home: AgentSession<A>, id: string): Message<A>[] {
  const delegated = (home.ledger.errands(id) as LogEvent[]).map((event) => event["id"]);
  const isIts = ({ id: message, run, role }: Message<A>) => run === id && role === "assistant" && !delegated.includes(message);
  return home.transcript().messages.filter(isIts);
}

/** How a run stands. */
export function stateOf(transcript: Transcript, id: string): Run["state"] | undefined {
  let state: Run["state"] | undefined;
  each(transcript.runs, (run) => {
    if (run.id === id) state = run.state;
  });
  return state;
}

// The runs that worked on an input, and those below them.
function attemptsAt(runs: readonly Run[], input: string): Set<string> {
  const attempts = new Set<string>();
  each(runs, (run) => {
    if (run.inReplyTo === input) each([run], ({ id }) => attempts.add(id));
  });
  return attempts;
}

function each(runs: readonly Run[], visit: (run: Run) => void): void {
  for (const run of runs) {
    visit(run);
    each(run.children, visit);
  }
}
