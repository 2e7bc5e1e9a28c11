// What a run asks, and the buttons that answer it. The shapes are those of docs/AGENTS.md: confirm, choose,
// form and tool. Whatever else is asked is shown as it is, to be approved or declined.

import { make, setText } from "./element.js";

/** One open ask of a run. `answer(ask, value)` is called once a button is pressed. */
export class AskView {
  element = make("form", "ask", "ask");

  constructor({ id, body }, answer) {
    this.element.dataset.ask = id;
    const shape = typeof body === "object" && body !== null ? body : { detail: String(body) };
    const title = make("p", "ask-title");
    setText(title, shape.title ?? (shape.type === "tool" ? `Allow ${shape.name}?` : "An agent asks"));
    this.element.append(title);
    const detail = shape.detail ?? (shape.type === "tool" ? JSON.stringify(shape.input, null, 2) : undefined);
    if (detail) {
      const text = make("p", "ask-detail");
      setText(text, String(detail));
      this.element.append(text);
    }
    const fields = shape.type === "form" ? this.#fields(shape.fields ?? []) : [];
    const buttons = make("div", "ask-buttons");
    for (const { label, value } of choices(shape)) {
      const button = make("button", "action", "answer");
      button.type = "submit";
      button.value = JSON.stringify(value);
      setText(button, label);
      buttons.append(button);
    }
    this.element.append(buttons);
    this.element.addEventListener("submit", (event) => {
      event.preventDefault();
      const pressed = event.submitter ?? buttons.firstElementChild;
      const value = JSON.parse(pressed.value);
      this.#lock(true);
      const given = value === SUBMITTED ? Object.fromEntries(fields.map((input) => [input.name, input.value])) : value;
      // Whoever is first is heard; a refusal is told, and the buttons come back.
      answer(id, given).catch(() => this.#lock(false));
    });
  }

  #fields(fields) {
    return fields.map(({ name, label, type, value }) => {
      const row = make("label", "ask-field");
      row.append(label ?? name);
      const input = make("input");
      input.name = name;
      input.type = type === "number" ? "number" : "text";
      input.step = "any";
      input.value = value ?? "";
      row.append(input);
      this.element.append(row);
      return input;
    });
  }

  #lock(isLocked) {
    for (const button of this.element.querySelectorAll("button")) button.disabled = isLocked;
  }
}

/** In place of an answer: what was typed into the form. */
const SUBMITTED = "submitted";

function choices(shape) {
  switch (shape.type) {
    case "choose":
      return (shape.options ?? []).map((option) =>
        typeof option === "object" ? { label: option.label ?? String(option.value), value: option.value } : { label: String(option), value: option },
      );
    case "form":
      return [{ label: shape.submit ?? "Send", value: SUBMITTED }];
    default:
      return [
        { label: shape.confirm ?? "Approve", value: { approved: true } },
        { label: shape.decline ?? "Decline", value: { approved: false } },
      ];
  }
}
