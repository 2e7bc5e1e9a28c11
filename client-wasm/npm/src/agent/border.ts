// What crosses the border to the agents' core beside what border.ts has: see `src/web/agent.rs`.
import type { Command } from "../border.js";
import type { Outcome } from "../types.js";

/** What the core can be asked for. */
export type AgentCommand =
  | Command
  | { type: "serve"; agent: string; sessions: readonly string[]; slots: number; producer: string | undefined }
  | { type: "wake_done"; agent: string; session: string; input: string }
  | { type: "produce"; session: string; producer: string }
  | { type: "start_run"; session: string; run: string; agent: string; inReplyTo: string | undefined; parent: string | undefined; leaseMs: number | undefined }
  | { type: "take_over"; session: string; producer: string; run: string }
  | { type: "append"; session: string; run: string; message: string; part: number; partType: string; text: string }
  | { type: "write"; session: string; run: string; event: string }
  | { type: "end_run"; session: string; run: string; outcome: "completed" | "failed" | "stopped"; json: string | undefined };

/** The core: takes a command, and answers `false` when an id in it is not an id. */
export type AgentCore = (command: AgentCommand) => boolean;

/** How delegated work ended: outcome, run, result, and then that run's messages that are no answer. */
export type EndedErrand = [outcome: Outcome, run: string | undefined, data: unknown, ...given: string[]];
/** Nothing while it has not. */
export type Errand = [] | EndedErrand;

/** What the core tells, beside `Told`. Each has its session first. */
export const enum AgentTold {
  /** agent, input, attempt, run */
  Wake = 32,
  /** run, offset */
  RunStarted = 33,
  /** run, and then the error */
  RunRefused = 34,
  /** run */
  RunStopped = 35,
  /** run, and then the error */
  WriteRefused = 36,
  /** run */
  RunEnded = 37,
  /** nothing */
  WriterFull = 38,
  /** nothing */
  WriterReady = 39,
  /** nothing */
  ProducerFenced = 40,
  /** an agent instead of the session, and then the error */
  ServeRefused = 41,
}
