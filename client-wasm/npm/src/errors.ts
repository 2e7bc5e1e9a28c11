/** Why something was refused. The same codes stand in frames, in HTTP answers and here. */
export type ErrorCode =
  | "unauthorized" | "forbidden" | "invalid" | "too_large" | "rate_limited" | "outbox_full"
  | "busy" | "run_stopped" | "run_ended" | "not_owner" | "fenced" | "sequence_gap"
  | "id_conflict" | "already_claimed" | "already_answered" | "log_changed" | "not_found"
  | "not_supported" | "draining" | "storage_full" | "unavailable" | "closed";

/** The one error this package throws and rejects with. */
export class DurableSessionsError extends Error {
  /** Which rule was broken. */
  readonly code: ErrorCode;
  /** What happened and what to do, for a developer. */
  readonly detail: string;
  /** Whether the same call may succeed later, unchanged. */
  readonly retryable: boolean;
  /** `unknown`: it may have taken effect all the same. */
  readonly sideEffects: "none" | "unknown";
  /** How long to wait before the next try, if the server said so. */
  readonly retryAfterMs?: number;

  /** @internal */
  constructor(code: ErrorCode, detail = "", retryable = false, isUnknown = false, retryAfterMs?: number) {
    super(detail ? `${code}: ${detail}` : code);
    this.name = "DurableSessionsError";
    this.code = code;
    this.detail = detail;
    this.retryable = retryable;
    this.sideEffects = isUnknown ? "unknown" : "none";
    if (retryAfterMs !== undefined) this.retryAfterMs = retryAfterMs;
  }
}

/** An error that this package raises by itself. @internal */
export function failure(code: ErrorCode, detail: string): DurableSessionsError {
  return new DurableSessionsError(code, detail);
}
