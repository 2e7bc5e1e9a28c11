// The tarball of `cargo xtask package`, installed in a new project and used the ways that it promises.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { promisify } from "node:util";
import { chromium } from "playwright-core";
import * as vite from "vite";
import { serve } from "./site.js";

const run = promisify(execFile);
const here = import.meta.dirname;
const { version } = JSON.parse(readFileSync(join(here, "../../client-wasm/npm/package.json"), "utf8"));
const tarball = process.env.TARBALL ?? join(here, `../../target/package/durable-sessions-${version}.tgz`);
const executablePath =
  process.env.CHROMIUM ?? ["/usr/bin/chromium", "/usr/bin/google-chrome"].find((path) => existsSync(path));

const PAGE_TIMEOUT_MS = 10_000;

// The import starts nothing; the first use starts one core, which shows what is being sent; who serves an
// agent loads and starts another.
const worked = {
  startedByImport: 0,
  startedByUse: 1,
  startedByServing: 1,
  status: "connecting",
  sent: [{ text: "hello", state: "sending" }],
  afterClose: "closed",
};

let project;
let browser;

before(async () => {
  assert.ok(existsSync(tarball), `${tarball} is missing: cargo xtask package makes it`);
  project = mkdtempSync(join(tmpdir(), "durable-sessions-package-"));
  cpSync(join(here, "project"), project, { recursive: true });
  await run("npm", ["install", "--ignore-scripts", "--no-audit", "--no-fund", tarball], { cwd: project });
  // Without a sandbox: it cannot be had as root, and the pages are this test's own.
  browser = await chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-quic"] });
});

after(async () => {
  await browser?.close();
  if (project) rmSync(project, { recursive: true, force: true });
});

describe("in a browser", () => {
  test("a Vite build of a project that imports it runs", async () => {
    await vite.build({ root: project, configFile: false, logLevel: "warn" });
    await served(join(project, "dist"), "index.html");
  });

  test("Vite's development server runs it", async () => {
    const server = await vite.createServer({
      root: project,
      configFile: false,
      logLevel: "warn",
      server: { host: "127.0.0.1", port: 0 },
    });
    try {
      await server.listen();
      await shows(server.resolvedUrls.local[0]);
    } finally {
      await server.close();
    }
  });

  test("a plain script of type module runs it", () => served(project, "plain.html"));

  test("the slim entry runs with the core as a file of its own", () => served(project, "slim.html"));
});

describe("in Node", () => {
  for (const file of ["import.mjs", "require.cjs", "slim.mjs"]) {
    test(`${file} runs it`, async () => assert.deepEqual(await node(file), worked));
  }

  test("the import needs nothing of a browser, not even WebAssembly", async () => {
    assert.equal(await node("pure.mjs"), "function");
  });
});

test("its types are what a strict project, of modules or of CommonJS, takes", async () => {
  const tsc = join(here, "node_modules/typescript/bin/tsc");
  await run(process.execPath, [tsc, "--project", project]).catch(({ stdout }) => assert.fail(stdout));
});

test("the entry for Workers imports each core as a module and carries no copy of it", () => {
  for (const [file, module] of [["workerd", "client"], ["agent.workerd", "agent"]]) {
    const text = readFileSync(join(project, `node_modules/durable-sessions/dist/${file}.js`), "utf8");
    assert.match(text, new RegExp(`^import \\w+ from "\\./${module}\\.wasm";$`, "m"));
    assert.doesNotMatch(text, /[ -~]{1000}/);
  }
});

async function served(root, page) {
  const site = await serve(root);
  try {
    await shows(`${site.url}/${page}`);
  } finally {
    site.close();
  }
}

/** The page's script comes to its result, and nothing on the way is an error. */
async function shows(url) {
  const page = await browser.newPage();
  page.setDefaultTimeout(PAGE_TIMEOUT_MS);
  const errors = [];
  const failed = new Promise((_, reject) => page.on("pageerror", reject));
  failed.catch(() => {}); // also when it fails after the race below
  page.on("console", (message) => message.type() === "error" && errors.push(message.text()));
  try {
    await page.goto(url);
    const result = page.waitForFunction(() => globalThis.result).then((handle) => handle.jsonValue());
    assert.deepEqual(await Promise.race([result, failed]), worked);
    assert.deepEqual(errors, []);
  } finally {
    await page.close();
  }
}

async function node(file) {
  const { stdout } = await run(process.execPath, [join(project, file)]);
  return JSON.parse(stdout);
}
