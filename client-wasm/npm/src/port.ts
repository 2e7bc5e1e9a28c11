// What sessions and their client need of each other.
import type { Core } from "./border.js";
import type { DurableSessionsError } from "./errors.js";
import type { Principal, ReadOptions, Transcript } from "./types.js";

/** What the log says about an act. */
export interface Sent {
  offset: number;
  /** Of a stop: the runs it fenced. */
  runs: string[];
}

/** What a session needs of its client. */
export interface Port {
  /** Who this client says it is. */
  readonly principal: Principal | undefined;
  raw(): Core;
  /** A transcript over HTTP. */
  // The client's own type of messages is that of its sessions.
  read(id: string, options: ReadOptions): Promise<Transcript<any>>;
  /**
   * Delivers an act once: shows it, and hands it to the core, unless it is on its way already.
   * Its end is told to `owner`, and by what is returned. Throws for an id that is on its way with
   * another body.
   */
  act(owner: Owner, id: string, body: string, show: () => void, hand: (raw: Core) => boolean): Promise<Sent>;
  /** The app leaves the session. */
  detach(session: string): void;
  /** The session has ended. */
  forget(session: string): void;
}

/** Who is told how an act ends. */
export interface Owner {
  readonly id: string;
  confirmed(id: string, offset: number): void;
  refused(id: string, error: DurableSessionsError): void;
}
