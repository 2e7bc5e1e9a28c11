// A tab that follows one session and writes down all it is given: the built package in a document
// of the server's origin that runs nothing else, so that several of them fit a small machine. The
// browser may keep that document when it is left, which forbids `Cache-Control: no-store`.

/** What the browser can be told while its page stands still. */
const PAUSED_TIMEOUT_MS = 10_000;
/** For the answer to an act, a handover and what it takes to end a run included. */
const ANSWER_TIMEOUT_MS = 40_000;

export class Tab {
  #debugger;
  isVisible = true;
  /** The last offset of what {@link taken} gave that was compared with the log. */
  checked = 0;

  /** `server` is the URL of its server, or of something in between. */
  constructor(page, server, session) {
    this.page = page;
    this.server = server;
    this.session = session;
  }

  get url() {
    return `${this.server}/style.css`;
  }

  /** Loads the page and follows the session from its start. */
  async open() {
    await this.page.goto(this.url);
    return this.follow();
  }

  /** Follows the session in a page that is there. */
  async follow() {
    this.checked = 0;
    await this.page.evaluate(follow, this.session);
    return this;
  }

  /** Opens another tab by script, which shares this one's process. */
  async opens() {
    const [page] = await Promise.all([
      this.page.waitForEvent("popup"),
      this.page.evaluate((url) => void open(url), this.url),
    ]);
    await page.waitForURL(this.url);
    return new Tab(page, this.server, this.session).follow();
  }

  /** How it stands. */
  now() {
    return this.page.evaluate(() => ({
      role: tab.client.role,
      tabs: tab.client.tabs,
      status: tab.session.status,
      offset: Math.min(tab.session.transcript().offset, tab.last),
    }));
  }

  /** What it shows, and the batches that came since it was asked last. */
  async taken() {
    // As text, which is by far the cheaper way out of a page for hundreds of events.
    const text = await this.page.evaluate(() => {
      const { session, batches, failed } = tab;
      return JSON.stringify({ transcript: session.transcript(), batches: batches.splice(0), failed });
    });
    return JSON.parse(text);
  }

  /** The longest time without an event after `from`, and before the last one; ms. */
  gapSince(from) {
    return this.page.evaluate((from) => {
      const before = tab.arrivals.findLastIndex((at) => at < from);
      const times = tab.arrivals.slice(Math.max(before, 0));
      tab.arrivals = times;
      return Math.max(0, ...times.slice(1).map((at, index) => at - times[index]));
    }, from);
  }

  /** Sends messages, one each `paceMs`; their acks are awaited by {@link acks}. */
  async sends(messages, paceMs) {
    await this.page.evaluate(async ({ messages, paceMs }) => {
      for (const message of messages) {
        tab.acks.push(tab.session.send(message));
        await new Promise((resolve) => setTimeout(resolve, paceMs));
      }
    }, { messages, paceMs });
  }

  /** After a while stops a run and sends a message in one go; {@link acks} says how that went. */
  async stopsAndSends(run, message, afterMs = 0) {
    await this.page.evaluate(async ({ run, message, afterMs }) => {
      if (afterMs > 0) await new Promise((resolve) => setTimeout(resolve, afterMs));
      tab.acks = [tab.session.stop({ run }).then((receipt) => receipt.ended()), tab.session.send(message)];
    }, { run, message, afterMs });
  }

  /** Waits for the answers to all that was sent here. */
  acks() {
    return this.page.evaluate((timeoutMs) => {
      const late = new Promise((_, reject) => {
        setTimeout(() => reject(new Error(`${tab.acks.length} acts, not all answered in time`)), timeoutMs);
      });
      return Promise.race([Promise.all(tab.acks), late]);
    }, ANSWER_TIMEOUT_MS);
  }

  /** Kills its process and all that live in it. Resolves when it is dead. */
  async crash() {
    const debug = await this.page.context().newCDPSession(this.page);
    const dead = this.page.waitForEvent("crash");
    // The dead do not answer.
    debug.send("Page.crash").catch(() => {});
    await dead;
  }

  /** Stops its scripts where they are; the browser's side of it goes on. */
  async freeze() {
    this.#debugger = await this.page.context().newCDPSession(this.page);
    await this.#debugger.send("Debugger.enable");
    const paused = new Promise((resolve, reject) => {
      this.#debugger.once("Debugger.paused", resolve);
      setTimeout(() => reject(new Error("it runs no script that could be stopped")), PAUSED_TIMEOUT_MS);
    });
    await this.#debugger.send("Debugger.pause");
    await paused;
  }

  async thaw() {
    await this.#debugger.send("Debugger.resume");
    await this.#debugger.send("Debugger.disable");
    await this.#debugger.detach();
  }

  /** Leaves for another page, so that the browser keeps this one. */
  async leave() {
    await this.page.goto(`${this.server}/readyz`);
  }

  /** Comes back to it, and says whether the browser had kept it. */
  async comeBack() {
    await this.page.goBack({ waitUntil: "commit" });
    return this.page.evaluate(() => globalThis.tab?.wasKept ?? false);
  }

  /** What the page is told, `visible` or `hidden`: a browser without a screen shows every tab. */
  async becomes(visibility) {
    this.isVisible = visibility === "visible";
    await this.page.evaluate((visibility) => {
      Object.defineProperty(document, "visibilityState", { configurable: true, get: () => visibility });
      Object.defineProperty(document, "hidden", { configurable: true, get: () => visibility === "hidden" });
      document.dispatchEvent(new Event("visibilitychange"));
    }, visibility);
  }

  /** Takes the lock of the leader away from whoever has it, and gives it back after a while. */
  async steal(heldMs) {
    await this.page.evaluate(async (heldMs) => {
      const { held } = await navigator.locks.query();
      const [lock] = held.filter(({ name }) => name.startsWith("durable-sessions"));
      const hold = () => new Promise((resolve) => setTimeout(resolve, heldMs));
      await navigator.locks.request(lock.name, { steal: true }, hold);
    }, heldMs);
  }

  /** Whether the other tabs hear what it says. */
  async isHeard(heard) {
    await this.page.evaluate((heard) => {
      const { prototype } = BroadcastChannel;
      prototype.said ??= prototype.postMessage;
      prototype.postMessage = heard ? prototype.said : () => {};
    }, heard);
  }
}

/** Runs in the page. */
async function follow(id) {
  const { connect } = await import("/pkg/index.js");
  const client = connect();
  const session = client.session(id);
  const tab = { client, session, batches: [], last: 0, arrivals: [], acks: [], failed: null, wasKept: false };
  globalThis.tab = tab;
  addEventListener("pageshow", ({ persisted }) => (tab.wasKept ||= persisted));
  session.on("event", () => tab.arrivals.push(Date.now()));
  const read = async () => {
    for await (const batch of session.events({ after: 0 })) {
      tab.batches.push(batch);
      tab.last = batch.last;
    }
  };
  read().catch((error) => (tab.failed = String(error)));
  await session.ready;
}
