// What makes the pages live: round progress, countdowns, the compare tray, printing. Everything works without it.

const english = document.documentElement.lang === "en";

// --- Remaining time -------------------------------------------------------------------------------------------

const NOUNS = english ? [" day", " hour", " minute"] : ["일", "시간", "분"];

function remainingText(until) {
  const minutes = Math.floor((until - Date.now()) / 60000);
  if (until <= Date.now()) return english ? "Closed" : "마감됨";
  if (minutes === 0) return english ? "Less than a minute left" : "1분 미만 남음";
  const parts = [Math.floor(minutes / 1440), Math.floor((minutes % 1440) / 60), minutes % 60];
  const first = parts.findIndex((value) => value > 0);
  const text = parts
    .map((value, index) => [value, value + NOUNS[index] + (english && value !== 1 ? "s" : "")])
    .slice(first, first + 2)
    .filter(([value]) => value > 0)
    .map(([, words]) => words)
    .join(" ");
  return english ? `${text} left` : `${text} 남음`;
}

function tick() {
  for (const time of document.querySelectorAll("time[data-until]")) {
    const text = remainingText(Date.parse(time.dataset.until));
    const target = time.querySelector(".remaining");
    if (target.textContent !== text) target.textContent = text;
  }
}

tick();
setInterval(tick, 10000);

// --- Progress of a round: server-sent events, else polling ----------------------------------------------------

const POLL_MS = 10000;
const progress = document.querySelector("#progress[data-events]");

function replaceProgress(html) {
  // Parsed as a document, so nothing in it runs; only a fragment of ours is taken over.
  const fresh = new DOMParser().parseFromString(html, "text/html").querySelector(".progress");
  if (fresh && fresh.innerHTML !== progress.querySelector(".progress").innerHTML) progress.replaceChildren(fresh);
}

async function fetchProgress() {
  const answer = await fetch(progress.dataset.progress, { headers: { Accept: "text/html" } });
  if (answer.ok) replaceProgress(await answer.text());
}

function follow() {
  let source = null;
  let timer = null;

  function stop() {
    source?.close();
    clearInterval(timer);
    source = timer = null;
  }

  function poll() {
    if (timer === null) timer = setInterval(() => fetchProgress().catch(() => {}), POLL_MS);
  }

  function start() {
    if (!window.EventSource) return poll();
    source = new EventSource(progress.dataset.events);
    source.addEventListener("progress", (event) => replaceProgress(event.data));
    source.addEventListener("state", () => location.reload());
    source.onopen = () => { clearInterval(timer); timer = null; };
    source.onerror = poll;
  }

  start();
  return { start, stop };
}

if (progress) {
  const following = follow();
  const button = document.querySelector("[data-pause]");
  let paused = false;
  if (button) {
    const pauseText = button.textContent;
    button.closest("p").hidden = false;
    button.addEventListener("click", () => {
      paused = !paused;
      if (paused) following.stop();
      else { following.start(); fetchProgress().catch(() => {}); }
      button.textContent = paused ? button.dataset.textResume : pauseText;
    });
  }
}

// --- Compare tray ----------------------------------------------------------------------------------------------

const TRAY_KEY = "compare";
const tray = document.querySelector("#compare-form");
const trayMax = Number(tray.dataset.max);

function readTray() {
  try {
    const items = JSON.parse(localStorage.getItem(TRAY_KEY) ?? "[]");
    return Array.isArray(items) ? items.filter((item) => item?.code && item?.name).slice(0, trayMax) : [];
  } catch {
    return [];
  }
}

function writeTray(items) {
  try {
    localStorage.setItem(TRAY_KEY, JSON.stringify(items));
  } catch {
    // Storage may be switched off; the boxes of this page still work as a plain form.
  }
  showTray(items);
}

function trayEntry({ code, name }) {
  const entry = document.createElement("li");
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = "×";
  button.setAttribute("aria-label", `${tray.dataset.textRemove}: ${name}`);
  button.addEventListener("click", () => writeTray(readTray().filter((item) => item.code !== code)));
  entry.append(name, button);
  const box = document.querySelector(`.compare-box input[value="${CSS.escape(code)}"]`);
  if (!box) {
    const hidden = document.createElement("input");
    Object.assign(hidden, { type: "hidden", name: "id", value: code });
    entry.append(hidden);
  }
  return entry;
}

function showTray(items) {
  const codes = new Set(items.map((item) => item.code));
  for (const box of document.querySelectorAll(".compare-box input")) {
    box.checked = codes.has(box.value);
    box.disabled = !box.checked && items.length >= trayMax;
    box.closest("label").title = box.disabled ? tray.dataset.textFull : "";
  }
  tray.querySelector("ul").replaceChildren(...items.map(trayEntry));
  tray.hidden = items.length === 0;
  document.body.classList.toggle("has-tray", items.length > 0);
}

document.addEventListener("change", (event) => {
  const box = event.target;
  if (!box.matches(".compare-box input")) return;
  const others = readTray().filter((item) => item.code !== box.value);
  writeTray(box.checked ? [...others, { code: box.value, name: box.dataset.name }] : others);
});
tray.querySelector("[data-clear]").addEventListener("click", () => writeTray([]));
// The same shelf for all tabs, and for a page that comes back from the history.
window.addEventListener("storage", () => showTray(readTray()));
window.addEventListener("pageshow", () => showTray(readTray()));

// --- Small helps -----------------------------------------------------------------------------------------------

for (const button of document.querySelectorAll("[data-print]")) {
  button.hidden = false;
  button.addEventListener("click", () => window.print());
}

// "/" jumps to the search box, unless something is being typed.
document.addEventListener("keydown", (event) => {
  if (event.key !== "/" || event.isComposing || event.target.closest("input, textarea, select")) return;
  event.preventDefault();
  document.querySelector("#q").focus();
});

// Choosing an order is meant to be seen at once.
document.querySelector("select[name=sort]")?.addEventListener("change", () => document.querySelector("#find").requestSubmit());
