// Transcripts that begin at their last messages, and the messages before those.
import type { Core } from "./border.js";
import { DurableSessionsError } from "./errors.js";
import type { TranscriptBuilder } from "./transcript.js";
import type { App, LogEvent, Transcript } from "./types.js";
import type { Waits } from "./wait.js";

/** How often a page of older messages is asked for that does not fit what came meanwhile. */
const MAX_ATTEMPTS = 5;
/** Events that are kept while a page is on its way. Beyond it the page is asked for again. */
const MAX_EVENTS = 16_384;
/** The first pause between attempts to read the last messages, which doubles, and the longest. */
const PAUSE_MIN_MS = 500;
const PAUSE_MAX_MS = 20_000;

/** A transcript that the server folded. */
export type Page<A extends App> = Transcript<A> & {
  /** Where its first message begins. */
  first?: number;
};

/** What the reading of older messages needs of its session. */
export interface Source<A extends App> {
  id: string;
  transcript: TranscriptBuilder<A>;
  waits: Waits;
  raw(): Core;
  read(options: { last: number; before?: number }): Promise<Page<A>>;
  /** Whether events are to be told has changed. */
  follow(): void;
}

export class Older<A extends App> {
  #source: Source<A>;
  #loading: Promise<void> | undefined;
  // The events since a page was asked for.
  #heard: LogEvent[] | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #isClosed = false;

  constructor(source: Source<A>) {
    this.#source = source;
  }

  /** Whether it has to hear of events. */
  get listens(): boolean {
    return this.#heard !== undefined;
  }

  heard(events: LogEvent[]): void {
    if (this.#heard && this.#heard.length < MAX_EVENTS) this.#heard.push(...events);
  }

  /** The session is closed. */
  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
  }

  /** The last messages; tried again until the server has answered. `undefined`: it will not give them. */
  async last(last: number): Promise<Page<A> | undefined> {
    for (let pause = PAUSE_MIN_MS; ; pause = Math.min(2 * pause, PAUSE_MAX_MS)) {
      try {
        return await this.#source.read({ last });
      } catch (error) {
        if (this.#isClosed || !(error as DurableSessionsError).retryable) return undefined;
      }
      await new Promise((resolve) => (this.#timer = setTimeout(resolve, pause)));
    }
  }

  /** Brings the transcript so many messages further back; who asks meanwhile waits for the same. */
  load(messages: number): Promise<void> {
    return (this.#loading ??= this.#load(messages).finally(() => {
      this.#loading = this.#heard = undefined;
      this.#source.follow();
    }));
  }

  // A page is as of its own offset: what happened to its messages since goes to the core with it.
  async #load(last: number): Promise<void> {
    const { id, transcript, waits } = this.#source;
    for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
      const { first, pages } = transcript;
      if (first <= 1) return;
      const events: LogEvent[] = (this.#heard = []);
      this.#source.follow();
      const page = await this.#source.read({ last, before: first });
      await waits.until(() => transcript.offset >= page.offset || undefined);
      if (events.length >= MAX_EVENTS) continue;
      this.#source.raw()({ type: "older", session: id, page, events });
      if (transcript.pages === pages) continue;
      transcript.first = page.first ?? 1;
      return;
    }
    throw new DurableSessionsError("unavailable", "the older messages change too fast", true);
  }
}
