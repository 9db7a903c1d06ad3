// The daemon's page: visits as they come, cameras, search, and what somebody says is right.
// Camera names, texts and notes may hold anything, so all that the daemon sends is put in as text, never as HTML.

import { ask, follow } from "./daemon.js";

const MOST_ROWS = 200;
const STATUS_EVERY_MS = 5_000;

const REASONS = {
  too_small: "too small",
  too_blurred: "too blurred",
  truncated: "always cut by the picture's edge",
  not_read: "never came to be read",
  blank: "no character on it",
  no_agreement: "read differently each time",
  low_confidence: "never read surely",
  conflict: "read as what another vehicle carries",
  burned_in: "part of the picture, not of a vehicle",
  not_stored: "not kept, for privacy",
};
const ARROWS = { approaching: "↓ ", leaving: "↑ ", left: "← ", right: "→ " };

const byId = (id) => document.getElementById(id);

// ---- Words

const rowTime = new Intl.DateTimeFormat(undefined, {
  month: "short",
  day: "numeric",
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
});
const longTime = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "long" });
const timeIn = (style, utc) => style.format(new Date(utc));
const percent = (share) => `${Math.round(share * 100)} %`;
const directionOf = (event) => event.direction && `${ARROWS[event.direction] ?? ""}${event.direction}`;

/** What to show as the plate's text: what somebody said is right before what was read. */
function shownText({ event, correction }) {
  if (correction) return correction.text ?? "no plate";
  return event.text ?? "unread";
}

function remarkOn({ event, correction, distance }) {
  const isUnread = event.text === null;
  const parts = [isUnread ? (REASONS[event.reason] ?? event.reason) : `${percent(event.confidence)} sure`];
  if (correction && correction.text === event.text) parts.unshift("confirmed");
  else if (correction) parts.unshift("corrected", isUnread ? "unread" : `read ${event.text}`);
  if (distance !== null) parts.push(`${distance.toFixed(1)} away`);
  return parts.join(", ");
}

function hitLine(hit) {
  const doubt = hit.ambiguous ? " (another entry fits as well)" : "";
  return `${hit.action}: ${hit.list}${hit.note ? `, ${hit.note}` : ""}${doubt}`;
}

// ---- Elements

function element(name, text = "", properties = {}) {
  return Object.assign(document.createElement(name), { textContent: text ?? "", ...properties });
}

function copyOf(template) {
  return byId(template).content.firstElementChild.cloneNode(true);
}

function fill(part, texts) {
  for (const [name, text] of Object.entries(texts)) {
    part.querySelector(`[data-field=${name}]`).textContent = text ?? "";
  }
}

function badges(event) {
  return event.lists.map((hit) => {
    const badge = element("span", hitLine(hit), { className: "badge" });
    badge.dataset.action = hit.action;
    return badge;
  });
}

// ---- Pictures: fetched, since an address in `src` carries no token

/** Show a stored picture, or none for an undefined one. */
async function showPicture(img, picture) {
  const path = picture?.path ?? "";
  if (img.dataset.path === path) return;
  forgetPicture(img);
  img.dataset.path = path;
  if (path === "") return;
  try {
    const answer = await ask(`snapshots/${path.split("/").map(encodeURIComponent).join("/")}`);
    const blob = await answer.blob();
    // Meanwhile it may be another picture's turn.
    if (img.dataset.path !== path) return;
    img.src = URL.createObjectURL(blob);
    await img.decode();
    img.hidden = false;
  } catch {
    // Retention may have taken it, or the daemon is away: its place stays empty until somebody looks again.
    if (img.dataset.path === path) forgetPicture(img);
  }
}

function forgetPicture(img) {
  forgetSource(img);
  delete img.dataset.path;
}

function forgetSource(part) {
  URL.revokeObjectURL(part.src);
  part.hidden = true;
  part.removeAttribute("src");
}

// ---- Lists of visits

/** Rows by visit, newest first, at most `MOST_ROWS`; a row's picture is fetched when it comes into view. */
class VisitList {
  #list;
  #rows = [];
  #seen = new IntersectionObserver((entries) => {
    for (const { isIntersecting, target } of entries) {
      if (isIntersecting) this.#rows.find((row) => row.part === target)?.look();
    }
  });

  constructor(list) {
    this.#list = list;
  }

  /** Add a visit or bring its row up to date; what is not given (the stream tells no correction) stays. */
  put({ event, correction, distance = null }) {
    const row = this.find(event.visit_id) ?? this.#insert(event, distance);
    if (row === null || event.revision < row.event.revision) return;
    row.event = event;
    if (correction !== undefined) row.correction = correction;
    this.#draw(row);
  }

  correct(visitId, correction) {
    const row = this.find(visitId);
    if (row) this.put({ ...row, correction });
  }

  find(visitId) {
    return this.#rows.find((row) => row.event.visit_id === visitId);
  }

  clear() {
    while (this.#rows.length) this.#dropLast();
  }

  get size() {
    return this.#rows.length;
  }

  #insert(event, distance) {
    const later = this.#rows.findIndex((row) => row.event.first_seen.utc < event.first_seen.utc);
    const place = later < 0 ? this.#rows.length : later;
    if (place === MOST_ROWS) return null;
    const part = copyOf("row");
    const img = part.querySelector("img");
    const row = { event, distance, correction: null, part, isSeen: false };
    row.look = () => {
      row.isSeen = true;
      showPicture(img, row.event.images.crop);
    };
    part.querySelector("button").onclick = () => openVisit(row);
    this.#list.insertBefore(part, this.#rows[place]?.part ?? null);
    this.#rows.splice(place, 0, row);
    this.#seen.observe(part);
    if (this.#rows.length > MOST_ROWS) this.#dropLast();
    return row;
  }

  #dropLast() {
    const { part } = this.#rows.pop();
    this.#seen.unobserve(part);
    forgetPicture(part.querySelector("img"));
    part.remove();
  }

  #draw(row) {
    const { event, part } = row;
    const time = part.querySelector("time");
    time.dateTime = event.first_seen.utc;
    fill(part, {
      text: shownText(row),
      remark: remarkOn(row),
      camera: event.camera,
      direction: directionOf(event),
      time: timeIn(rowTime, event.first_seen.utc),
    });
    const hasText = row.correction ? row.correction.text !== null : event.text !== null;
    part.querySelector("[data-field=text]").className = hasText ? "plate" : "no-text";
    part.querySelector(".lists").replaceChildren(...badges(event));
    if (row.isSeen) row.look();
  }
}

const live = new VisitList(byId("live"));
const found = new VisitList(byId("found"));

// ---- The stream

const page = {
  async fill() {
    const answer = await ask(`events?limit=${MOST_ROWS}`);
    for (const visit of await answer.json()) live.put(visit);
  },
  take(event) {
    live.put({ event });
    if (isOpen(event.visit_id)) drawVisit(event);
  },
  tell(state) {
    const part = byId("state");
    // What is put in anew is read out anew.
    if (part.textContent !== state) part.textContent = state;
    part.dataset.state = state;
  },
};

// ---- Search

let searches = 0;

async function search(form) {
  const number = ++searches;
  const state = byId("search-state");
  state.textContent = "searching …";
  try {
    const answer = await ask(`events?${queryOf(form)}`);
    const visits = await answer.json();
    // Meanwhile somebody may have searched again, or gone back.
    if (number !== searches) return;
    showFound(true);
    for (const visit of visits) found.put(visit);
    state.textContent = found.size < MOST_ROWS ? `${found.size} found` : `the newest ${MOST_ROWS} shown`;
  } catch (error) {
    if (number === searches) state.textContent = error.message;
  }
}

function queryOf(form) {
  const query = new URLSearchParams({ limit: MOST_ROWS });
  for (const [name, value] of new FormData(form)) {
    const isTime = form.elements[name].type === "datetime-local";
    if (value.trim()) query.set(name, isTime ? new Date(value).toISOString() : value.trim());
  }
  return query;
}

/** Show what was found, or the live list, which went on meanwhile. */
function showFound(isFound) {
  searches += !isFound;
  found.clear();
  byId("found").hidden = byId("back").hidden = !isFound;
  byId("live").hidden = isFound;
  byId("visits-title").textContent = isFound ? "Found" : "Live";
  byId("search-state").textContent = "";
}

// ---- One visit

let opened = null;

const isOpen = (visitId) => opened?.event.visit_id === visitId;

async function openVisit(row) {
  opened = { event: row.event, correction: row.correction };
  const id = row.event.visit_id;
  byId("correction").reset();
  remarkOnCorrection(id, "");
  drawVisit(row.event);
  byId("visit").showModal();
  showClip(id);
  try {
    const answer = await ask(`visits/${encodeURIComponent(id)}/correction`);
    took(id, await answer.json());
  } catch (error) {
    remarkOnCorrection(id, error.message);
  }
}

function drawVisit(event) {
  opened.event = event;
  drawHead();
  drawFrame(event);
  showPicture(byId("visit").querySelector(".crop img"), event.images.crop);
  byId("characters").replaceChildren(...characters(event));
  byId("candidates").replaceChildren(...candidates(event));
  byId("facts").replaceChildren(...facts(event).flatMap(([name, value]) => fact(name, value)));
}

function drawHead() {
  const { event, correction } = opened;
  const title = byId("visit-text");
  title.textContent = shownText(opened);
  byId("visit-line").textContent = remarkOn({ ...opened, distance: null });
  const { text, confirm, none, undo } = byId("correction").elements;
  text.placeholder = correction?.text ?? event.text ?? "";
  confirm.disabled = event.text === null || correction?.text === event.text;
  none.disabled = correction?.text === null;
  undo.disabled = correction === null;
}

async function drawFrame({ images, box }) {
  const [img, svg] = byId("frame").children;
  svg.toggleAttribute("hidden", true);
  await showPicture(img, images.frame);
  if (img.hidden || img.dataset.path !== images.frame?.path) return;
  const [left, top, right, bottom] = box;
  svg.setAttribute("viewBox", `0 0 ${img.naturalWidth} ${img.naturalHeight}`);
  const place = { x: left, y: top, width: right - left, height: bottom - top };
  for (const [name, px] of Object.entries(place)) svg.firstElementChild.setAttribute(name, px);
  svg.toggleAttribute("hidden", false);
}

function characters({ text, char_confidences: shares }) {
  if (shares.length !== text?.length) return [];
  return [...text].map((character, place) => {
    const item = element("li", character, { className: shares[place] < 0.8 ? "doubtful" : "" });
    item.append(element("small", percent(shares[place])));
    return item;
  });
}

function candidates(event) {
  return event.candidates.map(({ text, confidence }) => {
    const item = element("li", `${text} `);
    item.append(element("meter", "", { value: confidence, ariaHidden: "true" }), element("span", percent(confidence)));
    return item;
  });
}

function facts(event) {
  return [
    ["Camera", event.camera],
    ["First seen", timeIn(longTime, event.first_seen.utc)],
    ["Last seen", `${timeIn(longTime, event.last_seen.utc)}${event.kind === "final" ? "" : ", still in view"}`],
    ["In view for", `${event.dwell_s.toFixed(1)} s`],
    ["Direction", directionOf(event)],
    ["Zones", event.zones.join(", ")],
    ["Lists", event.lists.map(hitLine).join("; ")],
    ["Reads", `${event.reads}, of which ${event.agreeing_reads} say this text`],
    ["Read before formats", event.raw_text],
    ["Format, country", [event.format, event.country].filter(Boolean).join(", ")],
    ["Plate's height", `${event.plate_height_px} px`],
    ["Visit", event.visit_id],
  ];
}

const fact = (name, value) => (value ? [element("dt", name), element("dd", value)] : []);

/** Show the clip of the visit that is open, where there is one by now. */
async function showClip(visitId) {
  const video = byId("clip");
  forgetSource(video);
  try {
    const answer = await ask(`visits/${encodeURIComponent(visitId)}/clip`);
    const blob = await answer.blob();
    // Meanwhile it may have been closed, or opened anew.
    if (!isOpen(visitId) || video.src) return;
    video.src = URL.createObjectURL(blob);
    video.hidden = false;
  } catch {
    // None is stored, not yet or not any more: its place stays empty until somebody looks again.
  }
}

// ---- What somebody says is right

/** Keep what the daemon took as right for a visit: `{text}`, of which null means no plate, or null for nothing. */
function took(visitId, correction) {
  for (const list of [live, found]) list.correct(visitId, correction);
  if (!isOpen(visitId)) return;
  opened.correction = correction;
  drawHead();
}

async function correct(options, done) {
  const id = opened.event.visit_id;
  remarkOnCorrection(id, "saving …");
  try {
    const answer = await ask(`visits/${encodeURIComponent(id)}/correction`, options);
    took(id, answer.status === 204 ? null : await answer.json());
    if (isOpen(id)) byId("correction").reset();
    remarkOnCorrection(id, done);
  } catch (error) {
    remarkOnCorrection(id, error.message);
  }
}

/** Tell how a correction went, unless another visit is shown by now. */
function remarkOnCorrection(visitId, line) {
  if (isOpen(visitId)) byId("correction-state").textContent = line;
}

function say(text) {
  const headers = { "Content-Type": "application/json" };
  return correct({ method: "PUT", headers, body: JSON.stringify({ text }) }, "saved");
}

// ---- Cameras

async function watchCameras() {
  if (!document.hidden) await showStatus();
  setTimeout(watchCameras, STATUS_EVERY_MS);
}

async function showStatus() {
  const summary = byId("summary");
  try {
    const status = await (await ask("status")).json();
    const cameras = Object.entries(status.cameras ?? {});
    summary.textContent = status.summary;
    summary.className = status.faults?.length ? "fault" : "";
    byId("cameras").replaceChildren(...cameras.map(cameraItem));
    offer("camera-names", cameras.map(([name]) => name));
    offer("list-names", Object.keys(status.lists ?? {}));
  } catch (error) {
    summary.textContent = `the daemon does not tell how it is: ${error.message}`;
    summary.className = "fault";
  }
}

function cameraItem([name, camera]) {
  const item = copyOf("camera");
  const last = camera.last_event ? `last event ${timeIn(rowTime, camera.last_event)}` : "no event yet";
  fill(item, { name, state: camera.state, line: `${camera.fps} frames/s, ${last}`, reason: camera.reason });
  item.dataset.state = camera.state;
  return item;
}

/** Offer names to choose from; a list that is unfolded just now is left alone unless it changed. */
function offer(id, names) {
  const before = [...byId(id).children].map((option) => option.value);
  if (JSON.stringify(before) === JSON.stringify(names)) return;
  byId(id).replaceChildren(...names.map((value) => element("option", "", { value })));
}

// ---- Begin

byId("search").onsubmit = (submitted) => {
  submitted.preventDefault();
  search(submitted.target);
};
byId("back").onclick = () => showFound(false);
document.onkeydown = (pressed) => {
  const isFree = !document.querySelector("dialog[open]");
  if (pressed.key === "Escape" && isFree && !byId("found").hidden) showFound(false);
};
byId("close").onclick = () => byId("visit").close();
byId("visit").onclose = () => {
  opened = null;
  for (const img of byId("visit").querySelectorAll("img")) forgetPicture(img);
  forgetSource(byId("clip"));
};
byId("correction").onsubmit = (submitted) => {
  submitted.preventDefault();
  say(submitted.target.elements.text.value);
};
byId("correction").elements.confirm.onclick = () => say(opened.event.text);
byId("correction").elements.none.onclick = () => say(null);
byId("correction").elements.undo.onclick = () => correct({ method: "DELETE" }, "taken back");
byId("zone").textContent = `times in ${Intl.DateTimeFormat().resolvedOptions().timeZone}`;
byId("search-box").open = matchMedia("(min-width: 40rem)").matches;

follow(page);
watchCameras();
