// The text of a message, written into the page as it grows.
//
// Whatever is done for the eye, the element's textContent stays exactly the message's text: tables
// and lists are styled in place, and nothing is added or left out.

const TABLE_MARK = "|";
const ITEM_MARK = "- ";

/** Writes one message's text into `element`. */
export class TextView {
  #element;
  #text = "";
  /** The table that is being written, while the last line belongs to one. */
  #table = null;
  /** What the current line goes into: a row, a list item, or the element itself. */
  #line;
  #atLineStart = true;

  constructor(element) {
    this.#element = element;
    this.#line = element;
  }

  /** Shows `text`; when it begins as the text before did, only the rest is added. */
  show(text) {
    if (text === this.#text) return;
    if (!text.startsWith(this.#text)) this.#clear();
    const added = text.slice(this.#text.length);
    this.#text = text;
    for (const piece of added.split(/(?<=\n)/)) this.#append(piece);
  }

  #clear() {
    this.#element.replaceChildren();
    this.#text = "";
    this.#table = null;
    this.#line = this.#element;
    this.#atLineStart = true;
  }

  /** Appends a piece of one line, with the line break at its end or none. */
  #append(piece) {
    if (this.#atLineStart) this.#beginLine(piece);
    const ends = piece.endsWith("\n");
    const content = ends ? piece.slice(0, -1) : piece;
    if (this.#table) appendCells(this.#line, content);
    else appendText(this.#line, content);
    // A break at the end of a box would be swallowed, so it stands behind the box; a table takes it
    // back when another row follows.
    if (ends) appendText(this.#element, "\n");
    this.#atLineStart = ends;
  }

  #beginLine(piece) {
    if (piece.startsWith(TABLE_MARK)) return this.#beginRow();
    this.#table = null;
    this.#line = this.#element;
    // A stream may bring the hyphen alone; then it is taken for an item's.
    if (piece.startsWith(ITEM_MARK) || piece === ITEM_MARK.trim()) {
      this.#line = span("item");
      this.#element.append(this.#line);
    }
  }

  #beginRow() {
    if (this.#table) {
      this.#element.lastChild.remove();
      this.#line.append("\n");
    } else {
      this.#table = span("table");
      this.#element.append(this.#table);
    }
    const kind = ["row head", "row ruler"][this.#table.childElementCount] ?? "row";
    this.#line = span(kind);
    this.#table.append(this.#line);
  }
}

/** Marks between cells are set apart from what is in the cells. */
function appendCells(row, content) {
  for (const piece of content.split(/(\|)/)) {
    if (piece === TABLE_MARK) {
      const mark = span("bar-mark");
      mark.textContent = piece;
      row.append(mark);
    } else if (piece !== "") {
      appendText(row, piece);
    }
  }
}

function appendText(parent, text) {
  if (text === "") return;
  const last = parent.lastChild;
  if (last?.nodeType === Node.TEXT_NODE) last.appendData(text);
  else parent.append(text);
}

function span(className) {
  const element = document.createElement("span");
  element.className = className;
  return element;
}
