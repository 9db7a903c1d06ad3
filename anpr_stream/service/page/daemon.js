// Asks the daemon: single requests with the token, and the stream of events over broken connections.

/** The daemon says something at least every 15 s; a stream silent for longer hangs on a dead connection. */
const SILENT_AFTER_MS = 40_000;
const ANSWER_WITHIN_MS = 30_000;
const SHORTEST_PAUSE_MS = 1_000;
const LONGEST_PAUSE_MS = 15_000;

let question = null;

/**
 * Return the daemon's answer, asking for the token where it wants one; throw its own line where it refuses.
 *
 * `broken` ends the request, and the reading of its answer.
 */
export async function ask(path, options = {}, broken = new AbortController()) {
  for (;;) {
    const token = sessionStorage.getItem("token");
    const late = setTimeout(() => broken.abort(new Error("no answer")), ANSWER_WITHIN_MS);
    const headers = { ...options.headers, ...bearer(token) };
    const answer = await fetch(path, { ...options, headers, signal: broken.signal }).finally(() => clearTimeout(late));
    if (answer.ok) return answer;
    if (answer.status !== 401) throw new Error(await errorLine(answer));
    if (token === sessionStorage.getItem("token")) await askForToken(token !== null);
  }
}

/** A header holds bytes; those of a token with letters beyond ASCII are UTF-8. */
function bearer(token) {
  if (token === null) return {};
  return { Authorization: `Bearer ${String.fromCharCode(...new TextEncoder().encode(token))}` };
}

async function errorLine(answer) {
  try {
    return (await answer.json()).error;
  } catch {
    return `HTTP ${answer.status}`;
  }
}

/** Ask whoever sits there for the token, once however many requests wait for it. */
function askForToken(isWrong) {
  question ??= new Promise((resolve) => {
    const dialog = document.getElementById("token");
    const form = dialog.querySelector("form");
    dialog.querySelector("[role=alert]").textContent = isWrong ? "That was not the token." : "";
    form.onsubmit = (submitted) => {
      submitted.preventDefault();
      sessionStorage.setItem("token", form.elements.token.value.trim());
      dialog.close();
    };
    dialog.onclose = () => {
      form.reset();
      question = null;
      resolve();
    };
    dialog.showModal();
  });
  return question;
}

/**
 * Follow the stream of events for ever.
 *
 * `fill` is called once, when the stream has begun: so no visit falls between what it asks for and the stream.
 * `take` gets each event, `tell` the state of the connection in words.
 */
export async function follow({ fill, take, tell }) {
  const place = { lastId: null, isFilled: false };
  let pauseMs = SHORTEST_PAUSE_MS;
  for (;;) {
    try {
      for await (const event of events(place)) {
        if (!place.isFilled) await fill();
        place.isFilled = true;
        pauseMs = SHORTEST_PAUSE_MS;
        tell("live");
        if (event !== null) take(event);
      }
      tell("reconnecting …");
    } catch (error) {
      tell(`reconnecting … (${error.message})`);
    }
    // Not all pages at once after the daemon's restart.
    const wait = pauseMs * (0.5 + Math.random() / 2);
    await new Promise((resolve) => setTimeout(resolve, wait));
    pauseMs = Math.min(2 * pauseMs, LONGEST_PAUSE_MS);
  }
}

/** Yield events from a place on, and null for each sign of life, until the connection ends or falls silent. */
async function* events(place) {
  const broken = new AbortController();
  const headers = { Accept: "text/event-stream" };
  if (place.lastId !== null) headers["Last-Event-ID"] = place.lastId;
  const answer = await ask("events", { headers }, broken);
  const parser = new EventStreamParser();
  try {
    for await (const text of pieces(answer.body, broken)) {
      for (const { data } of parser.feed(text)) {
        place.lastId = parser.lastId;
        yield JSON.parse(data);
      }
      place.lastId = parser.lastId;
      yield null;
    }
  } finally {
    broken.abort();
  }
}

async function* pieces(body, broken) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  for (;;) {
    const silence = setTimeout(() => broken.abort(new Error("nothing heard")), SILENT_AFTER_MS);
    const { done, value } = await reader.read().finally(() => clearTimeout(silence));
    if (done) return;
    yield value;
  }
}

/** Takes the text of an event stream in pieces of any size; yields `{type, data}` and knows the last id. */
export class EventStreamParser {
  lastId = null;
  #rest = "";
  #fields = { type: "message", data: [] };

  *feed(text) {
    // A carriage return at the very end may be the first half of a line end.
    const lines = (this.#rest + text).split(/\r\n|\n|\r(?!$)/);
    this.#rest = lines.pop();
    for (const line of lines) {
      if (line !== "") this.#take(line);
      else yield* this.#dispatch();
    }
  }

  #take(line) {
    const [, name, value] = /^([^:]*):? ?(.*)$/s.exec(line);
    const fields = this.#fields;
    if (name === "data") fields.data.push(value);
    else if (name === "event") fields.type = value;
    else if (name === "id" && !value.includes("\0")) fields.id = value;
  }

  *#dispatch() {
    const { type, data, id } = this.#fields;
    this.#fields = { type: "message", data: [] };
    this.lastId = id ?? this.lastId;
    if (data.length) yield { type, data: data.join("\n") };
  }
}
