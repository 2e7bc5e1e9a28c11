// What is read over HTTP, beside the connection.
import { DurableSessionsError, failure, type ErrorCode } from "./errors.js";
import type { Listed } from "./types.js";

/** A problem object of the server. */
interface Problem {
  code?: ErrorCode;
  detail?: string;
  retryable?: boolean;
  side_effects?: string;
  retry_after_ms?: number;
}

/** Who asks. */
export interface Asker {
  as: string | undefined;
  /** Gives a token; `null` when signed out, `undefined` when it failed. Absent: there are none. */
  token: (() => Promise<string | null | undefined>) | undefined;
}

/**
 * The JSON at a path beside the WebSocket address `url`. Rejects with what the server said, or with
 * `unavailable` if it said nothing.
 */
export async function get<T>(url: string, path: string, query: object, { as, token }: Asker): Promise<T> {
  const address = new URL(path, url.replace(/^ws/, "http"));
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined) address.searchParams.set(name, String(value));
  }
  const headers: Record<string, string> = {};
  const granted = await token?.();
  if (granted === null) throw failure("unauthorized", "signed out");
  if (granted) headers.Authorization = `Bearer ${granted}`;
  else if (as !== undefined) headers["Session-As"] = as;
  let response: Response;
  let body: T | Problem;
  try {
    if (token && !granted) throw granted;
    response = await fetch(address, { headers });
    body = await response.json();
  } catch {
    throw new DurableSessionsError("unavailable", `${address.pathname} could not be read`, true);
  }
  if (response.ok) return body as T;
  const { code = "unavailable", detail, retryable, side_effects, retry_after_ms } = body as Problem;
  throw new DurableSessionsError(code, detail, retryable, side_effects === "unknown", retry_after_ms);
}

/** A list of sessions in the words of the API. */
export function listed({ sessions, next }: {
  sessions: (Listed["sessions"][number] & { updated_at: number })[];
  next?: string;
}): Listed {
  return {
    sessions: sessions.map(({ updated_at: updatedAt, ...session }) => ({ ...session, updatedAt })),
    ...(next !== undefined && { next }),
  };
}
