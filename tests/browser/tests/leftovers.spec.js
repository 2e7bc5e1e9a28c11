// What sharing a connection leaves in a page after its client was closed: nothing. And what it costs to
// mount a component twice, as development tools do: nothing either.

import { keepBooks, NOTHING } from "../support/books.js";
import { expect, test } from "../support/browsers.js";

/** A session is left so long after its last user, and a lock, channel or database is closed at its own pace. */
const LEFT_TIMEOUT_MS = 5_000;

test.beforeEach(async ({ context }) => context.addInitScript(keepBooks));

const left = (peer) => peer.frame.evaluate(() => left());

const leavesNothing = (peer) =>
  expect.poll(() => left(peer), { timeout: LEFT_TIMEOUT_MS }).toEqual(NOTHING);

/** Notes the types of the frames that a page sends. */
function framesSent(page) {
  const types = [];
  page.on("websocket", (socket) =>
    socket.on("framesent", ({ payload }) => types.push(JSON.parse(payload).type)),
  );
  return types;
}

for (const [role, rank] of [["leader", 0], ["follower", 1]]) {
  test(`a ${role} that is closed leaves no timer, listener, socket, channel, lock or database`, async ({ peer, session }) => {
    const peers = [await peer(), await peer(), await peer()];
    for (const each of peers) await (await each.connect([session])).isReady();
    const closed = peers[rank];
    expect(await closed.role()).toBe(role);
    await closed.sends(session, "Hello");
    const before = await left(closed);
    expect(before).toMatchObject({ sockets: role === "leader" ? 1 : 0, channels: 1, databases: 1 });
    expect(before.locks, "held, or waited for").toBe(1);

    await closed.close();
    await leavesNothing(closed);
    // The others go on with it gone.
    await expect.poll(async () => (await peers[2].now()).tabs).toBe(2);
    await peers[2].sends(session, "Still there");
  });
}

test("a client that is closed in the same turn leaves nothing", async ({ peer }) => {
  const one = await peer();
  await one.frame.evaluate(async () => {
    const { connect } = await import("/pkg/index.js");
    const client = connect();
    client.session("a").send("Hello").catch(() => {});
    client.close();
  });
  await leavesNothing(one);
});

test("clients closed at any moment of their start leave nothing", async ({ peer }) => {
  const one = await peer();
  for (let turns = 0; turns < 40; turns += 1) {
    await one.frame.evaluate(async (turns) => {
      const { connect } = await import("/pkg/index.js");
      const client = connect();
      client.session("a").send("Hello").catch(() => {});
      // A moment is a turn of the event loop: what takes longer than one is met at its middle.
      for (let turn = 0; turn < turns; turn += 1) {
        await new Promise((resolve) => {
          const { port1, port2 } = new MessageChannel();
          port1.onmessage = resolve;
          port2.postMessage(null);
        });
      }
      client.close();
    }, turns);
  }
  await leavesNothing(one);
});

test("connecting opens no channel, lock or database before the first session", async ({ peer }) => {
  const one = await peer();
  await one.frame.evaluate(async () => {
    const { connect } = await import("/pkg/index.js");
    globalThis.client = connect();
    client.subscribe(() => {});
  });
  expect(await left(one)).toEqual(NOTHING);
});

test("a session mounted, unmounted and mounted again is attached once", async ({ peer, session, hasConnections }) => {
  const one = await peer();
  const sent = framesSent(one.page);
  await one.frame.evaluate(async (id) => {
    const { connect } = await import("/pkg/index.js");
    globalThis.client = connect();
    // React mounts a component, unmounts it and mounts it again, all in one task.
    const mount = () => {
      const session = client.session(id);
      const off = session.subscribe(() => {});
      return { session, unmount: () => (off(), session.detach()) };
    };
    mount().unmount();
    globalThis.mounted = mount();
    await mounted.session.ready;
    await mounted.session.send("Hello");
  }, session);
  await hasConnections(1);
  expect(await one.frame.evaluate(() => socketsMade())).toBe(1);
  expect(sent.filter((type) => ["hello", "attach", "detach"].includes(type))).toEqual(["hello", "attach"]);

  // Mounted anew while it is connected: still the same attach, and the transcript is there at once.
  const texts = await one.frame.evaluate((id) => {
    mounted.unmount();
    const session = client.session(id);
    return [session.status, session.transcript().messages.map(({ text }) => text)];
  }, session);
  expect(texts).toEqual(["live", ["Hello"]]);
  await one.frame.evaluate((id) => client.session(id).send("Again"), session);
  expect(sent.filter((type) => ["hello", "attach", "detach"].includes(type))).toEqual(["hello", "attach"]);
  await one.frame.evaluate(() => client.close());
  await leavesNothing(one);
});

test("a client mounted, unmounted and mounted again has one connection and one attach", async ({ peer, session, hasConnections }) => {
  const one = await peer();
  const sent = framesSent(one.page);
  await one.frame.evaluate(async (id) => {
    const { connect } = await import("/pkg/index.js");
    const mount = () => {
      const client = connect();
      const session = client.session(id);
      const off = session.subscribe(() => {});
      return { client, session, unmount: () => (off(), session.detach(), client.close()) };
    };
    mount().unmount();
    globalThis.mounted = mount();
    await mounted.session.ready;
    await mounted.session.send("Hello");
  }, session);
  await hasConnections(1);
  expect(sent.filter((type) => ["hello", "attach", "detach"].includes(type))).toEqual(["hello", "attach"]);
  await one.frame.evaluate(() => mounted.unmount());
  await leavesNothing(one);
  await hasConnections(0);
});

test("a session that its last user has left is detached, and one that is still used is not", async ({ peer, session }) => {
  const one = await peer();
  const detached = [];
  one.page.on("websocket", (socket) =>
    socket.on("framesent", ({ payload }) => {
      const frame = JSON.parse(payload);
      if (frame.type === "detach") detached.push(frame.session);
    }),
  );
  const other = `${session}-other`;
  await one.frame.evaluate(async ([id, other]) => {
    const { connect } = await import("/pkg/index.js");
    globalThis.client = connect();
    globalThis.users = [client.session(id), client.session(id)];
    const only = client.session(other);
    await Promise.all([users[0].ready, only.ready]);
    users[0].detach();
    only.detach();
  }, [session, other]);
  // The detach of the one that is still used, had there been one, would have been due before this one.
  await expect.poll(() => detached).toEqual([other]);
  await one.frame.evaluate(() => users[1].detach());
  await expect.poll(() => detached).toEqual([other, session]);
});
