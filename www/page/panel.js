// One run beside others: what it says, its figures, and the means to stop, steer and answer it.

import { AskView } from "./ask.js";
import { Figures } from "./figures.js";
import { agentName, isOpen, make, setData, setRun, setStreaming, setText, wordsOf } from "./element.js";
import { TextView } from "./text.js";

const STATES = {
  running: "Working",
  suspended: "Waits for you",
  stopping: "Stopping…",
  completed: "Done",
  failed: "Failed",
  stopped: "Stopped",
  lost: "Lost",
};

/** What became of a steer. */
const FATES = { sending: "sending…", sent: "waiting", completed: "taken", lost: "came too late", stopped: "stopped", refused: "refused" };

/** Who reads the end of a panel goes on reading its end. */
const FOLLOW_PX = 48;

/** `actions`: stop(run), steer(run, text), keep(text), discard(steer), answer(ask, value). */
export class Panel {
  element = make("section", "panel");
  #actions;
  #shown = null;
  #name = make("h3", "panel-name");
  #state = make("span", "panel-state");
  #task = make("p", "panel-task");
  #texts = make("div", "panel-texts");
  #reason = make("p", "panel-reason");
  #controls;
  #byMessage = new Map();
  #follows = true;
  #lastTop = 0;

  constructor(actions) {
    this.#actions = actions;
    const head = make("header", "panel-head");
    head.append(this.#name, this.#state);
    this.#controls = new Controls(actions);
    this.#texts.addEventListener("scroll", () => this.#scrolled(), { passive: true });
    this.element.append(head, this.#task, this.#texts, this.#reason, this.#controls.element);
  }

  show({ run, depth, tasks, messages, steers }) {
    const shown = [run, ...tasks, ...messages, ...steers];
    if (this.#shown?.length === shown.length && shown.every((one, i) => one === this.#shown[i])) return;
    this.#shown = shown;
    setRun(this.element, run);
    this.element.style.setProperty("--depth", String(depth));
    setText(this.#name, agentName(run.agent));
    setText(this.#state, STATES[run.state] ?? run.state);
    setText(this.#task, tasks.map(({ text }) => text).join("\n"));
    this.#task.hidden = tasks.length === 0;
    this.#showMessages(messages);
    setText(this.#reason, wordsOf(run.error?.detail ?? run.error?.code));
    this.#controls.show(run, steers);
  }

  #showMessages(messages) {
    const present = new Set(messages.map(({ id }) => id));
    for (const [id, view] of this.#byMessage) {
      if (present.has(id)) continue;
      view.element.remove();
      this.#byMessage.delete(id);
    }
    for (const message of messages) {
      let view = this.#byMessage.get(message.id);
      if (!view) {
        view = new PanelMessage();
        this.#byMessage.set(message.id, view);
        this.#texts.append(view.element);
      }
      view.show(message);
    }
    if (this.#follows) this.#texts.scrollTop = this.#texts.scrollHeight;
  }

  /** Words that are added never move the position up: only a reader does. */
  #scrolled() {
    const { scrollTop, scrollHeight, clientHeight } = this.#texts;
    if (scrollHeight - scrollTop - clientHeight < FOLLOW_PX) this.#follows = true;
    else if (scrollTop < this.#lastTop) this.#follows = false;
    this.#lastTop = scrollTop;
    this.#texts.classList.toggle("is-scrolled", scrollTop > 0);
  }
}

class PanelMessage {
  element = make("div", "panel-message");
  #article = make("article", "message", "message");
  #text;
  #figures = new Figures();

  constructor() {
    const text = make("div", "message-text", "message-text");
    this.#text = new TextView(text);
    this.#article.append(text);
    this.element.append(this.#article, this.#figures.element);
  }

  show(message) {
    setData(this.#article, "id", message.id);
    setData(this.#article, "role", message.role);
    setData(this.#article, "state", message.state);
    setData(this.#article, "run", message.run);
    setStreaming(this.#article, message.state === "streaming");
    this.#text.show(message.text ?? "");
    this.#figures.show(message);
  }
}

/** What stands under a run: its asks, its steers, and while it is open the means to steer and stop it. */
export class Controls {
  element = make("div", "controls");
  #actions;
  #run = null;
  #asks = make("div", "asks");
  #byAsk = new Map();
  #steers = make("ul", "steers");
  /** What is listed there. */
  #sent = [];
  #form = make("form", "steer-form");
  #input = make("input", "steer-input", "steer");
  #stop = make("button", "action action-stop", "stop-run");

  constructor(actions) {
    this.#actions = actions;
    this.#input.placeholder = "Steer: COGS 12";
    this.#input.autocomplete = "off";
    this.#input.enterKeyHint = "send";
    this.#stop.type = "button";
    this.#stop.addEventListener("click", () => this.#actions.stop(this.#run));
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      const text = this.#input.value.trim();
      if (text === "" || this.#run.state === "stopping") return;
      this.#input.value = "";
      this.#actions.steer(this.#run, text);
    });
    this.#form.append(this.#input, this.#stop);
    this.#steers.hidden = true;
    this.element.append(this.#asks, this.#steers, this.#form);
  }

  /** Shows what a run needs now; unless `isWanted`, its buttons stand elsewhere. */
  show(run, steers, isWanted = true) {
    if (run !== this.#run) this.#showRun(run);
    this.#showSteers(steers);
    this.element.hidden = !isWanted || (!isOpen(run) && steers.length === 0);
  }

  #showRun(run) {
    this.#run = run;
    const name = agentName(run.agent);
    const isStopping = run.state === "stopping";
    const isTyping = this.#input === document.activeElement;
    this.#form.hidden = !isOpen(run);
    // Who is typing goes on where it can still be sent.
    if (isTyping && !isOpen(run)) this.#actions.keep(this.#input.value);
    this.#input.setAttribute("aria-label", `Steer ${name}`);
    this.#stop.disabled = isStopping;
    this.#stop.dataset.run = run.id;
    this.#stop.setAttribute("aria-label", `${isStopping ? "Stopping" : "Stop"} ${name}`);
    setText(this.#stop, isStopping ? "Stopping…" : "Stop");
    // A stop may be refused: what was typed into them is kept until the run has ended.
    this.#asks.hidden = isStopping;
    this.#showAsks(isOpen(run) ? run.asks : []);
  }

  /** The list is read out as it changes, so it changes only with what it lists. */
  #showSteers(steers) {
    if (steers.length === this.#sent.length && steers.every((steer, i) => steer === this.#sent[i])) return;
    this.#sent = steers;
    this.#steers.replaceChildren(...steers.map((steer) => steerView(steer, this.#actions.discard)));
    this.#steers.hidden = steers.length === 0;
  }

  #showAsks(asks) {
    const present = new Set(asks.map(({ id }) => id));
    for (const [id, view] of this.#byAsk) {
      if (present.has(id)) continue;
      view.element.remove();
      this.#byAsk.delete(id);
    }
    for (const ask of asks) {
      if (this.#byAsk.has(ask.id)) continue;
      const view = new AskView(ask, this.#actions.answer);
      this.#byAsk.set(ask.id, view);
      this.#asks.append(view.element);
    }
  }
}

function steerView(steer, discard) {
  const { id, text, state, error } = steer;
  const item = make("li", "steer-sent");
  item.dataset.testid = "steer-sent";
  item.dataset.id = id;
  item.dataset.state = state;
  const fate = make("span", "steer-fate");
  setText(fate, error?.detail ?? FATES[state] ?? state);
  item.append(text ?? "", " ", fate);
  if (state === "refused") {
    const button = make("button", "action steer-discard", "discard");
    button.type = "button";
    setText(button, "Discard");
    button.addEventListener("click", () => discard(steer));
    item.append(" ", button);
  }
  return item;
}
