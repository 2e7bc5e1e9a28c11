// Work that an agent gives to others: children of its own, and what it delegates.
import assert from "node:assert/strict";
import { test } from "node:test";
import { RunFailure } from "./package.mjs";
import { until } from "./server.mjs";
import { message, rejections, run, stage } from "./stage.mjs";

test("an agent that something is delegated to reads what stood there then", async (t) => {
  const { session, agent, client } = await stage(t);
  let seen;
  agent.serve("assistant", async (run) => {
    await run.write("Let me see. ");
    const first = run.delegate("critic", { text: "one", data: { deep: true } });
    await until(() => seen);
    await run.write("Well. ");
    await first;
  });
  client("agent/other").serve("critic", async (run) => {
    seen = (await run.history()).map(({ text }) => text);
    assert.deepEqual(run.input.data, { deep: true });
  });
  await session.send("go");
  await run(session, "assistant", "completed");
  assert.deepEqual(seen, ["go", "Let me see. ", "one"]);
});

test("a child is a run below, with an answer of its own, and resolves with what its work returns", async (t) => {
  const { session, agent } = await stage(t);
  agent.serve("assistant", async (run) => {
    const found = await run.child("searcher", async (child) => {
      assert.equal(child.input.id, run.input.id);
      await child.write("looking");
      return ["a", "b"];
    });
    await run.write(found.join(" and "));
    await assert.rejects(run.child("breaker", () => {
      throw new RunFailure("broken");
    }), { code: "broken" });
  });
  await session.send("find");
  const top = await run(session, "assistant", "completed");
  assert.deepEqual(top.children.map(({ agent, parent, state }) => [agent, parent, state]), [
    ["searcher", top.id, "completed"],
    ["breaker", top.id, "failed"],
  ]);
  const texts = session.transcript().messages.map(({ run, text }) => [run, text]);
  assert.deepEqual(texts, [[undefined, "find"], [top.children[0].id, "looking"], [top.id, "a and b"]]);
});

test("what is delegated is worked on elsewhere, below the run that delegates", async (t) => {
  const { session, agent, client } = await stage(t);
  let done;
  agent.serve("assistant", async (run) => {
    done = await run.delegate("critic", "Is this good?");
  });
  client("agent/other").serve("critic", async (run) => {
    assert.equal(run.input.text, "Is this good?");
    await run.write("It ");
    await run.write("is.");
    return { grade: 1 };
  });
  await session.send("go");
  const top = await run(session, "assistant", "completed");
  const [child] = top.children;
  assert.deepEqual([child.agent, child.parent], ["critic", top.id]);
  assert.deepEqual(done, { run: child.id, outcome: "completed", text: "It is.", data: { grade: 1 } });
});

test("a stop of a run takes its children and what it delegated with it", async (t) => {
  const { session, agent, client } = await stage(t);
  const stopped = [];
  const wait = (name) => async (run) => {
    run.write(name);
    await new Promise((resolve) => run.signal.addEventListener("abort", resolve));
    stopped.push(name);
  };
  agent.serve("assistant", async (run) => {
    const child = run.child("child", wait("child"));
    const delegated = run.delegate("critic", "work");
    const [first, second] = await Promise.allSettled([child, delegated]);
    stopped.push(first.reason.code, second.reason.code);
  });
  client("agent/other").serve("critic", wait("critic"));
  await session.send("go");
  await until(() => ["child", "critic"].every((text) => message(session, (message) => message.text === text)));
  const { ended } = await session.stop();
  assert.deepEqual(new Set((await ended()).map(({ outcome }) => outcome)), new Set(["stopped"]));
  await until(() => stopped.length === 4);
  assert.deepEqual(new Set(stopped), new Set(["child", "critic", "run_stopped"]));
});

test("work that nobody has taken up ends with the run that delegated it", async (t) => {
  const { session, agent } = await stage(t);
  let reason;
  agent.serve("assistant", async (run) => {
    await run.delegate("nobody", "work").catch((error) => (reason = error.code));
    throw new Error("it goes on");
  });
  await session.send("go");
  await until(() => message(session, ({ text }) => text === "work"));
  const { ended } = await session.stop();
  assert.deepEqual((await ended()).map(({ outcome }) => outcome), ["stopped"]);
  assert.equal(reason, "run_stopped");
});

test("what an agent delegates is no part of its answer to who delegated to it", async (t) => {
  const { session, agent } = await stage(t);
  const done = [];
  agent.serve("assistant", async (run) => done.push(await run.delegate("editor", "write")));
  agent.serve("editor", async (run) => {
    await run.write("A ");
    done.push(await run.delegate("printer", "print it"));
    await run.write("text");
  });
  agent.serve("printer", (run) => {
    run.write("printed");
    throw new RunFailure("jam");
  });
  await session.send("go");
  const top = await run(session, "assistant", "completed");
  const [editor] = top.children;
  const [printer] = editor.children;
  assert.deepEqual(done, [
    { run: printer.id, outcome: "failed", text: "printed" },
    { run: editor.id, outcome: "completed", text: "A text" },
  ]);
});

test("a child may be at work for longer than its parent, and than its agent is served", async (t) => {
  const { session, agent } = await stage(t);
  let finish;
  const serving = agent.serve("assistant", (run) => {
    run.child("slow", async (child) => {
      await new Promise((resolve) => (finish = resolve));
      await child.write("at last");
    });
  });
  await session.send("go");
  const top = await run(session, "assistant", "completed");
  await until(() => finish);
  serving[Symbol.dispose]();
  finish();
  await run(session, "slow", "completed");
  assert.equal(message(session, ({ run }) => run && run !== top.id).text, "at last");
});

test("nothing was an unhandled rejection", () => assert.deepEqual(rejections, []));
