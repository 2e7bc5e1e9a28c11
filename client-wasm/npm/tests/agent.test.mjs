// Agents in Node, from the facade through their core to the server itself.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import WebSocket from "ws";
import { connect, RunFailure } from "./package.mjs";
import { fakeServer, until } from "./server.mjs";
import { answer, message, rejections, run, stage } from "./stage.mjs";

test("an input is worked on, and what the handler returns is the run's result", async (t) => {
  const { session, agent, events } = await stage(t);
  let seen;
  agent.serve("assistant", async (run) => {
    const { id, session, input, attempt, signal } = run;
    seen = { id, session, text: input.text, attempt, aborted: signal.aborted };
    await run.write("Hi ");
    await run.write("there.");
    return { words: 2 };
  });
  await session.send("hello");
  const { id } = await run(session, "assistant", "completed");
  assert.deepEqual(seen, { id, session: "s", text: "hello", attempt: 1, aborted: false });
  const { messages } = session.transcript();
  assert.deepEqual(messages.map(({ role, text, state }) => [role, text, state]), [
    ["user", "hello", "sent"],
    ["assistant", "Hi there.", "completed"],
  ]);
  const end = (await events("s")).find((event) => event.kind === "run.ended");
  assert.deepEqual(end.data, { words: 2 });
  assert.deepEqual(end.from, { kind: "agent", id: "bot" });
});

test("text, reasoning and whole parts keep their order, and a part with a key takes its own place", async (t) => {
  const { session, agent } = await stage(t);
  agent.serve("assistant", async (run) => {
    run.write("let me see", { type: "reasoning" });
    run.write("One ");
    run.write("two");
    run.part({ type: "tool", state: "running" }, "search");
    run.write("three");
    await run.part({ type: "tool", state: "done" }, "search");
  });
  await session.send("count");
  await run(session, "assistant", "completed");
  assert.deepEqual(answer(session).parts, [
    { type: "reasoning", text: "let me see" },
    { type: "text", text: "One two" },
    { type: "tool", state: "done" },
    { type: "text", text: "three" },
  ]);
});

test("a stop aborts the signal, and the run ends stopped whatever its handler does", async (t) => {
  const { session, agent, events } = await stage(t);
  let reason;
  agent.serve("assistant", async (run) => {
    await run.write("working");
    await new Promise((resolve) => run.signal.addEventListener("abort", resolve));
    reason = run.signal.reason.code;
    // Neither awaited nor caught: it must not be an unhandled rejection.
    run.write("too late");
    await assert.rejects(run.write("much too late"), { code: "run_stopped" });
    return { ignored: true };
  });
  await session.send("go");
  await until(() => answer(session)?.text === "working");
  const receipt = await session.stop();
  const [end] = await receipt.ended();
  assert.equal(end.outcome, "stopped");
  assert.equal(reason, "run_stopped");
  const log = await events("s");
  assert.equal(log.at(-1).kind, "run.ended");
  assert.equal(log.at(-1).data, undefined);
  assert.deepEqual(log.at(-1).from, { kind: "agent", id: "bot" });
});

test("what a handler throws is told by no more than a code, unless it was meant to be read", async (t) => {
  const { session, agent } = await stage(t);
  const thrown = {
    plain: new Error("the password is hunter2"),
    meant: new RunFailure("no_data", "There is nothing about that."),
  };
  agent.serve("assistant", ({ input }) => {
    throw thrown[input.text];
  });
  const failed = async (text) => {
    const { id } = await session.send(text);
    await until(() => session.transcript().runs.some((run) => run.inReplyTo === id && run.state === "failed"));
    return session.transcript().runs.find((run) => run.inReplyTo === id).error;
  };
  assert.deepEqual(await failed("plain"), { code: "failed" });
  assert.deepEqual(await failed("meant"), { code: "no_data", detail: "There is nothing about that." });
});

test("a result that is not JSON fails the run", async (t) => {
  const { session, agent } = await stage(t);
  agent.serve("assistant", () => 1n);
  await session.send("go");
  assert.deepEqual((await run(session, "assistant", "failed")).error, { code: "failed" });
});

test("history is the conversation up to the input", async (t) => {
  const { session, agent } = await stage(t);
  const histories = [];
  agent.serve("assistant", async (run) => {
    await run.write(`re: ${run.input.text}`);
    histories.push((await run.history()).map(({ text }) => text));
    histories.push((await run.history({ last: 1 })).map(({ text }) => text));
  });
  await session.send("one");
  await session.send("two");
  await until(() => histories.length === 4);
  assert.deepEqual(histories, [["one"], ["one"], ["one", "re: one", "two"], ["two"]]);
});

test("what nobody awaits is no unhandled rejection, however the run ends", async (t) => {
  const { session, agent } = await stage(t);
  agent.serve("assistant", async (run) => {
    run.ask("never answered");
    run.delegate("nobody", "never done");
    run.child("child", () => {
      throw new Error("unheard");
    });
    await run.write("begun");
    if (run.input.text === "wait") await new Promise((resolve) => run.signal.addEventListener("abort", resolve));
  });
  await session.send("go");
  await run(session, "assistant", "completed");
  await session.send("wait");
  await until(() => session.transcript().messages.filter(({ text }) => text === "begun").length === 2);
  await (await session.stop()).ended();
  assert.deepEqual(rejections, []);
});

test("a question waits for its answer, whoever gives it", async (t) => {
  const { session, agent, client } = await stage(t);
  agent.serve("assistant", async (run) => {
    const answers = await Promise.all([run.ask({ sure: "one?" }), run.ask({ sure: "two?" })]);
    // The same words once more are another question.
    answers.push(await run.ask({ sure: "two?" }));
    await run.write(answers.join(" "));
  });
  await session.send("go");
  const { asks } = await run(session, "assistant", "suspended");
  await until(() => session.transcript().active[0].asks.length === 2);
  assert.deepEqual(asks[0].body, { sure: "one?" });
  const [one, two] = session.transcript().active[0].asks;
  const other = client("user/bea").session("s");
  await other.ready;
  await other.answer(two.id, "no");
  await session.answer(one.id, "yes");
  const open = () => session.transcript().active[0].asks.filter(({ id }) => id !== one.id && id !== two.id);
  await until(() => open().length > 0, "it asks once more");
  await session.answer(open()[0].id, "at last");
  await run(session, "assistant", "completed");
  assert.equal(answer(session).text, "yes no at last");
});

test("what people say to a run comes to it while it works, and counts as used", async (t) => {
  const { session, agent } = await stage(t);
  agent.serve("assistant", async (run) => {
    await run.write("ready");
    for await (const steer of run.steers) {
      await run.write(` ${steer.text}`);
      if (steer.text === "stop") break;
    }
  });
  await session.send("go");
  const { id } = await run(session, "assistant", "running");
  await until(() => answer(session)?.text === "ready");
  await session.steer(id, "left");
  await session.steer(id, "right");
  await session.steer(id, "stop");
  await run(session, "assistant", "completed");
  assert.equal(answer(session).text, "ready left right stop");
  const steers = session.transcript().messages.filter((message) => message.role === "user" && message.run === id);
  assert.deepEqual(steers.map(({ text, state }) => [text, state]), [
    ["left", "completed"], ["right", "completed"], ["stop", "completed"],
  ]);
});

test("a write waits while the server does not keep up, and nothing is lost of what was written", async (t) => {
  const { session, agent, halt, goOn } = await stage(t);
  const piece = "0123456789abcdef".repeat(4096);
  const pieces = 32;
  let written = 0;
  let isWaiting = false;
  agent.serve("assistant", async (run) => {
    await run.write("ready");
    halt();
    while (written < pieces) {
      const write = run.write(piece).then(() => (isWaiting = false));
      isWaiting = true;
      await write;
      written++;
    }
  });
  await session.send("go");
  // A write that resolves at once does so before the next turn of the event loop.
  await until(() => isWaiting, "a write waits");
  // Twice what may be unanswered is never taken in.
  assert.ok(written * piece.length < 2 * 1024 * 1024, `${written} were taken`);
  goOn();
  await run(session, "assistant", "completed");
  assert.equal(answer(session).text.length, "ready".length + pieces * piece.length);
});

test("who writes without awaiting is refused before memory is full", async (t) => {
  const { session, agent, halt, goOn } = await stage(t);
  const refused = [];
  agent.serve("assistant", async (run) => {
    await run.write("ready");
    halt();
    const writes = Array.from({ length: 100 }, () => run.write("x".repeat(64 * 1024)));
    await Promise.race(writes.map((write) => write.catch(({ code }) => refused.push(code))).slice(-1));
    goOn();
  });
  await session.send("go");
  await run(session, "assistant", "completed");
  assert.deepEqual([...new Set(refused)], ["outbox_full"]);
});

test("as many inputs are worked on at a time as it says", async (t) => {
  const { agent, client } = await stage(t);
  let atWork = 0;
  let most = 0;
  const go = [];
  agent.serve("assistant", async () => {
    most = Math.max(most, ++atWork);
    await new Promise((resolve) => go.push(resolve));
    atWork--;
  }, { concurrency: 2, sessions: "many-*" });
  const user = client("user/bea");
  const sessions = [1, 2, 3, 4].map((n) => user.session(`many-${n}`));
  const elsewhere = user.session("elsewhere");
  for (const session of [elsewhere, ...sessions]) await session.send("go");
  for (let turn = 0; turn < 2; turn++) {
    await until(() => go.length === 2, "two are at work");
    for (const end of go.splice(0)) end();
  }
  for (const session of sessions) await run(session, "assistant", "completed");
  assert.equal(most, 2);
  assert.deepEqual(elsewhere.transcript().runs, []);
});

test("once it is disposed of no more input comes, and what is at work goes on to its end", async (t) => {
  const { session, agent, client } = await stage(t);
  let finish;
  const serving = agent.serve("assistant", (run) => new Promise((resolve) => {
    finish = () => run.write("done").then(resolve);
  }));
  await session.send("one");
  await until(() => finish);
  serving[Symbol.dispose]();
  // Another one has what comes now, since the first does not any more, though it is still at work.
  const first = finish;
  const elsewhere = client("user/bea").session("elsewhere");
  await elsewhere.send("two");
  client("agent/next").serve("assistant", (run) => run.write("by another"));
  await until(() => elsewhere.transcript().messages.at(-1).text === "by another");
  assert.equal(finish, first);
  await finish();
  await run(session, "assistant", "completed");
  assert.equal(answer(session).text, "done");
});

test("a process of the same producer goes on with what an earlier one left open", async (t) => {
  const { session, agent, client, events } = await stage(t);
  const options = { producer: "worker-1" };
  agent.serve("assistant", async (run) => {
    await run.write("begun, ");
    const answer = run.ask("go on?");
    for await (const steer of run.steers) await run.write(`${steer.text}, `);
    await answer;
  }, options);
  await session.send("go");
  const { id } = await run(session, "assistant", "suspended");
  await session.steer(id, "left");
  await until(() => answer(session)?.text === "begun, left, ");
  const [ask] = session.transcript().active[0].asks;
  agent.close();
  let seen;
  client("agent/bot").serve("assistant", async (run) => {
    const history = (await run.history()).map(({ role, text }) => [role, text]);
    seen = { id: run.id, isResumed: run.isResumed, attempt: run.attempt, history };
    await run.write(`and ${await run.ask("go on?")}`);
  }, options);
  await until(() => seen);
  assert.deepEqual(seen, {
    id, isResumed: true, attempt: 1,
    history: [["user", "go"], ["user", "left"], ["assistant", "begun, left, "]],
  });
  assert.equal(session.transcript().active[0].asks.length, 1);
  await session.answer(ask.id, "on");
  await run(session, "assistant", "completed");
  assert.deepEqual(answer(session).parts.map(({ text }) => text), ["begun, left, ", "and on"]);
  const kinds = (await events("s")).map(({ kind }) => kind);
  assert.equal(kinds.filter((kind) => kind === "run.started").length, 1);
  assert.equal(kinds.filter((kind) => kind === "run.suspended").length, 1);
});

test("a worker that is killed in the middle is gone on for, and no word is lost or said twice", async (t) => {
  const { session, events, url } = await stage(t);
  const worker = async () => {
    const words = [join(import.meta.dirname, "worker.mjs"), url];
    const child = spawn(process.execPath, words, { stdio: ["ignore", "pipe", "inherit"] });
    t.after(() => child.kill("SIGKILL"));
    await once(child.stdout, "data");
    return child;
  };
  const words = () => answer(session)?.text.trim().split(" ") ?? [];
  const first = await worker();
  await session.send("count");
  await until(() => words().length >= 5, "it counts");
  first.kill("SIGKILL");
  await once(first, "exit");
  const second = await worker();
  await until(() => words().length >= 15, "another counts on");
  second.kill("SIGKILL");
  await once(second, "exit");
  await worker();
  await run(session, "assistant", "completed");
  assert.deepEqual(words(), Array.from({ length: 40 }, (_, n) => String(n)));
  const kinds = (await events("s")).map(({ kind }) => kind);
  assert.equal(kinds.filter((kind) => kind === "run.started").length, 1);
});

test("an agent connects by itself, as who its client is", async (t) => {
  for (const options of [{ as: "agent/bot" }, { token: async () => "header.e30.signature" }]) {
    const fake = fakeServer();
    const client = connect("http://127.0.0.1:1", { WebSocket: fake.WebSocket, tabs: "solo", outbox: "memory", ...options });
    t.after(() => client.close());
    client.session("s");
    await until(() => client.status === "live");
    client.serve("writer", () => {}, { sessions: ["a", "b-*"], concurrency: 3, producer: "worker-1" });
    await until(() => fake.sockets.length === 2 && fake.socket.sent.length > 1, "it offers");
    const [own, agents] = fake.sockets.map(({ sent: [hello] }) => hello);
    assert.deepEqual([agents.as, agents.token], [own.as, own.token]);
    assert.notEqual(agents.client, own.client);
    assert.equal(agents.group, undefined);
    const offer = { type: "serve", agent: "writer", slots: 3, producer: "worker-1", sessions: ["a", "b-*"] };
    const { request, ...offered } = fake.socket.sent[1];
    assert.deepEqual([typeof request, offered], ["number", offer]);
    client.close();
    await until(() => fake.sockets.every(({ isClosed }) => isClosed), "its connections are closed");
  }
});

test("a client that only serves tells how that connection is", async (t) => {
  const { client } = await stage(t);
  let token = "none";
  const worker = client(undefined, { token: async () => token && Promise.reject(new Error("not now")) });
  assert.equal(worker.status, "connecting");
  const serving = worker.serve("assistant", () => {});
  await until(() => worker.status === "waiting");
  token = null;
  worker.reconnect();
  await until(() => worker.status === "closed");
  assert.equal(worker.error.code, "unauthorized");
  serving[Symbol.dispose]();

  const other = client("agent/bot");
  const another = other.serve("assistant", () => {});
  await until(() => other.status === "live");
  another[Symbol.dispose]();
  await until(() => other.status === "connecting");
});

test("a claim that is refused for no reason of the trade is told to the log", async (t) => {
  const fake = fakeServer();
  const lines = [];
  const codes = { m1: "already_claimed", m2: "forbidden" };
  fake.append("s", ...Object.keys(codes).map((id) => ({ kind: "message", id, role: "user", text: id })));
  fake.sessionOf("s").refuses = ({ in_reply_to: id }) => ({ code: codes[id], status: 422, detail: `no ${id}` });
  const log = (line) => lines.push(line);
  const client = connect("http://127.0.0.1:1", { WebSocket: fake.WebSocket, as: "agent/bot", log });
  t.after(() => client.close());
  client.serve("writer", () => assert.fail("it has no input"));
  await until(() => fake.socket?.sent.length > 1, "it offers");
  for (const input of Object.keys(codes)) {
    fake.socket.tell({ type: "wake", agent: "writer", session: "s", input, attempt: 1 });
  }
  const told = () => lines.filter((line) => line.includes(" in s: "));
  await until(() => told().length > 0, "it tells");
  assert.deepEqual(told(), ["agents: writer in s: DurableSessionsError: forbidden: no m2"]);
});

test("a run of an earlier process is gone on with however long it takes to read what that wrote", async (t) => {
  const fake = fakeServer();
  const { setTimeout } = globalThis;
  // The time of an offer is over at once.
  t.mock.method(globalThis, "setTimeout", (fn, ms) => setTimeout(fn, ms === 10_000 ? 0 : ms));
  fake.append("s", { kind: "message", id: "m1", role: "user", text: "go" });
  fake.append("s", { kind: "run.started", run: "r1", agent: "writer", in_reply_to: "m1" });
  const client = connect("http://127.0.0.1:1", { WebSocket: fake.WebSocket, as: "agent/bot" });
  t.after(() => client.close());
  let seen;
  client.serve("writer", (run) => {
    seen = [run.id, run.isResumed, run.input.text];
  }, { producer: "worker-1" });
  await until(() => fake.socket?.sent.length > 1, "it offers");
  fake.sessionOf("s").isSlow = true;
  fake.socket.tell({ type: "wake", agent: "writer", session: "s", input: "m1", attempt: 1, run: "r1" });
  await until(() => fake.socket.sent.some(({ producer, type }) => type === "attach" && producer), "it takes it over");
  // A timer of no length is over long before.
  await new Promise((resolve) => setTimeout(resolve, 50));
  assert.ok(!fake.socket.sent.some(({ type }) => type === "publish"), "it waits");
  const { events } = fake.sessionOf("s");
  fake.socket.tell({ type: "events", session: "s", first: 1, last: 2, events });
  await until(() => seen, "it goes on");
  assert.deepEqual(seen, ["r1", true, "go"]);
});

test("the facade knows the core's words by the same numbers", () => {
  const read = (path) => readFileSync(join(import.meta.dirname, "../..", path), "utf8");
  const core = [...read("src/web/agent.rs").matchAll(/const ([A-Z_]+): u64 = (\d+);/g)];
  const facade = [...read("npm/src/agent/border.ts").matchAll(/^ {2}([A-Za-z]+) = (\d+),$/gm)];
  const plain = (all) => all.map(([, name, number]) => [name.replaceAll("_", "").toLowerCase(), number]);
  assert.ok(core.length > 0);
  assert.deepEqual(plain(facade), plain(core));
});

test("what cannot be served is said on the console", async (t) => {
  const said = [];
  t.mock.method(console, "error", (error) => said.push(error.code));
  const { WebSocket } = fakeServer();
  const bad = (as, ...words) => {
    const client = connect("http://127.0.0.1:1", { WebSocket, as });
    t.after(() => client.close());
    client.serve(...words);
  };
  bad("user/ann", "writer", () => {});
  bad("agent/bot", "", () => {});
  bad("agent/bot", "writer", undefined);
  bad("agent/bot", "writer", () => {}, { concurrency: 0 });
  await until(() => said.length === 4);
  assert.deepEqual(said, ["forbidden", "invalid", "invalid", "invalid"]);
});

test("an offer that the server refuses is said on the console, and stands no more", async (t) => {
  const said = [];
  t.mock.method(console, "error", (error) => said.push(error.code));
  const { client } = await stage(t);
  const agent = client("agent/bot");
  agent.serve("assistant", () => {}, { sessions: "not a session" });
  await until(() => said.length > 0);
  await until(() => agent.status === "connecting", "its connection is closed");
  assert.deepEqual(said, ["invalid"]);
});

test("nothing was an unhandled rejection", () => assert.deepEqual(rejections, []));
