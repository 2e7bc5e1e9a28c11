// The ways in which a tab stops to lead. Each takes `{ leader, tabs }`, and gives what brings the
// number of tabs back to what it was. `tabs` then are those that are left to go on.

/** For so long a lock is held by whoever stole it. */
const STOLEN_MS = 300;

/** Its tab is closed. */
export async function closed({ leader, tabs }) {
  tabs.lose(leader);
  await leader.page.close();
  return () => tabs.open();
}

/** Its process dies. */
export async function crashed({ leader, tabs }) {
  tabs.lose(leader);
  await leader.crash();
  return async () => {
    await leader.page.close();
    await tabs.open();
  };
}

/** Its process dies, and with it the tab that it had opened. */
export async function crashedWithChild({ leader, child, tabs }) {
  tabs.lose(leader);
  tabs.lose(child);
  const dead = child.page.waitForEvent("crash");
  await leader.crash();
  await dead;
  return async () => {
    await child.page.close();
    await leader.page.close();
    await tabs.open();
  };
}

/** Its scripts stand still. It keeps its lock, and its socket stays open; later it goes on. */
export async function frozen({ leader, tabs }) {
  tabs.lose(leader);
  await leader.freeze();
  return async () => {
    await leader.thaw();
    tabs.find(leader);
  };
}

/** It goes to another page and comes back, and the browser has kept it meanwhile. */
export async function cached({ leader, tabs }) {
  tabs.lose(leader);
  await leader.leave();
  return async () => {
    if (!(await leader.comeBack())) throw new Error("the browser did not keep the page");
    tabs.find(leader);
  };
}

/** It is loaded anew, and is another tab from then on. */
export async function reloaded({ leader, tabs }) {
  tabs.lose(leader);
  await leader.page.reload();
  return async () => {
    await leader.follow();
    tabs.find(leader);
  };
}

/** It is hidden while the others are visible. */
export async function hidden({ leader }) {
  await leader.becomes("hidden");
  return () => leader.becomes("visible");
}

/** The others do not hear it until one of them leads too: then two do, and hear each other again. */
export async function unheard({ leader, tabs }) {
  await leader.isHeard(false);
  await tabs.another(leader);
  await leader.isHeard(true);
  return () => {};
}

/** A script of another tab steals its lock. It may go on to lead. */
export async function robbed({ leader, tabs }) {
  const thief = tabs.present.find((tab) => tab !== leader);
  await thief.steal(STOLEN_MS);
  return () => {};
}
