// What a run asks, and the buttons that answer it. The shapes are those of docs/AGENTS.md: confirm, choose,
// form and tool. Whatever else is asked is shown as it is, to be approved or declined.

import { make, setData, setText, wordsOf } from "./element.js";

const SHAPES = ["confirm", "choose", "form", "tool"];

/** One open ask of a run. `answer(ask, value)` is called once a button is pressed. */
export class AskView {
  element = make("form", "ask", "ask");

  constructor({ id, body }, answer) {
    this.element.dataset.ask = id;
    const shape = isObject(body) ? body : { detail: body };
    const title = make("p", "ask-title");
    setText(title, wordsOf(shape.title ?? (shape.type === "tool" ? `Allow ${wordsOf(shape.name)}?` : "An agent asks")));
    this.element.append(title);
    const detail = wordsOf(detailOf(shape));
    if (detail !== "") {
      const text = make("p", "ask-detail");
      setText(text, detail);
      this.element.append(text);
    }
    const fields = shape.type === "form" ? fieldsOf(shape) : [];
    const typed = () => Object.fromEntries(fields.map(({ name, input }) => [name, input.value]));
    const buttons = make("div", "ask-buttons");
    const values = new Map();
    for (const { label, value } of choicesOf(shape, typed)) {
      const button = make("button", "action", "answer");
      button.type = "submit";
      setText(button, wordsOf(label));
      values.set(button, value);
      buttons.append(button);
    }
    this.element.append(...fields.map(({ row }) => row), buttons);
    this.element.addEventListener("submit", (event) => {
      event.preventDefault();
      const value = values.get(event.submitter ?? buttons.firstElementChild);
      this.#lock(true);
      // Whoever is first is heard; a refusal is told, and the buttons come back.
      answer(id, value()).catch(() => this.#lock(false));
    });
  }

  #lock(isLocked) {
    for (const button of this.element.querySelectorAll("button")) button.disabled = isLocked;
  }
}

function detailOf(shape) {
  if (shape.detail !== undefined && shape.detail !== null) return shape.detail;
  if (shape.type === "tool") return shape.input;
  // A shape that is not known here may hold its question anywhere.
  return SHAPES.includes(shape.type) || shape.title !== undefined ? undefined : shape;
}

/** The inputs bear no `name`: one called `append` would hide the form's own. */
function fieldsOf({ fields }) {
  return listOf(fields).filter(isObject).map(({ name, label, type, value }) => {
    const row = make("label", "ask-field");
    row.append(wordsOf(label ?? name));
    const input = make("input");
    setData(input, "name", wordsOf(name));
    input.type = type === "number" ? "number" : "text";
    input.step = "any";
    input.value = wordsOf(value ?? "");
    row.append(input);
    return { name: wordsOf(name), row, input };
  });
}

/** The buttons: what each says, and what gives the answer it stands for. */
function choicesOf(shape, typed) {
  const options = shape.type === "choose" ? listOf(shape.options) : [];
  if (options.length > 0) return options.map(choiceOf);
  if (shape.type === "form") return [{ label: shape.submit ?? "Send", value: typed }];
  return [
    { label: shape.confirm ?? "Approve", value: () => ({ approved: true }) },
    { label: shape.decline ?? "Decline", value: () => ({ approved: false }) },
  ];
}

function choiceOf(option) {
  if (!isObject(option)) return { label: option, value: () => option };
  const value = option.value === undefined ? (option.label ?? option) : option.value;
  return { label: option.label ?? value, value: () => value };
}

function listOf(value) {
  return Array.isArray(value) ? value : [];
}

function isObject(value) {
  return typeof value === "object" && value !== null;
}
