// A page or frame that runs the built package and nothing else, with clients as a test wants them.

import { expect } from "@playwright/test";

export class Peer {
  /** `url` is that of its server, or of something in between. */
  constructor(frame, url) {
    this.frame = frame;
    this.url = url;
  }

  get page() {
    return this.frame.page?.() ?? this.frame;
  }

  /** Loads a page of the server's origin that has no script of its own. */
  async open() {
    await this.frame.goto(`${this.url}/healthz`);
    return this;
  }

  /**
   * Makes the client `name` and attaches it to sessions. `claims` are those of its tokens; all else
   * in `options` goes to `connect`.
   */
  async connect(sessions, { name = "main", claims, ...options } = {}) {
    await this.frame.evaluate(connectInPage, { sessions, name, options, token: claims && tokenOf(claims) });
    return this;
  }

  /** Waits until its sessions have caught up. */
  async isReady(name = "main") {
    await this.frame.evaluate((name) => Promise.all(Object.values(peers[name].sessions).map(({ ready }) => ready)), name);
    return this;
  }

  /** How it stands; `presence` and `texts` by session. */
  now(name = "main") {
    return this.frame.evaluate((name) => {
      const { client, sessions } = peers[name];
      const { status, role, tabs } = client;
      const ofEach = (fn) => Object.fromEntries(Object.entries(sessions).map(([id, session]) => [id, fn(session)]));
      return {
        status, role, tabs,
        presence: ofEach((session) => session.presence),
        texts: ofEach((session) => session.transcript().messages.map(({ text }) => text)),
      };
    }, name);
  }

  async role(name) {
    return (await this.now(name)).role;
  }

  async texts(session, name) {
    return (await this.now(name)).texts[session];
  }

  transcript(session, name = "main") {
    return this.frame.evaluate(([name, session]) => peers[name].sessions[session].transcript(), [name, session]);
  }

  /** Sends, and does not wait for the answer. */
  async send(session, message, name = "main") {
    await this.frame.evaluate(([name, session, message]) => {
      peers[name].sessions[session].send(message).catch(() => {});
    }, [name, session, message]);
  }

  /** Sends, and waits until it is durable. */
  async sends(session, message, name = "main") {
    await this.frame.evaluate(([name, session, message]) => peers[name].sessions[session].send(message), [name, session, message]);
  }

  async close(options, name = "main") {
    await this.frame.evaluate(([name, options]) => peers[name].client.close(options), [name, options]);
  }

  async has(session, texts, name) {
    await expect.poll(() => this.texts(session, name)).toEqual(texts);
  }

  /** Kills its process. Resolves when it is dead. */
  crash() {
    return crash(this.page, () => {});
  }

  /** Runs `act` in the page, and kills its process before that task has ended. */
  crashAfter(act, argument) {
    return crash(this.page, async () => {
      const done = this.page.waitForEvent("console", (message) => message.text() === DONE);
      const run = `(${act})(${JSON.stringify(argument)}); console.debug(${JSON.stringify(DONE)}); for (;;);`;
      // The dead do not answer.
      this.frame.evaluate(run).catch(() => {});
      await done;
    });
  }
}

const DONE = "done, and running on";

async function crash(page, before) {
  const debug = await page.context().newCDPSession(page);
  const dead = page.waitForEvent("crash");
  await before();
  debug.send("Page.crash").catch(() => {});
  await dead;
  await page.close();
}

/** A token that nobody has signed: what clients read of it is all that matters to them. */
function tokenOf(claims) {
  const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
  return `${part({ alg: "none", typ: "JWT" })}.${part(claims)}.`;
}

/** Runs in the page. */
async function connectInPage({ sessions, name, options, token }) {
  const { connect } = await import("/pkg/index.js");
  const client = connect(undefined, { ...options, ...(token && { token: async () => token }) });
  globalThis.peers ??= {};
  peers[name] = { client, sessions: Object.fromEntries(sessions.map((id) => [id, client.session(id)])) };
}
