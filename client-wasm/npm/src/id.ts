/** A fresh random id of 128 bits. `crypto.randomUUID` is missing where a page is not served by https. */
export function randomId(): string {
  let id = "";
  for (const byte of crypto.getRandomValues(new Uint8Array(16))) id += byte.toString(16).padStart(2, "0");
  return id;
}
