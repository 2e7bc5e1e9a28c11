// Addresses and names of who is behind them.
import { failure } from "./errors.js";
import type { Principal } from "./types.js";

/** Where a server takes connections, when a url names no path. */
const CONNECT_PATH = "/v1/connect";

/** The WebSocket address of a server: of the page's own without a url. */
export function endpoint(url: string | URL | undefined): string {
  const page = (globalThis as { location?: { href: string } }).location?.href;
  let address: URL;
  try {
    address = new URL(url ?? "/", page);
  } catch {
    throw failure("invalid", url === undefined ? "connect() needs a url where there is no page" : `not a url: ${String(url)}`);
  }
  address.protocol = address.protocol.replace(/^http/, "ws");
  if (!/^wss?:$/.test(address.protocol)) throw failure("invalid", `not a url of a server: ${address.href}`);
  if (address.pathname === "/") address.pathname = CONNECT_PATH;
  address.hash = "";
  return address.href;
}

/** Who `user/ID` or `agent/ID` is. */
export function principal(as: string | undefined): Principal | undefined {
  const slash = as?.indexOf("/") ?? -1;
  if (as === undefined || slash < 0) return undefined;
  return { kind: as.slice(0, slash) as Principal["kind"], id: as.slice(slash + 1) };
}
