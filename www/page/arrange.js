// From a transcript to what stands on the page: the conversation in order, and under each root run the
// runs that work for it.

/**
 * One item an entry. `message` and `run` say what it is: a message, or a root run without one yet.
 * `speaking` is the open run whose last message it is. The first item of a root run is its `host`: there
 * stand its asks, its steers and its `panels`, one for each run below it; with those the item `isHosted`.
 */
export function arrange({ messages, runs, active }) {
  const places = placesOf(runs);
  const speaking = lastMessages(messages, active);
  const answered = new Set();
  for (const { run } of places.values()) if (run.inReplyTo) answered.add(run.inReplyTo);

  const items = [];
  const hosts = new Map();
  const hostOf = (root) => {
    let host = hosts.get(root.id);
    if (!host) {
      host = { key: `run:${root.id}`, message: null, run: root, speaking: null, isCancellable: false, host: null };
      host.host = { root, steers: [], panels: panelsOf(root) };
      hosts.set(root.id, host);
      items.push(host);
    }
    return host;
  };

  for (const message of messages) {
    const place = message.run ? places.get(message.run) : undefined;
    if (place && (place.depth > 0 || message.role === "user" || answered.has(message.id))) {
      const { root, panels, steers } = hostOf(place.root).host;
      const panel = panels.find((panel) => panel.run === place.run);
      if (message.role === "user") (panel?.steers ?? steers).push(message);
      // What was delegated is the task of the run that took it.
      else if (answered.has(message.id)) panels.find(({ run }) => run.inReplyTo === message.id)?.tasks.push(message);
      else if (place.run !== root) panel?.messages.push(message);
      continue;
    }
    const isUnclaimed = message.role === "user" && message.state === "sent" && !answered.has(message.id);
    const item = {
      key: `message:${message.id}`,
      message,
      run: place?.run ?? null,
      speaking: speaking.get(message.id) ?? null,
      isCancellable: isUnclaimed,
      host: null,
    };
    const host = place && hosts.get(place.root.id);
    if (place && (!host || host.message === null)) {
      // The first message of a run takes the place its run had held for it.
      Object.assign(item, { host: host?.host ?? { root: place.root, steers: [], panels: panelsOf(place.root) } });
      item.was = `run:${place.root.id}`;
      if (host) items[items.indexOf(host)] = item;
      else items.push(item);
      hosts.set(place.root.id, item);
    } else {
      items.push(item);
    }
  }
  const spoken = new Set([...speaking.values()].map((run) => run.id));
  for (const run of active) {
    const root = places.get(run.id)?.root;
    if (root && !spoken.has(run.id)) hostOf(root);
  }
  for (const item of items) {
    const root = item.run && places.get(item.run.id)?.root;
    item.isHosted = Boolean(root && hosts.get(root.id) && isLarge(hosts.get(root.id).host));
  }
  return items;
}

/** Whether a run has more to show than what it says. */
export function isLarge({ root, panels, steers }) {
  return panels.length > 0 || root.asks.length > 0 || steers.length > 0;
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

function panelsOf(root) {
  const panels = [];
  const visit = (run, depth) => {
    panels.push({ run, depth, tasks: [], messages: [], steers: [] });
    for (const child of run.children) visit(child, depth + 1);
  };
  for (const child of root.children) visit(child, 1);
  return panels;
}

/** The open runs by the id of the last message each has written. */
function lastMessages(messages, active) {
  const speaking = new Map();
  if (active.length === 0) return speaking;
  const open = new Map(active.map((run) => [run.id, run]));
  for (let i = messages.length - 1; i >= 0 && open.size > 0; i -= 1) {
    const { id, role, run } = messages[i];
    if (role !== "assistant" || !open.has(run)) continue;
    speaking.set(id, open.get(run));
    open.delete(run);
  }
  return speaking;
}
