import type { App, Message, Run, Transcript } from "../types.js";

/**
 * The conversation up to an input, which is its last message: without what its runs wrote, and without
 * messages of people that wait behind it.
 */
export function history<A extends App>(transcript: Transcript<A>, input: Message<A>): Message<A>[] {
  const { messages, runs } = transcript;
  const place = messages.findIndex((message) => message.id === input.id);
  const own = new Set<string>();
  collect(runs, (run) => run.inReplyTo === input.id && own.add(run.id));
  const before = messages.filter((message, at) => {
    const isOwn = message.run !== undefined && own.has(message.run);
    const waits = message.role === "user" && place >= 0 && at > place;
    return message.id !== input.id && !isOwn && !waits;
  });
  return [...before, input];
}

function collect(runs: readonly Run[], visit: (run: Run) => void): void {
  for (const run of runs) {
    visit(run);
    collect(run.children, visit);
  }
}
