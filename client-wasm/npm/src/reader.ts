// The batches of a session as an async iterator.
import type { Batch } from "./types.js";

type Step = IteratorResult<Batch, undefined>;

/**
 * Gives batches out as they are asked for. What waits here is bounded by the core, which stops at 1,024
 * events until it is asked for more.
 */
export class BatchReader implements AsyncIterableIterator<Batch, undefined> {
  #batches: Batch[] = [];
  #waiting: { resolve: (step: Step) => void; reject: (error: unknown) => void }[] = [];
  // Set once no more batches come.
  #end: { error: unknown } | undefined;
  #onEmpty: () => void;
  #onEnd: () => void;
  #signal: AbortSignal | undefined;
  #abort = () => this.end(this.#signal!.reason);

  /** `onEmpty` asks for more; `onEnd` is called once. */
  constructor(onEmpty: () => void, onEnd: () => void, signal: AbortSignal | undefined) {
    this.#onEmpty = onEmpty;
    this.#onEnd = onEnd;
    this.#signal = signal;
    signal?.addEventListener("abort", this.#abort);
  }

  push(batch: Batch): void {
    const asked = this.#waiting.shift();
    if (asked) asked.resolve({ done: false, value: batch });
    else this.#batches.push(batch);
  }

  /** No more batches come; those that wait are still given out, then the error if there is one. */
  end(error?: unknown): void {
    if (this.#end) return;
    this.#end = { error };
    this.#signal?.removeEventListener("abort", this.#abort);
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
    if (!this.#end) {
      const step = new Promise<Step>((resolve, reject) => this.#waiting.push({ resolve, reject }));
      this.#onEmpty();
      return step;
    }
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
