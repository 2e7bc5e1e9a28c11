// One entry of the conversation: a message, or a run that has not said anything yet.

import { TextView } from "./text.js";

const time = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });

/** What an outcome is called under an answer. A completed one needs no word. */
const OUTCOMES = {
  stopped: "Stopped",
  failed: "Failed",
  lost: "The agent was lost before it finished",
};

/**
 * `actions` are what an entry's buttons do: stop(run), cancel(message), retry(message),
 * discard(message).
 */
export class Entry {
  element = make("li", "entry");
  #actions;
  #message = null;
  #run = null;
  #cancellable = false;
  #heading = make("div", "entry-head");
  #name = make("span", "entry-name");
  #time = make("time", "entry-time");
  #note = make("span", "entry-note");
  #body = null;
  #text = null;
  #foot = make("div", "entry-foot");
  #buttons = new Map();

  constructor(actions) {
    this.#actions = actions;
    this.#heading.append(this.#name, this.#time, this.#note);
    this.element.append(this.#heading, this.#foot);
  }

  /**
   * Shows a message, its open run if it is the last message of one, and whether it can still be
   * cancelled. Does nothing when nothing changed: transcripts keep the identity of what did not.
   */
  show({ message, run, cancellable, name }) {
    const same = message === this.#message && run === this.#run && cancellable === this.#cancellable;
    if (same) return;
    this.#message = message;
    this.#run = run;
    this.#cancellable = cancellable;
    setText(this.#name, name);
    if (message) this.#showMessage(message);
    else this.#showWaiting(run);
    this.#showStop(run);
    this.#button("cancel", cancellable, "Cancel", () => this.#actions.cancel(this.#message));
    this.#foot.hidden = this.#foot.childElementCount === 0;
  }

  #showMessage(message) {
    const body = this.#body ?? this.#makeBody();
    this.element.classList.remove("is-waiting");
    this.element.dataset.author = message.role;
    delete this.element.dataset.run;
    setData(body, "id", message.id);
    setData(body, "role", message.role);
    setData(body, "run", message.run);
    setData(body, "state", message.state);
    body.setAttribute("aria-busy", String(message.state === "streaming"));
    if (message.at) {
      setText(this.#time, time.format(message.at));
      this.#time.dateTime = new Date(message.at).toISOString();
    }
    this.#text.show(message.text ?? "");
    this.#showFate(message);
  }

  #makeBody() {
    const body = make("article", "message");
    body.dataset.testid = "message";
    const text = make("div", "message-text");
    text.dataset.testid = "message-text";
    body.append(text);
    this.#foot.before(body);
    this.#body = body;
    this.#text = new TextView(text);
    return body;
  }

  #showWaiting(run) {
    this.element.classList.add("is-waiting");
    this.element.dataset.author = "assistant";
    this.element.dataset.run = run.id;
    setText(this.#note, run.state === "suspended" ? "waits for an answer" : "is working on it");
  }

  #showFate(message) {
    const refused = message.state === "refused";
    const outcome = message.role === "assistant" ? OUTCOMES[message.state] : undefined;
    const fate = message.role === "user" && message.state === "stopped" ? "Cancelled" : "";
    setText(this.#note, message.state === "sending" ? "Sending…" : fate);

    const words = refused ? describe(message.error) : outcome && withReason(outcome, message.error);
    const failure = this.#piece("error", Boolean(words), () => make("p", "entry-fate"));
    if (failure) {
      setText(failure, words);
      failure.classList.toggle("is-error", refused || message.state === "failed");
      if (refused) failure.dataset.testid = "error";
      else delete failure.dataset.testid;
    }
    this.#button("retry", refused, "Try again", () => this.#actions.retry(this.#message));
    this.#button("discard", refused, "Discard", () => this.#actions.discard(this.#message));
  }

  #showStop(run) {
    const stop = this.#button("stop", Boolean(run), "Stop", () => this.#actions.stop(this.#run));
    if (!stop) return;
    const stopping = run.state === "stopping";
    setText(stop, stopping ? "Stopping…" : "Stop");
    stop.disabled = stopping;
    setData(stop, "run", run.id);
  }

  #button(name, wanted, label, act) {
    return this.#piece(name, wanted, () => {
      const button = make("button", `action action-${name}`);
      button.type = "button";
      button.textContent = label;
      button.dataset.testid = name;
      button.addEventListener("click", act);
      return button;
    });
  }

  /** The piece of the foot with that name, made when first wanted, gone when no more. */
  #piece(name, wanted, create) {
    let piece = this.#buttons.get(name);
    if (wanted && !piece) {
      piece = create();
      this.#buttons.set(name, piece);
      this.#foot.append(piece);
    } else if (!wanted && piece) {
      this.#buttons.delete(name);
      piece.remove();
      piece = undefined;
    }
    return piece;
  }
}

function withReason(outcome, error) {
  return error ? `${outcome}: ${error.detail || error.code}` : outcome;
}

/** An error object in words. */
export function describe(error) {
  if (!error) return "This message was refused.";
  // The detail is for a developer, who could send the text some other way.
  if (error.code === "too_large") return "This message is too long to be sent.";
  return error.detail || error.message || `Refused: ${error.code}`;
}

function make(tag, className) {
  const element = document.createElement(tag);
  element.className = className;
  return element;
}

function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

function setData(element, name, value) {
  if (value === undefined || value === null) delete element.dataset[name];
  else if (element.dataset[name] !== value) element.dataset[name] = value;
}
