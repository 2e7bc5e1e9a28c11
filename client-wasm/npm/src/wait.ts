// Waiting for what a transcript comes to.
import type { DurableSessionsError } from "./errors.js";

/** Waits that are all looked after when something has changed. */
export class Waits {
  #looks = new Set<(error?: DurableSessionsError) => void>();

  /** Something changed; with an error, nothing more will. */
  wake(error?: DurableSessionsError): void {
    for (const look of [...this.#looks]) look(error);
  }

  /** Resolves with what `look` gives once that is defined; rejects with the signal's reason or the end's. */
  until<T>(look: () => T | undefined, signal?: AbortSignal, error?: DurableSessionsError): Promise<T> {
    return new Promise((resolve, reject) => {
      const settle = (end: () => void) => {
        this.#looks.delete(wait);
        signal?.removeEventListener("abort", abort);
        end();
      };
      const abort = () => settle(() => reject(signal!.reason));
      const wait = (error?: DurableSessionsError) => {
        const found = look();
        if (found !== undefined) settle(() => resolve(found));
        else if (error) settle(() => reject(error));
      };
      if (signal?.aborted) return reject(signal.reason);
      signal?.addEventListener("abort", abort);
      this.#looks.add(wait);
      wait(error);
    });
  }
}
