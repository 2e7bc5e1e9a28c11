// The button that takes back an input before any run has it.

import { make, setText } from "./element.js";

/** `name` tells it from others. `cancel()` resolves once the log has it, which says what comes of it. */
export function cancelButton(name, cancel) {
  const button = make("button", "action action-cancel", "cancel");
  button.type = "button";
  const show = (isPressed) => {
    button.disabled = isPressed;
    const label = isPressed ? "Cancelling…" : "Cancel";
    setText(button, label);
    button.setAttribute("aria-label", `${label}: ${name}`);
  };
  button.addEventListener("click", () => {
    show(true);
    cancel().catch(() => show(false));
  });
  show(false);
  return button;
}
