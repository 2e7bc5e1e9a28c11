// The parts of a message. The rules are those of the protocol crate's `fold/transcript.rs`.
import type { Part } from "./types.js";

/** Most parts of a message, as in the protocol. */
const MESSAGE_MAX_PARTS = 1024;

/** Adds text to a part of a message; a part that is new has this type. */
export function append(message: { text: string; parts: Part[] }, index: number, type: unknown, text: unknown): void {
  const isNew = index >= message.parts.length;
  const isLast = index + 1 >= message.parts.length;
  if (!pad(message, index)) return;
  let part = message.parts[index]!;
  if (isNew && type != null) part = { type: type as string, text: "" };
  if (typeof part !== "object" || part === null || Array.isArray(part)) part = { type: "text", text: "" };
  const added = ownText(text) ?? "";
  message.parts[index] = { ...part, text: (ownText(part.text) ?? "") + added };
  if (part.type !== "text") return;
  message.text = isLast ? message.text + added : joined(message.parts);
}

/** Makes the parts up to `index`; false past the limit. */
export function pad(message: { parts: Part[] }, index: number): boolean {
  if (index >= MESSAGE_MAX_PARTS) return false;
  while (message.parts.length <= index) message.parts.push({ type: "text", text: "" });
  return true;
}

/** The text of a message of these parts. */
export function joined(parts: readonly Part[]): string {
  let text = "";
  for (const part of parts) if (part?.type === "text") text += ownText(part.text) ?? "";
  return text;
}

/** A value that is a string. */
export function ownText(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}

/** Sets a field, or leaves it out where there is nothing. */
export function setOptional<T extends object>(target: T, key: keyof T & string, value: unknown): void {
  if (value == null) delete target[key];
  else (target as Record<string, unknown>)[key] = value;
}
