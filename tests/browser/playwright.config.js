import { existsSync } from "node:fs";
import { defineConfig } from "@playwright/test";

const executablePath =
  process.env.CHROMIUM ?? ["/usr/bin/chromium", "/usr/bin/google-chrome"].find((path) => existsSync(path));

export default defineConfig({
  testDir: "tests",
  outputDir: "results",
  reporter: "list",
  fullyParallel: true,
  // Tests mostly wait: for an answer at its pace, for a clock of the server.
  workers: 4,
  // A test that passes now and then is a failing test.
  retries: 0,
  // No test measures by them. They end what hangs, also on a machine that is busy with other things.
  timeout: 120_000,
  expect: { timeout: 30_000 },
  forbidOnly: Boolean(process.env.CI),
  use: {
    browserName: "chromium",
    // Without a sandbox: it cannot be had as root, and the pages are this test's own.
    launchOptions: { executablePath, args: ["--no-sandbox"] },
    trace: "off",
  },
});
