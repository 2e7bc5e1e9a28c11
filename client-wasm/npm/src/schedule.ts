// When subscribers are called: at most once an animation frame, and where no frames come, every
// HIDDEN_INTERVAL_MS.

/** How often subscribers are called while nothing is painted. */
const HIDDEN_INTERVAL_MS = 100;

/** A set of listeners that are called together, some time after a change. */
export class Subscribers {
  #listeners = new Set<{ fn: () => void }>();
  #frame: number | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;

  add(fn: () => void): () => void {
    // Wrapped, so that one function subscribed twice is two subscriptions.
    const listener = { fn };
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** Something changed: call them in the next frame. */
  changed(): void {
    if (this.#timer !== undefined || this.#listeners.size === 0) return;
    if (isPainting()) this.#frame = requestAnimationFrame(() => this.#flush());
    this.#arm();
  }

  // A frame that was asked for never comes once the page is hidden, so a timer watches it.
  #arm(): void {
    this.#timer = setTimeout(() => {
      if (this.#frame !== undefined && isPainting()) this.#arm();
      else this.#flush();
    }, HIDDEN_INTERVAL_MS);
  }

  #flush(): void {
    if (this.#frame !== undefined) cancelAnimationFrame(this.#frame);
    clearTimeout(this.#timer);
    this.#frame = this.#timer = undefined;
    for (const listener of [...this.#listeners]) {
      if (this.#listeners.has(listener)) call(listener.fn);
    }
  }
}

/** Calls a function of the application; what it throws is reported and harms nobody else. */
export function call<T extends unknown[]>(fn: (...args: T) => void, ...args: T): void {
  try {
    fn(...args);
  } catch (error) {
    if (typeof reportError === "function") reportError(error);
    else console.error(error);
  }
}

function isPainting(): boolean {
  return typeof requestAnimationFrame === "function" && typeof document === "object" && !document.hidden;
}
