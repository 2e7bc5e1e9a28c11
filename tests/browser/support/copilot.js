// The copilot as its reader sees it: a root run, and a panel for each agent that works for it.

import { expect } from "@playwright/test";

export const SPECIALISTS = ["unit-economics", "bid-cap", "test-plan", "seo-listicle"];

/** What a shop says, and in numbers what it said. */
export const SHOP = { price: 49.9, cogs: 12, shipping: 5.5, feeShare: 0.029, fee: 0.3 };
export const PLAN =
  "Make me a growth plan: price $49.90, COGS $12, shipping $5.50, fees 2.9% + $0.30, conversion rate 2.5%, " +
  "1.2k orders and $30k ad spend a month";

/** What an order leaves before ads. */
export function margin({ price, cogs, shipping, feeShare, fee }) {
  return price - cogs - shipping - price * feeShare - fee;
}

export class Copilot {
  constructor(chat) {
    this.chat = chat;
    this.page = chat.page;
    this.runs = chat.page.getByTestId("run");
  }

  /** The run of an agent: the last one, if it has worked several times. */
  run(agent) {
    return this.page.locator(`[data-testid="run"][data-agent="${agent}"]`).last();
  }

  /** Its parts, without those of the runs below it. */
  part(agent, testId) {
    return this.run(agent).getByTestId(testId);
  }

  async isState(agent, state, timeout) {
    await expect(this.run(agent)).toHaveAttribute("data-state", state, { timeout });
  }

  /** Waits until all five are there, and gives their runs by agent. */
  async areAtWork() {
    const ids = {};
    for (const agent of ["assistant", ...SPECIALISTS]) {
      await expect(this.run(agent)).toBeVisible();
      ids[agent] = await this.run(agent).getAttribute("data-run");
    }
    for (const agent of SPECIALISTS) await expect(this.run(agent)).toHaveAttribute("data-parent", ids.assistant);
    return ids;
  }

  /** Waits until an agent has written something, and is not done. */
  async isWriting(agent) {
    await expect.poll(async () => ((await this.part(agent, "message-text").first().textContent()) ?? "").length).toBeGreaterThan(20);
  }

  /** A figure of an agent's newest table, as a number. */
  figure(agent, name) {
    return this.part(agent, "figures").last().locator(`[data-name="${name}"]`);
  }

  async isFigure(agent, name, value) {
    await expect
      .poll(async () => Number(await this.figure(agent, name).getAttribute("data-value")), { timeout: 40_000 })
      .toBeCloseTo(value, 6);
  }

  async steer(agent, text) {
    await this.part(agent, "steer").fill(text);
    await this.part(agent, "steer").press("Enter");
  }

  async approve() {
    await this.page.getByTestId("answer").first().click();
  }
}
