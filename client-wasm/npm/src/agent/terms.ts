// How long a run may be without its worker, and an ask without an answer: the limits of the protocol.
import { failure } from "../errors.js";

/** The shortest of both. */
const MIN_MS = 1_000;
const LEASE_MAX_MS = 24 * 60 * 60 * 1000;
const ASK_EXPIRY_MAX_MS = 30 * LEASE_MAX_MS;

/** Throws for a `leaseMs` that no run may have. */
export function checkLease(ms: number | undefined): void {
  check("leaseMs", ms, LEASE_MAX_MS);
}

/** Throws for an `expiresMs` that no ask may have. */
export function checkExpiry(ms: number | undefined): void {
  check("expiresMs", ms, ASK_EXPIRY_MAX_MS);
}

function check(name: string, ms: number | undefined, max: number): void {
  if (ms === undefined || (Number.isSafeInteger(ms) && ms >= MIN_MS && ms <= max)) return;
  throw failure("invalid", `${name} is a whole number from ${MIN_MS} to ${max}, not ${String(ms)}`);
}
