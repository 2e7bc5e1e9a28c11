// What tests stand on: a server of their own, agents, networks, pages.

import { expect, test as base } from "@playwright/test";
import { randomBytes } from "node:crypto";
import { Chat } from "./chat.js";
import { Network } from "./network.js";
import { Program } from "./program.js";
import { Server } from "./server.js";

export { expect };

/** What the browser itself writes on the console when a connection fails, as tests make it. */
const NETWORK_ERROR = /WebSocket connection to .* failed|net::ERR_|Failed to load resource/;

export const test = base.extend({
  /** Further arguments of the server. */
  serverWords: [[], { option: true }],

  server: async ({ serverWords }, use, testInfo) => {
    const server = await Server.start(serverWords);
    await use(server);
    await server.end();
    if (testInfo.status !== testInfo.expectedStatus) await testInfo.attach("server", { body: server.stderr });
  },

  /** Starts an agent: `agent()` the demo's, `agent("rude-agent")` another, at the server or at a `url`. */
  agent: async ({ server }, use, testInfo) => {
    const agents = [];
    await use(async (name = "durable-sessions-demo-agent", { url = server.url, words = [] } = {}) => {
      const agent = await Program.start(name, ["--server", url, ...words]);
      agents.push(agent);
      return agent;
    });
    for (const agent of agents) {
      await agent.end();
      if (testInfo.status !== testInfo.expectedStatus) await testInfo.attach(agent.name, { body: agent.stderr });
    }
  },

  /** A network between page or agent and the server, which can fail. */
  network: async ({ server }, use) => {
    const network = await Network.start(server.port);
    await use(network);
    await network.end();
  },

  session: async ({}, use) => use(`test-${randomBytes(6).toString("hex")}`),

  /** What any page of the test reported, but for failed connections. */
  complaints: async ({ context }, use) => {
    const complaints = [];
    context.on("weberror", (error) => complaints.push(String(error.error())));
    context.on("console", (message) => {
      const wrong = ["error", "warning"].includes(message.type());
      if (wrong && !NETWORK_ERROR.test(message.text())) complaints.push(message.text());
    });
    await use(complaints);
    expect(complaints, "on the console").toEqual([]);
  },

  /** The page, not opened yet. */
  chat: async ({ page, server, session, complaints }, use) => use(new Chat(page, server, session)),

  /** Makes another device: a context that shares nothing with the others. */
  device: async ({ browser }, use) => {
    const contexts = [];
    await use(async (options) => {
      const context = await browser.newContext(options);
      contexts.push(context);
      return context;
    });
    for (const context of contexts) await context.close();
  },

  /** Makes another page on the same session: a tab beside the first, or one of the device `of`. */
  newChat: async ({ context, server, session, complaints }, use) =>
    use(async (of = context) => new Chat(await of.newPage(), server, session)),
});
