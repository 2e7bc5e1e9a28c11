// From a transcript to what stands on the page: the conversation in order, and under each root run the
// runs that work for it.

import { isOpen } from "./element.js";

/** Who takes what a user says to no agent by name. */
const DEFAULT_AGENT = "assistant";

/**
 * One item an entry; `inputs` and `spoken` are those of `followLog`. `message` and `run` say what it is: a
 * message, or a root run without one. `speaking` is the open run whose last message it is. `waitsFor` says of an
 * input what it waits for: its `turn`, while its agent is at work, or an `agent`. The first item of a
 * root run is its `host`, whatever it is at the time: there stand its asks, its steers and its `panels`, one
 * for each run below it and each task that waits for one; with those the item `isHosted`.
 */
export function arrange({ messages, runs, active }, { inputs, spoken }) {
  const places = placesOf(runs);
  const takers = takersOf(places);
  // An input whose run was lost is offered again.
  const isTaken = ({ id }) => takers.get(id)?.some((run) => run.state !== "lost") ?? false;
  const isTask = ({ id }) => takers.has(id) || inputs.get(id)?.run != null;
  const speaking = lastMessages(messages, active, isTask);

  const items = [];
  const hosts = new Map();
  const hostOf = (root) => {
    let item = hosts.get(root.id);
    if (!item) {
      item = hostItem(root);
      hosts.set(root.id, item);
      items.push(item);
    }
    return item;
  };

  for (const message of messages) {
    const place = message.run ? places.get(message.run) : undefined;
    if (place && (place.depth > 0 || message.role === "user" || isTask(message))) {
      const { panels, steers } = hostOf(place.root).host;
      const own = panels.find(({ run }) => run === place.run);
      if (message.role === "user") (own?.steers ?? steers).push(message);
      else if (isTask(message)) {
        // What was delegated belongs to whoever took it, each time it was taken.
        for (const panel of panels) if (panel.run?.inReplyTo === message.id) panel.tasks.push(message);
        const task = inputs.get(message.id);
        if (task && !isTaken(message)) {
          panels.push({ run: null, depth: place.depth + 1, message, task, wasTaken: takers.has(message.id) });
        }
      } else own?.messages.push(message);
      continue;
    }
    const waitsFor = isTaken(message) ? null : waitOf(message, inputs.get(message.id), runs);
    const said = { message, speaking: speaking.get(message.id) ?? null, waitsFor, wasTaken: takers.has(message.id) };
    const host = place && hostOf(place.root);
    if (host && host.message === null) Object.assign(host, said);
    else items.push({ key: `message:${message.id}`, run: place?.run ?? null, host: null, ...said });
  }
  const speakers = new Set([...speaking.values()].map((run) => run.id));
  for (const run of active) {
    const root = places.get(run.id)?.root;
    if (root && !speakers.has(run.id)) hostOf(root);
  }
  const all = withSilent(items, hosts, runs, spoken);
  for (const item of all) {
    const host = item.run && hosts.get(places.get(item.run.id)?.root.id)?.host;
    item.isHosted = Boolean(host && isLarge(host));
  }
  return all;
}

/** Whether a run has more to show than what it says. */
export function isLarge({ root, panels, steers }) {
  return panels.length > 0 || root.asks.length > 0 || steers.length > 0;
}

/** The item of a root run that has not said anything. The same run has the same key whatever it says later. */
function hostItem(root) {
  const host = { root, steers: [], panels: panelsOf(root) };
  return { key: `run:${root.id}`, message: null, run: root, speaking: null, waitsFor: null, wasTaken: false, host };
}

/**
 * The items with those root runs that ended and left nothing else to see. Each stands behind what it was to
 * answer, or, without that, behind the run before it. One whose input or words an edit took away is left out.
 */
function withSilent(items, hosts, runs, spoken) {
  const behind = new Map();
  let before = null;
  for (const root of runs) {
    if (hosts.has(root.id)) before = hosts.get(root.id);
    else if (!hasSpoken(root, spoken)) {
      const anchor = root.inReplyTo ?? before;
      const item = hostItem(root);
      hosts.set(root.id, item);
      behind.set(anchor, [...(behind.get(anchor) ?? []), item]);
    }
  }
  if (behind.size === 0) return items;
  const after = (anchor) => behind.get(anchor) ?? [];
  return [...after(null), ...items.flatMap((item) => [item, ...after(item.message?.id), ...(item.host ? after(item) : [])])];
}

function hasSpoken(run, spoken) {
  return spoken.has(run.id) || run.children.some((child) => hasSpoken(child, spoken));
}

/** Each run by its id, with its root and how far below that it stands. */
function placesOf(roots) {
  const places = new Map();
  const visit = (run, root, depth) => {
    places.set(run.id, { run, root, depth });
    for (const child of run.children) visit(child, root, depth + 1);
  };
  for (const root of roots) visit(root, root, 0);
  return places;
}

/** The runs that took an input, by its id. */
function takersOf(places) {
  const takers = new Map();
  for (const { run } of places.values()) {
    if (run.inReplyTo) takers.set(run.inReplyTo, [...(takers.get(run.inReplyTo) ?? []), run]);
  }
  return takers;
}

/** What an input of a user waits for that no run has; `null` if it does not wait. */
function waitOf(message, input, roots) {
  if (message.state !== "sent" || input?.state !== "waiting") return null;
  const agent = input.to ?? DEFAULT_AGENT;
  return roots.some((root) => root.agent === agent && isOpen(root)) ? "turn" : "agent";
}

function panelsOf(root) {
  const panels = [];
  const visit = (run, depth) => {
    panels.push({ run, depth, tasks: [], messages: [], steers: [] });
    for (const child of run.children) visit(child, depth + 1);
  };
  for (const child of root.children) visit(child, 1);
  return panels;
}

/** The open runs by the id of the last message each has written, its tasks for others left aside. */
function lastMessages(messages, active, isTask) {
  const speaking = new Map();
  if (active.length === 0) return speaking;
  const open = new Map(active.map((run) => [run.id, run]));
  for (let i = messages.length - 1; i >= 0 && open.size > 0; i -= 1) {
    const { id, role, run } = messages[i];
    if (role !== "assistant" || !open.has(run) || isTask(messages[i])) continue;
    speaking.set(id, open.get(run));
    open.delete(run);
  }
  return speaking;
}
