// One line in plain words: what just happened to the connection and to those who share the session.

import { byPrincipal } from "./presence.js";

const names = new Intl.ListFormat("en-GB");

/** More would not fit the line beside those who are here. */
const NAMES_MAX = 3;

/** So long it stands that the connection was lost and found: what comes of that is told by the numbers beside it. */
const TAKEOVER_MIN_MS = 4000;

/** Writes into `element` what changes between one call of `show` and the next. */
export function createNews({ element, client, session, isSelf, nameOf }) {
  const link = createStopwatch(session);
  let before = null;
  let keepUntil = 0;

  const say = (words) => {
    element.textContent = words;
    element.title = words;
    // Taken off and put on again, or the animation would run once in the page's life.
    element.classList.remove("is-fresh");
    void element.offsetWidth;
    element.classList.add("is-fresh");
  };

  return {
    show() {
      // While there is no connection the notice above the message box says why.
      if (session.status !== "live") return;
      const now = { role: client.role, cuts: link.cuts, tabs: client.tabs, people: byPrincipal(session.presence) };
      const connection = ofConnection(before, now, link.gapMs);
      const company = before && (ofTabs(before, now) ?? ofPeople(before, now, isSelf, nameOf));
      if (connection && before) keepUntil = performance.now() + TAKEOVER_MIN_MS;
      if (connection) say(connection);
      else if (company && performance.now() >= keepUntil) say(company);
      before = now;
    },
  };
}

/** Counts the cuts of a session and measures the last one, to the millisecond and not to the frame. */
function createStopwatch(session) {
  const watch = { cuts: 0, gapMs: 0 };
  let since = null;
  session.on("status", (status) => {
    if (status === "stale") since ??= performance.now();
    if (status !== "live" || since === null) return;
    watch.cuts += 1;
    watch.gapMs = performance.now() - since;
    since = null;
  });
  return watch;
}

function ofConnection(before, { role, cuts, tabs }, gapMs) {
  if (before !== null && before.role === role && before.cuts === cuts) return null;
  const wasCut = before !== null && before.cuts !== cuts;
  const after = wasCut ? duration(gapMs) : "";
  switch (role) {
    case "leader":
      if (before?.role === "follower") return `This tab took over the connection${wasCut ? ` in ${after}` : ""}.`;
      if (wasCut) return `This tab reconnected after ${after}.`;
      return tabs > 1 ? `This tab holds the connection of ${tabs} tabs.` : "This tab holds the connection.";
    case "follower":
      if (before?.role === "leader") return "Another tab took the connection over from this one.";
      return wasCut ? `Connected again after ${after}, through another tab.` : "Another tab holds the connection.";
    default:
      return wasCut ? `Reconnected after ${after}.` : "This tab has a connection of its own.";
  }
}

function ofTabs(before, { tabs }) {
  if (tabs === before.tabs) return null;
  const now = tabs === 1 ? "this one is left" : `${tabs} share one connection`;
  return `${tabs > before.tabs ? "A tab was opened" : "A tab was closed"}: ${now}.`;
}

function ofPeople(before, { people }, isSelf, nameOf) {
  const came = withMore(before.people, people);
  const left = withMore(people, before.people);
  const entirely = (changes) => changes.filter(({ from, had }) => had === 0 && !isSelf(from));
  const [newcomers, gone] = [came, left].map((changes) => entirely(changes).map(({ from }) => nameOf(from)));
  if (newcomers.length > 0) return `${list(newcomers)} ${newcomers.length > 1 ? "are" : "is"} here.`;
  const more = came.find(({ had }) => had > 0);
  if (more) return isSelf(more.from) ? `You are on ${more.has} devices now.` : `${nameOf(more.from)} came with another device.`;
  if (gone.length > 0) return `${list(gone)} left.`;
  const [less] = left;
  if (less) return isSelf(less.from) ? "One of your devices left." : `${nameOf(less.from)} left with one device.`;
  return null;
}

/** Those who have more devices in `after` than they had in `before`. */
function withMore(before, after) {
  const devicesBefore = (key) => before.get(key)?.devices.length ?? 0;
  const counts = [...after].map(([key, { from, devices }]) => ({ from, has: devices.length, had: devicesBefore(key) }));
  return counts.filter(({ has, had }) => has > had);
}

/** `Ada, Bob and Cid`; of four `Ada, Bob and 2 more`. */
function list(people) {
  const more = people.length - NAMES_MAX;
  return names.format(more > 0 ? [...people.slice(0, NAMES_MAX - 1), `${more + 1} more`] : people);
}

/** `84 ms`, `2.1 s`. */
function duration(ms) {
  return ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`;
}
