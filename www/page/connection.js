// What the page says about the connection: the facts in the header and the notices above the box.

const TICK_MS = 250;

/** `elements` are those of index.html by id; `retry` tries to connect at once. */
export function createConnection({ elements, client, session, gate, retry }) {
  const { status, role, tabs, offset, link, error } = elements;
  let ticking;
  /** A problem with something the reader did, until it is dismissed or done again. */
  let problem = null;

  const show = () => {
    setText(status, client.status);
    status.dataset.status = client.status;
    setText(role, client.role);
    setText(tabs, String(client.tabs));
    setText(offset, String(session.transcript().offset));
    showLink();
    showError();
  };

  const showLink = () => {
    const words = linkWords(client, session, gate);
    link.hidden = words === null;
    elements["link-retry"].hidden = gate.isCut || client.status === "connecting";
    if (words !== null) setText(elements["link-text"], words);
    // Only a countdown needs a clock.
    const counts = client.status === "waiting" && !gate.isCut;
    if (counts && !ticking) ticking = setInterval(showLink, TICK_MS);
    if (!counts && ticking) ticking = clearInterval(ticking);
  };

  const showError = () => {
    const fatal = client.status === "closed" ? client.error : session.status === "closed" ? session.error : null;
    const shown = fatal ?? problem?.error ?? null;
    const repeatable = Boolean(fatal || problem?.again);
    error.hidden = shown === null;
    // The hooks stand on what is shown only: refused messages have their own of the same name.
    hook(error, "error", shown !== null);
    hook(elements["error-retry"], "retry", shown !== null && repeatable);
    if (shown === null) return;
    setText(elements["error-text"], words(shown, fatal));
    elements["error-retry"].hidden = !repeatable;
    elements["error-dismiss"].hidden = Boolean(fatal);
  };

  elements["link-retry"].addEventListener("click", retry);
  elements["error-retry"].addEventListener("click", () => {
    const again = problem?.again ?? retry;
    problem = null;
    again();
    show();
  });
  elements["error-dismiss"].addEventListener("click", () => {
    problem = null;
    show();
  });

  return {
    show,
    /** Reports that something the reader asked for did not work; `again` would repeat it. */
    fail(error, again) {
      problem = { error, again };
      show();
    },
  };
}

/** What stands between this page and the session, or `null` when nothing does. */
function linkWords(client, session, gate) {
  if (gate.isCut) {
    return "The network is cut on this page. The answer goes on without it; switch back and nothing is missing.";
  }
  switch (client.status) {
    case "offline":
      return "This device is offline. What you send is kept and goes out when it is back.";
    case "waiting": {
      const seconds = Math.ceil(Math.max(0, (client.retryAt ?? 0) - Date.now()) / 1000);
      const when = seconds > 0 ? `Trying again in ${seconds} s.` : "Trying again.";
      return `The server cannot be reached. ${when}`;
    }
    case "connecting":
      return session.status === "stale" ? "Reconnecting." : null;
    default:
      return null;
  }
}

function words(error, fatal) {
  const what = error.detail || error.message || error.code || String(error);
  return fatal ? `The session is closed: ${what}` : what;
}

function hook(element, name, present) {
  if (present) element.dataset.testid = name;
  else delete element.dataset.testid;
}

function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}
