/** What a handler throws for everybody to read: the `error` of its run. Other errors tell only that there was one. */
export class RunFailure extends Error {
  /** Names the kind of failure, in the app's words. */
  readonly code: string;
  /** What people may read about it. */
  readonly detail?: string;

  constructor(code: string, detail?: string) {
    super(detail ? `${code}: ${detail}` : code);
    this.name = "RunFailure";
    this.code = code;
    if (detail !== undefined) this.detail = detail;
  }
}
