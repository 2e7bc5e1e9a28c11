// The message box.

const HEIGHT_MAX_PX = 220;

/**
 * Calls `send(text, replaces)` for each message that is written; `replaces` is the id of the message it
 * takes the place of, while one is edited.
 */
export function createComposer({ form, input, button, editing, cancel, send }) {
  let replaces = null;
  const edit = (id) => {
    replaces = id;
    editing.hidden = id === null;
  };
  cancel.addEventListener("click", () => {
    edit(null);
    input.value = "";
    changed();
    input.focus();
  });

  const changed = () => {
    button.disabled = input.value.trim() === "";
    input.style.height = "auto";
    input.style.height = `${Math.min(input.scrollHeight, HEIGHT_MAX_PX)}px`;
  };

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const text = input.value.trim();
    input.focus();
    if (text === "") return;
    input.value = "";
    changed();
    const replaced = replaces ?? undefined;
    edit(null);
    send(text, replaced);
  });

  input.addEventListener("input", changed);
  input.addEventListener("keydown", (event) => {
    // While an input method composes, Enter picks a candidate.
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    form.requestSubmit();
  });

  // A browser may have kept what was typed before a reload.
  changed();

  return {
    /** Puts `text` into the box, unless something is being written there. */
    offer(text) {
      if (input.value.trim() !== "") return;
      this.fill(text);
    },
    /** Writes a message anew: it and all after it are replaced by what is sent. */
    edit({ id, text }) {
      edit(id);
      this.fill(text);
    },
    fill(text) {
      input.value = text;
      changed();
      input.focus();
    },
    /** Brings the keyboard back here, where that opens none on the screen. */
    focus() {
      if (matchMedia("(pointer: fine)").matches) input.focus();
    },
  };
}
