// One entry of the conversation: a message, or a run that has not said anything.

import { isLarge } from "./arrange.js";
import { Board } from "./board.js";
import { cancelButton } from "./cancel.js";
import { isOpen, make, setData, setRun, setStreaming, setText } from "./element.js";
import { Figures } from "./figures.js";
import { Controls } from "./panel.js";
import { TextView } from "./text.js";

const time = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });

/** What an outcome is called under an answer. A completed one needs no word. */
const OUTCOMES = {
  stopped: "Stopped",
  failed: "Failed",
  lost: "The agent was lost before it finished",
};

/** What is said of an open run that has not said anything itself. */
const WAITING = {
  running: "is working on it",
  suspended: "waits for an answer",
  stopping: "is stopping",
};

/** What is said of an input that no run has. */
const WAITS_FOR = { turn: "Waiting for its turn", agent: "Waiting for an agent" };

/** What may stand under an entry, in this order. */
const FOOT = ["error", "stop", "retry", "discard", "cancel", "edit", "regenerate"];

/** So much of a message tells its button from those of others. */
const LABEL_MAX_CHARS = 60;

/**
 * `actions` are what an entry's buttons do: stop(run), steer(run, text), answer(ask, value),
 * cancel(message), retry(message), discard(message), edit(message), regenerate(message).
 */
export class Entry {
  element = make("li", "entry");
  #actions;
  /** `undefined` until something is shown. */
  #message = undefined;
  #waiting = null;
  #run = null;
  #waitsFor = null;
  #wasTaken = false;
  #isLast = false;
  #heading = make("div", "entry-head");
  #name = make("span", "entry-name");
  #time = make("time", "entry-time");
  #note = make("span", "entry-note");
  #body = null;
  #text = null;
  #figures = null;
  #controls = null;
  #board = null;
  #foot = make("div", "entry-foot");
  #buttons = new Map();

  constructor(actions) {
    this.#actions = actions;
    this.#heading.append(this.#name, this.#time, this.#note);
    this.element.append(this.#heading, this.#foot);
  }

  /**
   * Shows an item of `arrange`: a message or a run without one, with what its run needs. Touches nothing that
   * did not change: transcripts keep the identity of what stayed the same.
   */
  show({ message, run, speaking, waitsFor, wasTaken, isLast, isHosted, host, name }) {
    this.#showHost(host);
    const waiting = message ? null : run;
    const open = isHosted ? null : speaking ?? (waiting && isOpen(waiting) ? waiting : null);
    const said = message === this.#message && waiting === this.#waiting && wasTaken === this.#wasTaken;
    if (said && open === this.#run && waitsFor === this.#waitsFor && isLast === this.#isLast) return;
    this.#message = message;
    this.#waiting = waiting;
    this.#run = open;
    this.#waitsFor = waitsFor;
    this.#wasTaken = wasTaken;
    this.#isLast = isLast;
    setText(this.#name, name);
    if (message) this.#showMessage(message);
    else this.#showWordless(run);
    this.#showStop(open);
    this.#piece("cancel", waitsFor !== null, () => this.#makeCancel());
    const isAsked = message?.role === "user" && message.state !== "sending" && message.state !== "refused";
    this.#button("edit", isAsked, "Edit", () => this.#actions.edit(this.#message));
    this.#button("regenerate", isAsked && isLast && waitsFor === null, "Ask again", () => this.#actions.regenerate(this.#message));
    this.#foot.hidden = this.#foot.childElementCount === 0;
  }

  /** The root run that begins here, with all that works for it. */
  #showHost(host) {
    setRun(this.element, host?.root);
    if (!host) return;
    const { root, panels, steers } = host;
    if (!this.#board && !isLarge(host)) return;
    if (!this.#board) {
      this.#board = new Board(this.#actions);
      this.#controls = new Controls(this.#actions);
      // Above what the run says of it, which goes on when they are done.
      this.#heading.after(this.#board.element);
      this.element.append(this.#controls.element);
      this.#controls.element.classList.add("is-root");
    }
    this.#board.element.hidden = panels.length === 0;
    this.#board.show(panels);
    this.#controls.show(root, steers, isLarge(host));
  }

  #showMessage(message) {
    const body = this.#body ?? this.#makeBody();
    this.element.classList.remove("is-waiting");
    this.element.classList.toggle("is-queued", this.#waitsFor !== null);
    this.element.dataset.author = message.role;
    setData(body, "id", message.id);
    setData(body, "role", message.role);
    setData(body, "run", message.run);
    setData(body, "state", message.state);
    setStreaming(body, message.state === "streaming");
    if (message.at) {
      setText(this.#time, time.format(message.at));
      this.#time.dateTime = new Date(message.at).toISOString();
    }
    this.#text.show(message.text ?? "");
    this.#figures.show(message);
    this.#showFate(message);
  }

  #makeBody() {
    const body = make("article", "message");
    body.dataset.testid = "message";
    const text = make("div", "message-text");
    text.dataset.testid = "message-text";
    body.append(text);
    this.#figures = new Figures();
    this.#foot.before(body, this.#figures.element);
    this.#body = body;
    this.#text = new TextView(text);
    return body;
  }

  #showWordless(run) {
    // What it had said before was replaced.
    for (const piece of [this.#body, this.#figures?.element]) piece?.remove();
    this.#body = null;
    setText(this.#time, "");
    for (const name of ["error", "retry", "discard"]) this.#piece(name, false);
    this.element.classList.toggle("is-waiting", isOpen(run));
    this.element.dataset.author = "assistant";
    const outcome = OUTCOMES[run.state];
    const end = run.children.length > 0 ? "Done" : "Finished without a word";
    setText(this.#note, WAITING[run.state] ?? (outcome ? withReason(outcome, run.error) : end));
  }

  #showFate(message) {
    const refused = message.state === "refused";
    const outcome = message.role === "assistant" ? OUTCOMES[message.state] : undefined;
    setText(this.#note, message.role === "user" ? this.#inputFate(message) : "");

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

  #inputFate({ state }) {
    switch (state) {
      case "sending":
        return "Sending…";
      case "stopped":
        return "Cancelled";
      case "lost":
        return this.#wasTaken ? "Given up" : "Nobody took it";
      default:
        return WAITS_FOR[this.#waitsFor] ?? "";
    }
  }

  #makeCancel() {
    const name = (this.#message.text ?? "").slice(0, LABEL_MAX_CHARS);
    return cancelButton(name, () => this.#actions.cancel(this.#message));
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
      const behind = FOOT.slice(FOOT.indexOf(name) + 1).find((other) => this.#buttons.has(other));
      this.#foot.insertBefore(piece, this.#buttons.get(behind) ?? null);
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
