// Who may share a connection: tabs of one browser with one principal and equal rights, nobody else.

import { expect, roles, test } from "../support/browsers.js";

test("two devices of one user and two other users share the log and no connection", async ({ peer, device, session, hasConnections, keepsConnections }) => {
  test.setTimeout(180_000);
  const people = ["user/ada", "user/ada", "user/grace", "user/alan"];
  const devices = [];
  for (const as of people) {
    const of = await device();
    const tabs = [await peer(of), await peer(of)];
    for (const tab of tabs) await (await tab.connect([session], { as })).isReady();
    devices.push(tabs);
  }
  await hasConnections(people.length);
  for (const tabs of devices) expect(await roles(tabs)).toEqual({ leader: 1, follower: 1 });

  const texts = [];
  for (const [index, [, second]] of devices.entries()) {
    texts.push(`from ${index}`);
    await second.sends(session, texts.at(-1));
  }
  for (const tab of devices.flat()) await tab.has(session, texts);

  const expected = [["ada", 2], ["ada", 2], ["alan", 2], ["grace", 2]];
  const facts = (members) => members.map(({ from, tabs }) => [from.id, tabs]).sort();
  for (const tab of devices.flat()) {
    await expect.poll(async () => facts((await tab.now()).presence[session])).toEqual(expected);
    const members = (await tab.now()).presence[session];
    expect(new Set(members.map((member) => member.device)).size).toBe(people.length);
  }
  await keepsConnections(people.length);
});

test("two principals in one browser have a connection each, and what they send is theirs", async ({ peer, server, session, hasConnections, keepsConnections }) => {
  const peers = [];
  for (const as of ["user/ada", "user/grace", "user/ada", "user/grace"]) {
    peers.push(await (await (await peer()).connect([session], { as })).isReady());
  }
  await hasConnections(2);
  expect(await roles(peers)).toEqual({ leader: 2, follower: 2 });
  for (const [index, each] of peers.entries()) await each.sends(session, `${index}`);
  expect((await server.events(session)).map(({ from, text }) => [text, from.id])).toEqual([
    ["0", "ada"], ["1", "grace"], ["2", "ada"], ["3", "grace"],
  ]);
  await keepsConnections(2);
});

test("two kinds of rights of one user have a connection each, and every attach succeeds", async ({ peer, session, hasConnections, keepsConnections }) => {
  const who = { iss: "https://issuer.test", sub: "ada", kind: "user", can: ["read", "publish"] };
  const rights = [{ ...who, sessions: [`${session}-a`] }, { ...who, sessions: [`${session}-b`] }];
  const peers = [];
  // One after the other, and those of equal rights not side by side.
  for (const index of [0, 1, 0, 1]) {
    const claims = { ...rights[index], iat: peers.length, exp: 4_000_000_000 + peers.length };
    peers.push(await (await (await peer()).connect(rights[index].sessions, { claims })).isReady());
  }
  await hasConnections(2);
  expect(await roles(peers)).toEqual({ leader: 2, follower: 2 });
  for (const [index, each] of peers.entries()) await each.sends(rights[index % 2].sessions[0], `${index}`);
  await peers[0].has(`${session}-a`, ["0", "2"]);
  await peers[3].has(`${session}-b`, ["1", "3"]);
  await keepsConnections(2);
});

test("who signs out and in as another sees and sends nothing of the first", async ({ peer, server, network, session, hasConnections }) => {
  const tab = await peer(undefined, network.url);
  await tab.connect([session], { as: "user/ada" });
  await tab.isReady();
  await tab.sends(session, "Said by Ada");

  // What Ada wrote last has not left the tab when she signs out.
  network.hold(["up"]);
  await tab.send(session, "Never said");
  await expect.poll(() => tab.texts(session)).toEqual(["Said by Ada", "Never said"]);
  await tab.close({ forget: true });
  await tab.connect([`${session}-other`], { as: "user/grace", name: "grace" });
  network.cut();
  network.release();
  await tab.isReady("grace");
  await tab.sends(`${session}-other`, "Said by Grace", "grace");
  expect((await tab.now("grace")).texts).toEqual({ [`${session}-other`]: ["Said by Grace"] });

  // Nor do a reload of the tab and Ada's next visit find it.
  await tab.open();
  await tab.connect([session], { as: "user/grace", name: "grace" });
  await tab.connect([session], { as: "user/ada" });
  for (const name of ["grace", "main"]) {
    await tab.isReady(name);
    await tab.sends(session, `Back as ${name}`, name);
  }
  const texts = ["Said by Ada", "Back as grace", "Back as main"];
  for (const name of ["grace", "main"]) await tab.has(session, texts, name);
  expect((await server.events(session)).map(({ text }) => text)).toEqual(texts);
  await hasConnections(2);
});

test("who signs out in one tab stays signed in in another, and the tab tells nothing on", async ({ peer, server, session, hasConnections }) => {
  const [leaves, stays] = [await peer(), await peer()];
  for (const tab of [leaves, stays]) await (await tab.connect([session], { as: "user/ada" })).isReady();
  await leaves.close({ forget: true });
  await leaves.connect([`${session}-other`], { as: "user/grace", name: "grace" });
  await leaves.isReady("grace");
  // Whatever a channel brings to the tab that was left is noted there.
  await leaves.frame.evaluate(() => {
    globalThis.given = [];
    peers.grace.sessions[Object.keys(peers.grace.sessions)[0]].on("event", ({ text }) => given.push(text));
  });
  await stays.sends(session, "For Ada alone");
  await leaves.sends(`${session}-other`, "For Grace", "grace");
  await leaves.has(`${session}-other`, ["For Grace"], "grace");
  expect(await leaves.frame.evaluate(() => given)).toEqual(["For Grace"]);
  expect(await leaves.frame.evaluate(() => peers.main.client.status)).toBe("closed");
  expect(await server.events(session)).toMatchObject([{ text: "For Ada alone", from: { id: "ada" } }]);
  expect([await stays.role(), await leaves.role("grace")]).toEqual(["leader", "leader"]);
  await hasConnections(2);
});
