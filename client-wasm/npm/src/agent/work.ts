// From an input that is offered to the end of the run that claimed it.
import { DurableSessionsError } from "../errors.js";
import type { App } from "../types.js";
import type { Connection, Wake } from "./connection.js";
import type { RunObject } from "./run.js";

/** How long the server offers an input. Who has not seen it by then leaves it to others. */
const WAKE_OFFER_MS = 10_000;

/** Claims an input, calls the handler, and ends the run. Resolves when that is in the log. */
export async function work<A extends App>(connection: Connection<A>, wake: Wake): Promise<void> {
  const offer = connection.offer(wake.agent);
  if (!offer) return;
  const session = connection.session(wake.session);
  try {
    const input = await session.message(wake.input, WAKE_OFFER_MS);
    const { agent, attempt } = wake;
    const claim = { agent, input, attempt, inReplyTo: wake.input, parent: undefined };
    const run = await connection.start(session, claim).catch(refused);
    if (run) await conduct(connection, run, offer.handler).catch(() => {});
  } finally {
    session.release();
  }
}

/**
 * Calls a run's handler and ends the run as it went. Resolves with what it returned once the end is in the
 * log, and rejects with what it threw, or with why the run ended otherwise.
 */
export async function conduct<A extends App, T>(
  connection: Connection<A>,
  run: RunObject<A>,
  handler: (run: RunObject<A>) => T | Promise<T>,
): Promise<T> {
  let end: { outcome: "completed" | "failed"; json: string | undefined };
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
  run.over();
  if (!run.isGone) connection.command({ type: "end_run", session: run.session, run: run.id, ...end });
  await run.isEnded;
  connection.forget(run);
  run.signal.throwIfAborted();
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

// Another worker has the input, or it is gone: the server's word on that is enough.
function refused(): undefined {}
