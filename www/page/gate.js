// A WebSocket class that can be cut off: the page's own network failure. Tabs share a connection, so
// one that is cut may not hear the others either.

/** Within the range that tells a client to try again. */
const CLOSE_CODE_CUT = 4090;
const CLOSE_CODE_ABNORMAL = 1006;

/** Makes a gate. Pass its `Socket` as the client's `WebSocket`. */
export function createGate() {
  const open = new Set();
  let cut = false;

  class Socket extends WebSocket {
    constructor(url, protocols) {
      // A constructor may return another object; then no connection is even begun.
      if (cut) return new SeveredSocket(url);
      super(url, protocols);
      open.add(this);
      this.addEventListener("close", () => open.delete(this));
    }
  }

  muteChannels(() => cut);

  return {
    Socket,
    get isCut() {
      return cut;
    },
    /** Closes every socket and makes new ones fail at once, until `mend`. */
    cut() {
      cut = true;
      for (const socket of open) socket.close(CLOSE_CODE_CUT, "cut by the page");
    },
    mend() {
      cut = false;
    },
  };
}

/** Makes the page's channels to its other tabs lose every message while `isCut`. */
function muteChannels(isCut) {
  if (typeof BroadcastChannel !== "function") return;
  globalThis.BroadcastChannel = class extends BroadcastChannel {
    constructor(name) {
      super(name);
      // The first listener there is: it runs before those that would take the message.
      this.addEventListener("message", (event) => {
        if (isCut()) event.stopImmediatePropagation();
      });
    }

    postMessage(message) {
      if (!isCut()) super.postMessage(message);
    }
  };
}

/** A socket that never connects: it fails the way a refused connection does. */
class SeveredSocket extends EventTarget {
  CONNECTING = 0;
  OPEN = 1;
  CLOSING = 2;
  CLOSED = 3;
  onopen = null;
  onmessage = null;
  onerror = null;
  onclose = null;
  binaryType = "blob";
  bufferedAmount = 0;
  extensions = "";
  protocol = "";
  readyState = 0;

  constructor(url) {
    super();
    this.url = String(url);
    setTimeout(() => this.#fail());
  }

  send() {
    throw new DOMException("The network is cut.", "InvalidStateError");
  }

  close() {
    this.#fail();
  }

  #fail() {
    if (this.readyState === this.CLOSED) return;
    this.readyState = this.CLOSED;
    this.#emit(new Event("error"));
    this.#emit(new CloseEvent("close", { code: CLOSE_CODE_ABNORMAL, wasClean: false }));
  }

  #emit(event) {
    this[`on${event.type}`]?.call(this, event);
    this.dispatchEvent(event);
  }
}
