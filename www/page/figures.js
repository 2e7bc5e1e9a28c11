// The figures of an answer, as a table.

import { make, setChildren, setData, setStreaming, setText, wordsOf } from "./element.js";

/** Shows the parts `{type: "figures", rows: [{name, label, value, unit, text}]}` of a message, as they come in. */
export class Figures {
  element = make("div", "figures");
  #shown = [];

  show({ parts = [], state }) {
    setStreaming(this.element, state === "streaming");
    // A part may be any JSON.
    const figures = parts.filter((part) => part?.type === "figures" && Array.isArray(part.rows));
    if (figures.length === this.#shown.length && figures.every((part, i) => part === this.#shown[i])) return;
    const tables = [...this.element.children];
    setChildren(this.element, figures.map((part, i) => (part === this.#shown[i] ? tables[i] : table(part))));
    this.#shown = figures;
  }
}

function table({ rows }) {
  const list = make("dl", "figure-list", "figures");
  for (const figure of rows) {
    const { name, label, value, unit, text } = figure ?? {};
    const row = make("div", "figure");
    setData(row, "name", name && wordsOf(name));
    row.dataset.label = wordsOf(label);
    row.dataset.value = wordsOf(value);
    setData(row, "unit", unit && wordsOf(unit));
    const [term, number] = [make("dt"), make("dd")];
    setText(term, wordsOf(label));
    setText(number, wordsOf(text ?? value));
    row.append(term, number);
    list.append(row);
  }
  return list;
}
