// The tabs of one browser on one session, and what must hold of them at any time.

import { expect } from "@playwright/test";
import { fold } from "./log.js";
import { Tab } from "./tab.js";
import { connections, Tail } from "./tail.js";

const SETTLE_TIMEOUT_MS = 40_000;
const LOOK_MS = [50];

export class Tabs {
  /** Those that live and run. */
  present = [];
  #context;
  #server;
  #session;
  #url;
  #others;

  /** They are opened at `url`; `others` counts the connections that are not this browser's. */
  constructor(context, server, session, { url = server.url, others = 0 } = {}) {
    this.#context = context;
    this.#server = server;
    this.#session = session;
    this.#url = url;
    this.#others = others;
    this.log = new Tail(server, session);
  }

  /** Opens `count` more, one after the other. */
  async open(count = 1) {
    for (let opened = 0; opened < count; opened += 1) {
      const tab = new Tab(await this.#context.newPage(), this.#url, this.#session);
      this.present.push(await tab.open());
    }
  }

  /** Opens one by a script of `tab`, whose process it shares. */
  async openFrom(tab) {
    const child = await tab.opens();
    this.present.push(child);
    await this.settled();
    return child;
  }

  /** From now on `tab` is not looked at. */
  lose(tab) {
    this.present = this.present.filter((other) => other !== tab);
  }

  find(tab) {
    this.present.push(tab);
  }

  async leader() {
    const tabs = [...this.present];
    const roles = await Promise.all(tabs.map(roleOf));
    return tabs[roles.indexOf("leader")];
  }

  /** Waits until a tab other than `leader` leads. */
  async another(leader) {
    const others = this.present.filter((tab) => tab !== leader);
    await expect
      .poll(() => Promise.all(others.map(roleOf)), { timeout: SETTLE_TIMEOUT_MS, intervals: LOOK_MS })
      .toContain("leader");
  }

  /**
   * Waits until one of them leads and has the only connection, and all have what was in the log
   * then. `except` names a tab that shall not lead.
   */
  async settled({ except } = {}) {
    const followers = this.present.length - 1;
    await expect
      .poll(() => this.#standing(except), { timeout: SETTLE_TIMEOUT_MS, intervals: LOOK_MS })
      .toEqual({ leader: 1, follower: followers, connections: 1 });
    const { length } = await this.log.read();
    await expect
      .poll(() => this.#least(), { timeout: SETTLE_TIMEOUT_MS, intervals: LOOK_MS })
      .toBeGreaterThanOrEqual(length);
  }

  /** Each tab shows the log, and was given each of its events once and in order. */
  async showTheLog() {
    const all = await Promise.all(this.present.map((tab) => tab.taken()));
    const log = await this.log.read();
    for (const [index, { transcript, batches, failed }] of all.entries()) {
      expect(failed).toBeNull();
      shows(transcript, log);
      this.present[index].checked = covers(batches, log, this.present[index].checked);
    }
  }

  async #standing(except) {
    const roles = await Promise.all(this.present.map(roleOf));
    const count = (name) => roles.filter((role) => role === name).length;
    // To be told in the failure: the leader that was to go.
    const still = except && roles[this.present.indexOf(except)] === "leader" && { still: true };
    return {
      leader: count("leader"),
      follower: count("follower"),
      connections: (await connections(this.#server)) - this.#others,
      ...still,
    };
  }

  async #least() {
    const all = await Promise.all(this.present.map((tab) => tab.now()));
    return Math.min(...all.map(({ offset }) => offset));
  }
}

async function roleOf(tab) {
  return (await tab.now()).role;
}

/** The transcript is the fold of the log up to its offset. */
function shows({ offset, messages }, log) {
  const taken = messages.filter(({ state }) => state !== "sending");
  expect(taken.map(({ id, role, text }) => ({ id, role, text }))).toEqual(fold(log.slice(0, offset)));
}

/** The batches go on after `last` without gap or repeat, and say what the log says. Gives the new last. */
function covers(batches, log, last) {
  const begin = last;
  for (const batch of batches) {
    if (batch.first !== last + 1) throw new Error(`a batch from ${batch.first} to ${batch.last} came after ${last}`);
    last = batch.last;
  }
  expect(said(batches.flatMap(({ events }) => events))).toEqual(said(log.slice(begin, last)));
  return last;
}

/** What events say, however the deltas of a part are joined. */
function said(events) {
  const deltas = new Map();
  const others = [];
  for (const event of events) {
    if (event.kind !== "delta") {
      others.push(event);
      continue;
    }
    const part = `${event.run} ${event.message} ${event.part ?? 0}`;
    deltas.set(part, (deltas.get(part) ?? "") + event.text);
  }
  return { deltas: Object.fromEntries(deltas), others };
}
