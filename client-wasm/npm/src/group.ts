// Which tabs may share a connection: those of one server, one principal and equal rights.
import { hex, randomId } from "./id.js";

/** What the channel and the lock of a group are named by, and what the server knows it by. */
export interface Group {
  key: string;
  id: string;
}

/** Who connects, as JSON texts: with these rights, and as this principal. */
export interface Identity {
  rights: string;
  principal: string;
}

/** The version of what tabs say to each other: those of another do not meet. */
const KEY_PREFIX = "durable-sessions.v1:";

/** Whether everything that sharing needs is here. What throws is missing. */
export function canShare(): boolean {
  try {
    return !!(crypto.subtle && navigator.locks && BroadcastChannel && localStorage);
  } catch {
    return false;
  }
}

/** Who connects to `url` as `as`, or with a token; nobody can say for a token that is no JWT. */
export function identify(url: string, as: string | undefined, token?: string): Identity | undefined {
  if (token === undefined) {
    const principal = JSON.stringify([url, as]);
    return { rights: principal, principal };
  }
  try {
    // It is read and not verified: a forged one is refused by the server, whatever its group. What
    // `atob` leaves of other characters than ASCII is the same for the same token.
    const claims = atob(token.split(".")[1]!.replace(/-/g, "+").replace(/_/g, "/"));
    const { iss, sub, kind, sessions, can } = JSON.parse(claims);
    return {
      rights: JSON.stringify([url, iss, sub, kind, sessions, can]),
      principal: JSON.stringify([url, iss, sub, kind]),
    };
  } catch {
    return undefined;
  }
}

/** The group of all tabs with these rights; rejects where something that it needs fails. */
export async function groupOf(rights: string): Promise<Group> {
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(rights));
  const key = KEY_PREFIX + hex(new Uint8Array(digest));
  let id = localStorage.getItem(key);
  // Tabs that begin together, and are the first, agree on one.
  id ??= await navigator.locks.request(`${key} id`, () => {
    const agreed = localStorage.getItem(key) ?? randomId();
    localStorage.setItem(key, agreed);
    return agreed;
  });
  return { key, id };
}
