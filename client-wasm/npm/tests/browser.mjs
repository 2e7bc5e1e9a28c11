// What a browser has and Node has not: Web Locks and localStorage, as far as the package uses them.
// IndexedDB is fake-indexeddb's; BroadcastChannel is Node's own.
import "fake-indexeddb/auto";

/** Web Locks: exclusive ones, granted in the order of the requests, in a later turn. */
export class FakeLocks {
  #queues = new Map();

  request(name, options, callback = options) {
    const { signal } = callback === options ? {} : options;
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      const request = { callback, resolve, reject, isHeld: false };
      signal?.addEventListener("abort", () => {
        if (request.isHeld) return;
        this.#leave(name, request);
        reject(signal.reason);
      });
      this.#queue(name).push(request);
      this.#grant(name);
    });
  }

  /** What somebody else's request with `steal` does to the holder. */
  steal(name) {
    const [holder] = this.#queue(name);
    holder.reject(new DOMException("stolen", "AbortError"));
    this.#leave(name, holder);
  }

  /** How many hold a lock of this name or wait for one. */
  count(name) {
    return this.#queue(name).length;
  }

  /** The names of all locks that are held or waited for. */
  get names() {
    return [...this.#queues.keys()].filter((name) => this.count(name) > 0);
  }

  #queue(name) {
    if (!this.#queues.has(name)) this.#queues.set(name, []);
    return this.#queues.get(name);
  }

  #leave(name, request) {
    const queue = this.#queue(name);
    const at = queue.indexOf(request);
    if (at >= 0) queue.splice(at, 1);
    this.#grant(name);
  }

  #grant(name) {
    setTimeout(async () => {
      const [first] = this.#queue(name);
      if (!first || first.isHeld) return;
      first.isHeld = true;
      try {
        first.resolve(await first.callback({ name }));
      } catch (error) {
        first.reject(error);
      }
      this.#leave(name, first);
    });
  }
}

export class FakeStorage {
  #items = new Map();

  getItem(key) {
    return this.#items.get(key) ?? null;
  }

  setItem(key, value) {
    this.#items.set(key, String(value));
  }
}

/** Gives this process what it lacks, new for each test; `without` names what stays away. */
export function browser(t, ...without) {
  const locks = new FakeLocks();
  const given = { navigator: { locks }, localStorage: new FakeStorage() };
  for (const name of ["BroadcastChannel", "indexedDB"]) given[name] = globalThis[name];
  for (const name of without) given[name] = undefined;
  for (const [name, value] of Object.entries(given)) {
    const before = Object.getOwnPropertyDescriptor(globalThis, name);
    Object.defineProperty(globalThis, name, { value, configurable: true, writable: true });
    t.after(() => {
      if (before) Object.defineProperty(globalThis, name, before);
      else delete globalThis[name];
    });
  }
  return { locks };
}
