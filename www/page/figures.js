// The figures of an answer, as a table.

import { make, setData, setText } from "./element.js";

/** Shows the parts `{type: "figures", rows: [{name, label, value, unit, text}]}` of a message. */
export class Figures {
  element = make("div", "figures");
  #shown = [];

  show(parts) {
    const figures = parts.filter((part) => part.type === "figures" && Array.isArray(part.rows));
    if (figures.length === this.#shown.length && figures.every((part, i) => part === this.#shown[i])) return;
    this.#shown = figures;
    this.element.replaceChildren(...figures.map(table));
  }
}

function table({ rows }) {
  const list = make("dl", "figure-list", "figures");
  for (const { name, label, value, unit, text } of rows) {
    const row = make("div", "figure");
    setData(row, "name", name);
    row.dataset.label = label;
    row.dataset.value = String(value);
    setData(row, "unit", unit);
    const [term, number] = [make("dt"), make("dd")];
    setText(term, label);
    setText(number, text ?? String(value));
    row.append(term, number);
    list.append(row);
  }
  return list;
}
