// Small helpers that touch the page only where something changes.

export function make(tag, className, testId) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  if (testId) element.dataset.testid = testId;
  return element;
}

export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Whatever JSON an agent wrote where words are expected, in words. */
export function wordsOf(value) {
  if (value === undefined) return "";
  return typeof value === "string" ? value : JSON.stringify(value, null, 2);
}

export function setData(element, name, value) {
  if (value === undefined || value === null) delete element.dataset[name];
  else if (element.dataset[name] !== value) element.dataset[name] = value;
}

/** Makes `elements` the children of `parent`. One that is moved loses the keyboard: those in place stay. */
export function setChildren(parent, elements) {
  const wanted = new Set(elements);
  for (const child of [...parent.children]) if (!wanted.has(child)) child.remove();
  let next = parent.firstElementChild;
  for (const element of elements) {
    if (element === next) next = next.nextElementSibling;
    else parent.insertBefore(element, next);
  }
}

/** What tells a run's element from others: its id, whose it is, how it stands and whom it works for. */
export function setRun(element, run) {
  if (run) element.dataset.testid = "run";
  else delete element.dataset.testid;
  setData(element, "run", run?.id);
  setData(element, "agent", run?.agent);
  setData(element, "state", run?.state);
  setData(element, "parent", run?.parent);
}

/** What comes in word by word is not to be read out word by word, and `aria-busy` is not relied on alone. */
export function setStreaming(element, isStreaming) {
  element.setAttribute("aria-busy", String(isStreaming));
  if (isStreaming) element.setAttribute("aria-live", "off");
  else element.removeAttribute("aria-live");
}

export function isOpen(run) {
  return run.state === "running" || run.state === "suspended" || run.state === "stopping";
}

const AGENT_NAMES = { "seo-listicle": "SEO listicle" };

/** An agent's name for people: `unit-economics` is "Unit economics". */
export function agentName(name) {
  const words = Object.hasOwn(AGENT_NAMES, name) ? AGENT_NAMES[name] : name.replaceAll(/[-_]/g, " ");
  return words.charAt(0).toUpperCase() + words.slice(1);
}
