// From an input that is offered to the end of the run that claimed it.
import { DurableSessionsError, type ErrorCode } from "../errors.js";
import { call } from "../schedule.js";
import type { App } from "../types.js";
import type { Connection, Wake } from "./connection.js";
import { stateOf } from "./history.js";
import type { End, RunObject } from "./run.js";
import type { AgentSession } from "./sessions.js";

/** How long the server offers an input. Who has not seen it by then leaves it to others. */
const WAKE_OFFER_MS = 10_000;
/** Refusals of a claim that come with the trade: another worker has the input, or it is over. */
const TAKEN: ReadonlySet<ErrorCode> = new Set<ErrorCode>(["already_claimed", "run_stopped", "run_ended", "busy"]);

/**
 * Claims an input, calls the handler, and ends the run. Resolves when that is in the log, or when others have
 * the input; rejects when it cannot be worked on.
 */
export async function work<A extends App>(connection: Connection<A>, wake: Wake): Promise<void> {
  const offer = connection.offer(wake.agent);
  if (!offer) return;
  const session = connection.session(wake.session);
  try {
    const { leaseMs } = offer.options;
    const run = await (wake.run === undefined
      ? claim(connection, session, wake, leaseMs)
      : takeOver(connection, session, wake, wake.run, leaseMs));
    if (run) await conduct(run, offer.handler).catch(unexpected);
  } finally {
    session.release();
  }
}

/** Starts a run for an input, once that has been read. */
async function claim<A extends App>(
  connection: Connection<A>,
  session: AgentSession<A>,
  { agent, input: inReplyTo, attempt }: Wake,
  leaseMs: number | undefined,
): Promise<RunObject<A> | undefined> {
  const input = await session.message(inReplyTo, WAKE_OFFER_MS);
  const run = await connection.start(session, { agent, input, attempt, leaseMs, inReplyTo, parent: undefined }).catch(refused);
  if (input) return run;
  // Nobody would see an answer, and left alone it would hold up what waits behind it.
  await run?.end({ outcome: "completed", json: undefined });
  return undefined;
}

/** Goes on with the run of an earlier process, once all that it wrote has been read. */
async function takeOver<A extends App>(
  connection: Connection<A>,
  session: AgentSession<A>,
  { input, attempt }: Wake,
  id: string,
  leaseMs: number | undefined,
): Promise<RunObject<A> | undefined> {
  const run = await connection.takeOver(session, id, { input: undefined, attempt, leaseMs }).catch(refused);
  if (!run) return undefined;
  let outcome: End["outcome"] = "failed";
  try {
    await session.live();
    const message = await session.message(input, WAKE_OFFER_MS);
    const state = stateOf(session.transcript(), id);
    if (message && (state === "running" || state === "suspended")) {
      run.resume(message);
      return run;
    }
    // It was stopped or its input hidden while nobody held it, or it is over.
    outcome = "stopped";
  } catch {}
  await run.end({ outcome, json: undefined });
  return undefined;
}

/**
 * Calls a run's handler and ends the run as it went. Resolves with what it returned once the end is in the
 * log, and rejects with what it threw, or with why the run ended otherwise.
 */
export async function conduct<A extends App, T>(
  run: RunObject<A>,
  handler: (run: RunObject<A>) => T | Promise<T>,
): Promise<T> {
  let end: End;
  let thrown: { error: unknown } | undefined;
  let result: T | undefined;
  try {
    result = await handler(run);
    // A result that is not JSON is a failure of its own.
    end = { outcome: "completed", json: JSON.stringify(result) };
  } catch (error) {
    thrown = { error };
    end = { outcome: "failed", json: JSON.stringify(readable(error)) };
  }
  const ended = run.end(end);
  await ended.catch(() => {});
  run.signal.throwIfAborted();
  await ended;
  if (thrown) throw thrown.error;
  return result!;
}

/** The `error` of a run: what its handler meant to be read, and of anything else no more than a code. */
function readable(error: unknown): { code: string; detail?: string } {
  if (error instanceof DurableSessionsError) return { code: error.code };
  const { name, code, detail } = (error ?? {}) as { name?: unknown; code?: unknown; detail?: unknown };
  if (name !== "RunFailure" || typeof code !== "string") return { code: "failed" };
  return { code, ...(typeof detail === "string" && { detail }) };
}

// Nobody reads in the log what a handler did not mean to throw: who runs it does here.
function unexpected(error: unknown): void {
  const isMeant = error instanceof DurableSessionsError || (error as Error | undefined)?.name === "RunFailure";
  if (!isMeant) call(() => { throw error; });
}

function refused(error: unknown): undefined {
  if (!(error instanceof DurableSessionsError && TAKEN.has(error.code))) throw error;
}
