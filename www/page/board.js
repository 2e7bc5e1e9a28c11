// The runs that work for one, side by side.

import { make } from "./element.js";
import { Panel } from "./panel.js";

export class Board {
  element = make("div", "board");
  #actions;
  #byRun = new Map();

  constructor(actions) {
    this.#actions = actions;
    this.element.setAttribute("role", "group");
    this.element.setAttribute("aria-label", "Agents at work");
  }

  show(panels) {
    for (const panel of panels) {
      let view = this.#byRun.get(panel.run.id);
      if (!view) {
        view = new Panel(this.#actions);
        this.#byRun.set(panel.run.id, view);
      }
      view.show(panel);
    }
    const wanted = panels.map(({ run }) => this.#byRun.get(run.id).element);
    const now = this.element.children;
    if (now.length !== wanted.length || wanted.some((element, i) => element !== now[i])) {
      this.element.replaceChildren(...wanted);
    }
  }
}
