// Who and where this page is, out of its address: `?session=ID&as=NAME`.

const RANDOM_BYTES = 10;
const SESSION_ID = /^[A-Za-z0-9._~-]{1,128}$/;

/**
 * The session's id and who takes part. Without a usable id a new session begins, and the address says
 * so; `refused` is the id that could not be used, if there was one.
 */
export function readAddress() {
  const query = new URLSearchParams(location.search);
  const name = query.get("as") || null;
  const given = query.get("session") || null;
  let session = given;
  if (given === null || !SESSION_ID.test(given)) {
    session = randomId();
    query.set("session", session);
    history.replaceState(null, "", `?${query}`);
  }
  const refused = session === given ? null : given;
  return { session, refused, name, as: name ? `user/${name}` : undefined };
}

/** The address to give to someone else: the session without this visitor's name. */
export function shareLink(session) {
  const url = new URL(location.href);
  url.search = new URLSearchParams({ session }).toString();
  url.hash = "";
  return url.href;
}

// Not randomUUID: browsers keep that from pages on plain HTTP beyond localhost.
function randomId() {
  const bytes = crypto.getRandomValues(new Uint8Array(RANDOM_BYTES));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
