// A task that a run gave to an agent, and that waits for one to take it.

import { cancelButton } from "./cancel.js";
import { agentName, make, setData, setText } from "./element.js";

const STATES = { waiting: "Waiting", stopped: "Cancelled", expired: "Nobody took it" };
/** The same of one whose agents were lost. */
const STATES_AGAIN = { ...STATES, waiting: "Waiting again", expired: "Given up" };

/** Stands where the run that takes it will stand. `cancel(message)` takes it back. */
export class TaskView {
  element = make("section", "panel is-task", "task");
  #cancel;
  #message = null;
  #name = make("h3", "panel-name");
  #state = make("span", "panel-state");
  #text = make("p", "panel-task");
  #foot = make("div", "panel-foot");

  constructor(cancel) {
    this.#cancel = cancel;
    const head = make("header", "panel-head");
    head.append(this.#name, this.#state);
    this.element.append(head, this.#text, this.#foot);
  }

  show({ depth, message, task, wasTaken }) {
    this.#message = message;
    setData(this.element, "id", message.id);
    setData(this.element, "agent", task.to);
    setData(this.element, "state", task.state);
    this.element.style.setProperty("--depth", String(depth));
    setText(this.#name, agentName(task.to));
    setText(this.#state, (wasTaken ? STATES_AGAIN : STATES)[task.state] ?? task.state);
    setText(this.#text, message.text ?? "");
    this.#showCancel(task);
  }

  #showCancel({ to, state }) {
    const isWaiting = state === "waiting";
    this.#foot.hidden = !isWaiting;
    if (!isWaiting) this.#foot.replaceChildren();
    else if (this.#foot.childElementCount === 0) {
      this.#foot.append(cancelButton(agentName(to), () => this.#cancel(this.#message)));
    }
  }
}
