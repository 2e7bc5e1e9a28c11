import type { DurableSessionsError } from "./errors.js";

/** A promise with its ends, which nobody has to await. */
export interface Deferred<T> {
  promise: Promise<T>;
  resolve: (value: T) => void;
  reject: (error: DurableSessionsError) => void;
}

export function deferred<T>(): Deferred<T> {
  let resolve!: (value: T) => void;
  let reject!: (error: DurableSessionsError) => void;
  const promise = new Promise<T>((yes, no) => {
    resolve = yes;
    reject = no;
  });
  // Who does not wait for it sees the failure elsewhere: in a status, or on the message.
  promise.catch(() => {});
  return { promise, resolve, reject };
}
