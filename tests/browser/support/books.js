// Counts what a script in a page could leave behind.

/** What there is to count, when nothing is left. */
export const NOTHING = { timers: 0, listeners: 0, sockets: 0, channels: 0, databases: 0, locks: 0 };

/** To run in the page before any script of it. Then `left()` gives what is there now. */
export function keepBooks() {
  // The page that a tab has before its first.
  if (location.protocol === "about:") return;
  const timers = new Set();
  const listeners = new Set();
  const sockets = [];
  const channels = new Set();
  const databases = new Set();
  globalThis.left = async () => {
    await known;
    const { held, pending } = await navigator.locks.query();
    return {
      timers: timers.size,
      listeners: listeners.size,
      sockets: sockets.filter((socket) => socket.readyState < WebSocket.CLOSING).length,
      channels: channels.size,
      databases: databases.size,
      // Other pages of the browser have theirs.
      locks: [...held, ...pending].filter(({ clientId }) => clientId === ownLockClient).length,
    };
  };
  globalThis.socketsMade = () => sockets.length;
  let ownLockClient;
  const known = navigator.locks.request("which client am I", async () => {
    const { held } = await navigator.locks.query();
    ownLockClient = held.find(({ name }) => name === "which client am I").clientId;
  });

  for (const [start, stop] of [["setTimeout", "clearTimeout"], ["requestAnimationFrame", "cancelAnimationFrame"]]) {
    const [set, clear] = [globalThis[start], globalThis[stop]];
    globalThis[start] = (fn, ...rest) => {
      const id = set((...args) => (timers.delete(`${start} ${id}`), fn(...args)), ...rest);
      timers.add(`${start} ${id}`);
      return id;
    };
    globalThis[stop] = (id) => (timers.delete(`${start} ${id}`), clear(id));
  }
  const [set, clear] = [setInterval, clearInterval];
  globalThis.setInterval = (...rest) => {
    const id = set(...rest);
    timers.add(`setInterval ${id}`);
    return id;
  };
  globalThis.clearInterval = (id) => (timers.delete(`setInterval ${id}`), clear(id));

  for (const target of [globalThis, document]) {
    const { addEventListener: add, removeEventListener: remove } = target;
    const names = new Map();
    const nameOf = (type, fn) => {
      if (!names.has(fn)) names.set(fn, names.size);
      return `${target === document} ${type} ${names.get(fn)}`;
    };
    target.addEventListener = (type, fn, ...rest) => {
      listeners.add(nameOf(type, fn));
      add.call(target, type, fn, ...rest);
    };
    target.removeEventListener = (type, fn, ...rest) => {
      listeners.delete(nameOf(type, fn));
      remove.call(target, type, fn, ...rest);
    };
  }

  globalThis.WebSocket = class extends WebSocket {
    constructor(...words) {
      super(...words);
      sockets.push(this);
    }
  };
  globalThis.BroadcastChannel = class extends BroadcastChannel {
    constructor(name) {
      super(name);
      channels.add(this);
    }

    close() {
      channels.delete(this);
      super.close();
    }
  };
  const { open } = IDBFactory.prototype;
  IDBFactory.prototype.open = function (...words) {
    const request = open.apply(this, words);
    request.addEventListener("success", () => databases.add(request.result));
    return request;
  };
  const { close } = IDBDatabase.prototype;
  IDBDatabase.prototype.close = function () {
    databases.delete(this);
    close.call(this);
  };
}
