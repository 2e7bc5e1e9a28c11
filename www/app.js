// The demo page: a chat on one durable session. Everything it shows comes out of the transcript;
// it keeps no state of its own that a reload would lose.

import { connect } from "./pkg/index.js";
import { readAddress, shareLink } from "./page/address.js";
import { createComposer } from "./page/composer.js";
import { createConnection } from "./page/connection.js";
import { agentName } from "./page/element.js";
import { follow } from "./page/follow.js";
import { createGate } from "./page/gate.js";
import { followLog } from "./page/log.js";
import { createNews } from "./page/news.js";
import { createPresence } from "./page/presence.js";
import { Timeline } from "./page/timeline.js";

const COPIED_MS = 1500;

const elements = Object.fromEntries([...document.querySelectorAll("[id]")].map((element) => [element.id, element]));
const address = readAddress();
const gate = createGate();
const client = connect(undefined, { as: address.as, WebSocket: gate.Socket });
const session = client.session(address.session);

// For whoever wants to look inside, from the browser's console.
globalThis.durableSessions = { client, session };

const connection = createConnection({ elements, client, session, gate, retry: () => client.reconnect() });
const reading = follow(elements.scroller, elements.timeline, elements.jump);
const composer = createComposer({
  form: elements.form,
  input: elements.input,
  button: elements.send,
  editing: elements.editing,
  cancel: elements["editing-cancel"],
  send,
});
const actions = { stop, steer, keep, answer, cancel, retry, discard, edit: (message) => composer.edit(message), regenerate };
const timeline = new Timeline(elements.timeline, actions, nameOf, followLog(session));
const presence = createPresence({ list: elements.presence, isSelf, nameOf: nameInCompany });
const news = createNews({ element: elements.news, client, session, isSelf, nameOf: nameInCompany });

function send(text, replaces) {
  reading.end();
  // An answer to what is no longer asked would keep the new one waiting.
  session.send({ text, replaces, ifRunning: replaces && "interrupt" }).catch((error) => {
    // A refused message stands in the transcript with its reason; anything else was never taken.
    if (isRefused(text)) return;
    connection.fail(error);
    composer.offer(text);
  });
}

function retry(message) {
  composer.focus();
  // The id alone: all else is said as it was, also which message it replaces.
  session.send({ id: message.id }).catch(ignoreRefusal);
}

function discard(message) {
  composer.focus();
  session.discard(message.id);
}

function stop(run) {
  composer.focus();
  session.stop({ run: run.id }).catch(failUnlessOver);
}

function steer(run, text) {
  session.steer(run.id, text).catch((error) => connection.fail(error));
}

/** What was being written to a run that has ended. */
function keep(text) {
  composer.offer(text);
  composer.focus();
}

async function answer(ask, value) {
  composer.focus();
  try {
    await session.answer(ask, value);
  } catch (error) {
    // Somebody else was first: the transcript says so by taking the question away.
    if (error?.code !== "already_answered") connection.fail(error);
    throw error;
  }
}

function regenerate({ id, text }) {
  composer.focus();
  send(text, id);
}

function cancel(message) {
  composer.focus();
  const stopped = session.stop({ message: message.id });
  stopped.catch(failUnlessOver);
  return stopped;
}

function isRefused(text) {
  return session.transcript().messages.some((message) => message.state === "refused" && message.text === text);
}

// The transcript shows it, on the message itself.
function ignoreRefusal() {}

// A run that ended before its stop arrived is what was wanted.
function failUnlessOver(error) {
  if (error?.code !== "run_ended") connection.fail(error);
}

/** Who an item of the timeline is by: a run's agent has the same name before its first word and after. */
function nameOf({ message, run }) {
  const from = message?.from;
  if (message?.role !== "user") return agentName(run?.agent ?? from?.id ?? "assistant");
  return !from || isSelf(from) ? "You" : from.id;
}

function nameInCompany(from) {
  if (from.kind === "agent") return agentName(from.id);
  if (!isSelf(from)) return from.id;
  return address.name ? `${address.name} (you)` : "You";
}

function isSelf({ kind, id }) {
  return kind === "user" && id === (address.name ?? "anonymous");
}

function show() {
  const transcript = session.transcript();
  const loading = session.status === "loading";
  elements.loading.hidden = !loading;
  const begun = transcript.messages.length > 0 || transcript.runs.length > 0;
  elements.empty.hidden = loading || begun || session.status === "closed";
  timeline.show(transcript);
  elements["stop-all"].hidden = transcript.active.length === 0;
  document.title = transcript.title ? `${transcript.title} · durable sessions` : "Growth copilot · durable sessions";
  connection.show();
  presence.show(session.presence);
  news.show();
  announce(transcript);
}

// Screen readers hear of turns in the conversation once, not of every word.
let announced = { status: client.status, active: 0 };
function announce(transcript) {
  const active = transcript.active.length;
  if (client.status !== announced.status) say(`Connection: ${client.status}`);
  if (active > announced.active) say(active === 1 ? "An agent is at work" : `${active} agents are at work`);
  if (active < announced.active) say(active === 0 ? "The answer has ended" : `${active} agents are still at work`);
  announced = { status: client.status, active };
}

function say(words) {
  elements.announcer.textContent = words;
}

elements.session.textContent = address.session;
// Without an opener: a tab that shares this one's process would die with it.
elements["new-tab"].href = location.href;
elements.cut.checked = false;
elements.cut.addEventListener("change", () => {
  if (elements.cut.checked) {
    gate.cut();
  } else {
    gate.mend();
    client.reconnect();
  }
  show();
});

elements.share.addEventListener("click", async () => {
  const link = shareLink(address.session);
  try {
    await navigator.clipboard.writeText(link);
    elements.share.textContent = "Copied";
    say("Link copied");
  } catch {
    // Without the right to the clipboard the link is at least there to be copied by hand.
    prompt("Link to this session", link);
  }
  setTimeout(() => (elements.share.textContent = "Copy link"), COPIED_MS);
});

elements.examples.addEventListener("click", (event) => {
  const example = event.target.closest("button");
  if (example) composer.fill(example.textContent);
});

elements["stop-all"].addEventListener("click", () => {
  composer.focus();
  session.stop().catch(failUnlessOver);
});

// Each may be gone once it is pressed.
for (const id of ["jump", "error-retry", "error-dismiss", "link-retry"]) elements[id].addEventListener("click", composer.focus);

addEventListener("keydown", (event) => {
  if (event.key !== "Escape" || event.isComposing) return;
  if (session.transcript().active.some((run) => run.state !== "stopping")) session.stop().catch(failUnlessOver);
});

composer.focus();

client.subscribe(show);
session.subscribe(show);
session.on("presence", show);
show();

if (address.refused !== null) {
  const detail = "That session id cannot be used, so this is a new session. An id has 1 to 128 letters, digits or . _ ~ -";
  connection.fail({ code: "invalid", detail });
}
