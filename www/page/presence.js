// Who is here: one chip for each person, with the tabs of each of their devices, and for each agent.

/** More would push the conversation off the page: of people as of agents. */
const CHIPS_MAX = 6;

/** The members of a session by principal, in the order they came. */
export function byPrincipal(members) {
  const people = new Map();
  for (const { from, tabs } of members) {
    const key = `${from.kind}/${from.id}`;
    const person = people.get(key) ?? { key, from, devices: [] };
    person.devices.push(tabs);
    people.set(key, person);
  }
  return people;
}

/** Shows in `list` people, this page's own first, and behind them agents; `nameOf` a principal is its name. */
export function createPresence({ list, isSelf, nameOf }) {
  let shown = null;
  return {
    show(members) {
      if (members === shown) return;
      shown = members;
      const all = [...byPrincipal(members).values()].sort((a, b) => isSelf(b.from) - isSelf(a.from));
      const people = all.filter(({ from }) => from.kind !== "agent");
      const agents = all.filter(({ from }) => from.kind === "agent");
      list.replaceChildren(...chips(people, "people", isSelf, nameOf), ...chips(agents, "agents", isSelf, nameOf));
    },
  };
}

function chips(crowd, noun, isSelf, nameOf) {
  const shown = crowd.slice(0, CHIPS_MAX).map((person) => chip(person, isSelf(person.from), nameOf));
  const more = crowd.length - shown.length;
  return more > 0 ? [...shown, piece("li", "person", `${more} more ${noun}`)] : shown;
}

function chip({ from, devices }, isSelf, nameOf) {
  const name = nameOf(from);
  const words = inWords(from, devices);
  const element = piece("li", isSelf ? "person is-self" : "person");
  element.dataset.kind = from.kind;
  element.dataset.id = from.id;
  element.dataset.devices = devices.join(" ");
  element.title = `${name}: ${words}`;
  // An agent's chip looks like one: the word for it is read out, and takes no room.
  const isPlain = from.kind === "agent" && devices.length === 1;
  element.append(piece("span", "person-name", name), piece("span", isPlain ? "unseen" : "person-devices", words));
  return element;
}

/** `3 tabs`; of several devices each: `3 + 1 tabs, 2 devices`. */
function inWords({ kind }, devices) {
  if (kind === "agent") return devices.length === 1 ? "agent" : `agent, ${devices.length} processes`;
  const tabs = devices.reduce((sum, count) => sum + count, 0);
  const noun = tabs === 1 ? "tab" : "tabs";
  return devices.length === 1 ? `${tabs} ${noun}` : `${devices.join(" + ")} ${noun}, ${devices.length} devices`;
}

function piece(tag, className, text) {
  const element = document.createElement(tag);
  element.className = className;
  if (text !== undefined) element.textContent = text;
  return element;
}
