// A task that a run gave to an agent, and that no run has taken.

import { agentName, make, setData, setText } from "./element.js";

const STATES = {
  waiting: "Not taken yet",
  stopped: "Cancelled",
  expired: "Nobody took it",
};

/** Stands where the run that takes it will stand. */
export class TaskView {
  element = make("section", "panel is-task", "task");
  #name = make("h3", "panel-name");
  #state = make("span", "panel-state");
  #text = make("p", "panel-task");

  constructor() {
    const head = make("header", "panel-head");
    head.append(this.#name, this.#state);
    this.element.append(head, this.#text);
  }

  show({ depth, message, task }) {
    setData(this.element, "id", message.id);
    setData(this.element, "agent", task.to);
    setData(this.element, "state", task.state);
    this.element.style.setProperty("--depth", String(depth));
    setText(this.#name, agentName(task.to));
    setText(this.#state, STATES[task.state] ?? task.state);
    setText(this.#text, message.text ?? "");
  }
}
