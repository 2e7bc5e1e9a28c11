// The batches of a session as an async iterator.
import { failure } from "./errors.js";
import type { Batch } from "./types.js";

/** Batches that wait for a reader who does not come; one more ends the iteration `rate_limited`. */
const READER_MAX_BATCHES = 256;

type Step = IteratorResult<Batch, undefined>;

/** Takes batches in as they arrive and gives them out as they are asked for. */
export class BatchReader implements AsyncIterableIterator<Batch, undefined> {
  #batches: Batch[] = [];
  #waiting: { resolve: (step: Step) => void; reject: (error: unknown) => void }[] = [];
  // Set once no more batches come.
  #end: { error: unknown } | undefined;
  #onEnd: () => void;

  constructor(onEnd: () => void) {
    this.#onEnd = onEnd;
  }

  /** Ends when the signal says so. */
  listen(signal: AbortSignal | undefined): void {
    const abort = () => this.end(signal!.reason);
    if (signal?.aborted) abort();
    else signal?.addEventListener("abort", abort, { once: true });
  }

  push(batch: Batch): void {
    const asked = this.#waiting.shift();
    if (asked) asked.resolve({ done: false, value: batch });
    else if (this.#batches.length < READER_MAX_BATCHES) this.#batches.push(batch);
    else this.end(failure("rate_limited", "the reader of events() fell too far behind"));
  }

  /** No more batches come; those that wait are still given out, then the error if there is one. */
  end(error?: unknown): void {
    if (this.#end) return;
    this.#end = { error };
    for (const { resolve, reject } of this.#waiting.splice(0)) {
      if (error === undefined) resolve({ done: true, value: undefined });
      else reject(error);
      error = undefined;
      this.#end.error = undefined;
    }
    this.#onEnd();
  }

  next(): Promise<Step> {
    const value = this.#batches.shift();
    if (value) return Promise.resolve({ done: false, value });
    if (!this.#end) return new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }));
    const { error } = this.#end;
    this.#end.error = undefined;
    return error === undefined ? Promise.resolve({ done: true, value: undefined }) : Promise.reject(error);
  }

  return(): Promise<Step> {
    this.#batches = [];
    this.end();
    return Promise.resolve({ done: true, value: undefined });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}
