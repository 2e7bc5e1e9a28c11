// Who is here: one chip for each person or agent, with the tabs of each of their devices.

/** More would push the conversation off the page. */
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

/** Shows people in `list`; `isSelf` knows this page's own principal, `nameOf` its name. */
export function createPresence({ list, isSelf, nameOf }) {
  let shown = null;
  return {
    show(members) {
      if (members === shown) return;
      shown = members;
      const people = [...byPrincipal(members).values()].sort((a, b) => isSelf(b.from) - isSelf(a.from));
      const chips = people.slice(0, CHIPS_MAX).map((person) => chip(person, isSelf(person.from), nameOf));
      if (people.length > CHIPS_MAX) chips.push(piece("li", "person", `${people.length - CHIPS_MAX} more`));
      list.replaceChildren(...chips);
    },
  };
}

function chip({ from, devices }, isSelf, nameOf) {
  const name = nameOf(from);
  const element = piece("li", isSelf ? "person is-self" : "person");
  element.dataset.kind = from.kind;
  element.dataset.id = from.id;
  element.dataset.devices = devices.join(" ");
  element.title = `${name}: ${inWords(from, devices)}`;
  element.append(piece("span", "person-name", name), piece("span", "person-devices", inWords(from, devices)));
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
