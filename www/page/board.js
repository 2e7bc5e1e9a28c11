// The runs that work for one, side by side, and the tasks that wait for one.

import { make, setChildren } from "./element.js";
import { Panel } from "./panel.js";
import { TaskView } from "./task.js";

export class Board {
  element = make("div", "board");
  #actions;
  #views = new Map();

  constructor(actions) {
    this.#actions = actions;
    this.element.setAttribute("role", "group");
    this.element.setAttribute("aria-label", "Agents at work");
  }

  show(panels) {
    const views = panels.map((panel) => {
      const view = this.#viewOf(panel);
      view.show(panel);
      return view;
    });
    setChildren(this.element, views.map(({ element }) => element));
  }

  #viewOf({ run, message }) {
    const key = run ? `run:${run.id}` : `task:${message.id}`;
    let view = this.#views.get(key);
    if (!view) {
      view = run ? new Panel(this.#actions) : new TaskView(this.#actions.cancel);
      this.#views.set(key, view);
    }
    return view;
  }
}
