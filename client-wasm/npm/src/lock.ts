// The lock of a group of tabs: whoever has it may open the socket for all.

/**
 * Queues for the lock of a name. Calls `granted` once it is held, `lost` once somebody stole it, `failed`
 * if there is no lock to be had here; nothing after the release, which it returns: that gives up the lock or
 * the place in the queue.
 */
export function lock(name: string, granted: () => void, lost: () => void, failed: () => void): () => void {
  // To abort a request withdraws it from the queue only: a lock that is held ends with its promise.
  const request = new AbortController();
  let end!: () => void;
  const held = new Promise<void>((resolve) => (end = resolve));
  let ended = failed;
  const taken = async () => {
    await navigator.locks.request(name, { signal: request.signal }, () => {
      ended = lost;
      granted();
      return held;
    });
  };
  taken().catch(() => request.signal.aborted || ended());
  return () => {
    request.abort();
    end();
  };
}
