// The demo page as its reader sees it: everything goes through its stable hooks.

import { expect } from "@playwright/test";
import { fold } from "./log.js";

/** Enough figures for a worked answer, which takes some seconds to stream. */
export const FIGURES =
  "Price $49.90, COGS $12, shipping $5.50, fees 2.9% + $0.30, conversion rate 2.5%, 1.2k orders and $30k ad spend a month";

/** So much of an answer is there that it streams, and so little that it goes on for a while. */
const STREAMING_MIN_CHARS = 60;

export class Chat {
  constructor(page, server, session) {
    this.page = page;
    this.server = server;
    this.session = session;
    this.composer = page.getByTestId("composer");
    this.status = page.getByTestId("status");
    this.messages = page.getByTestId("message");
    this.answers = page.locator('[data-testid="message"][data-role="assistant"]');
    this.stop = page.getByTestId("stop");
  }

  /** Opens it at `url`, which is that of its server or of something in between. */
  async open({ url = this.server.url, as } = {}) {
    const query = new URLSearchParams({ session: this.session, ...(as && { as }) });
    await this.page.goto(`${url}/?${query}`);
    await this.isLive();
    return this;
  }

  async send(text) {
    await this.composer.fill(text);
    await this.page.getByTestId("send").click();
  }

  async isLive(timeout) {
    await expect(this.status).toHaveText("live", { timeout });
  }

  /** Waits until the n-th answer streams, and gives its run. */
  async isStreaming(answer = 0) {
    const message = this.answers.nth(answer);
    await expect(message).toHaveAttribute("data-state", "streaming");
    await expect.poll(async () => (await message.textContent()).length).toBeGreaterThan(STREAMING_MIN_CHARS);
    return message.getAttribute("data-run");
  }

  async isState(answer, state, timeout) {
    await expect(this.answers.nth(answer)).toHaveAttribute("data-state", state, { timeout });
  }

  /** What is on the page, message by message. */
  async shown() {
    const shown = await this.messages.evaluateAll((messages) =>
      messages.map(({ dataset, textContent }) => ({ ...dataset, text: textContent })),
    );
    return shown.map(facts);
  }

  events() {
    return this.server.events(this.session);
  }

  /** Whether the log holds more than it did at `length` events. */
  async goesOn(length, by = 10) {
    await expect.poll(async () => (await this.events()).length).toBeGreaterThan(length + by);
  }

  /**
   * The page shows the log: no character lost or doubled, nothing left out or spinning. It is live,
   * and what it has folded is what the server folds.
   */
  async showsTheLog() {
    await this.isLive();
    const events = await this.events();
    expect(events.map((event) => event.offset)).toEqual(events.map((_, index) => index + 1));
    await expect(this.page.getByTestId("offset")).toHaveText(String(events.length));

    const transcript = await this.server.transcript(this.session);
    expect(transcript.offset).toBe(events.length);
    // The page draws a frame behind its transcript.
    await expect.poll(() => this.shown()).toEqual(transcript.messages.map(facts));
    expect((await this.shown()).map(({ id, role, text }) => ({ id, role, text }))).toEqual(fold(events));
    expect(await this.page.evaluate(() => durableSessions.session.transcript())).toEqual(transcript);
    return events;
  }
}

/** What page and server must agree on about a message. */
function facts({ id, role, run, state, text }) {
  return { id, role, run, state, text };
}
