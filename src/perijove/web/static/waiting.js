"use strict";

// Live progress. Read with fetch, not EventSource, so that the page token travels in a header and never in an address.
async function watch(box) {
  for (let tries = 0; ; tries += 1) {
    // Never all at once: everybody who waits lost the hub in the same moment.
    let pauseMs = Math.min(10000, 500 * 2 ** tries) * (0.5 + Math.random());
    try {
      const answer = await within(fetch(box.dataset.events, { headers: { "X-XSRFToken": document.body.dataset.xsrf, Accept: "text/event-stream" } }));
      if (answer.status === 403) return void window.location.reload();
      if (answer.ok) {
        tries = 0;
        if (await readEvents(answer.body, (event) => show(box, event), (ms) => (pauseMs = ms))) return;
      } else {
        pauseMs = Math.max(pauseMs, 1000 * Number(answer.headers.get("Retry-After")) || 0);
      }
    } catch {
      // the hub is away; the server goes on without it, and so do we
    }
    await new Promise((done) => setTimeout(done, pauseMs));
  }
}

// The hub says something every eight seconds: after a longer silence the way to it is cut, and another may be open.
const SILENCE_MS = 20000;

function within(promise) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error("silence")), SILENCE_MS);
    promise.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}

async function readEvents(stream, handle, comeAgainAfter) {
  const reader = stream.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  for (;;) {
    const { value, done } = await within(reader.read());
    if (done) return false;
    text += value;
    for (let end = text.indexOf("\n\n"); end >= 0; end = text.indexOf("\n\n")) {
      const lines = text.slice(0, end).split("\n");
      const data = lines.filter((line) => line.startsWith("data: ")).map((line) => line.slice(6)).join("\n");
      for (const line of lines) if (line.startsWith("retry: ")) comeAgainAfter(Number(line.slice(7)));
      text = text.slice(end + 2);
      if (data && handle(JSON.parse(data))) {
        await reader.cancel();
        return true;
      }
    }
  }
}

function show(box, event) {
  if (event.log !== undefined) {
    const pre = document.getElementById("log");
    pre.textContent = event.log;
    pre.scrollTop = pre.scrollHeight;
    document.getElementById("log-box").hidden = !event.log;
    if (event.message === undefined) return false;
  }
  showWait(event);
  const bar = box.querySelector(".bar");
  if (event.progress !== undefined && event.progress !== null) {
    bar.setAttribute("aria-valuenow", String(Math.round(event.progress)));
    bar.firstElementChild.style.width = `${event.progress}%`;
  }
  if (event.message) {
    const message = document.getElementById("message");
    const list = document.getElementById("events");
    // Places in the queue follow each other every other second: one line for all of them, read aloud once.
    const queued = event.queue || event.waits;
    const again = queued && list.lastElementChild?.dataset.queue;
    message.setAttribute("aria-live", again ? "off" : "polite");
    message.textContent = event.message;
    const item = again ? list.lastElementChild : document.createElement("li");
    if (queued) item.dataset.queue = "yes";
    item.textContent = event.message;
    list.append(item);
  }
  if (event.ready) {
    arrive(box.dataset.next || event.url);
    return true;
  }
  if (event.failed || event.stopped) {
    if (event.stopped) return void window.location.replace(document.querySelector(".brand").href) || true;
    bar.classList.add("bad");
    const problem = document.getElementById("failed");
    problem.textContent = `${event.message} ${event.hint || ""}`;
    problem.hidden = false;
    document.getElementById("cancel").hidden = true;
    document.getElementById("retry").hidden = false;
    if (notify) notify.hidden = true;
    tell("It could not be started", event.message);
    return true;
  }
  return false;
}

// Where it stands in a queue, for how long yet, and what the scheduler itself says. None of it outlives the wait.
function showWait(event) {
  const place = event.place ?? event.queue?.place;
  const facts = document.getElementById("wait");
  const set = (id, text) => {
    document.getElementById(id).textContent = text;
    document.getElementById(id).closest("div").hidden = !text;
  };
  set("place", place === undefined ? "" : String(place));
  set("estimate", event.estimate === undefined ? "" : moment(event.estimate));
  set("detail", event.detail || "");
  facts.hidden = place === undefined && event.estimate === undefined && !event.detail;
  document.title = place === undefined ? TITLE : `(${place}) ${TITLE}`;
}

function moment(text) {
  const at = new Date(text);
  const minutes = Math.round((at - Date.now()) / 60000);
  const day = at.toDateString() === new Date().toDateString() ? {} : { weekday: "long", day: "numeric", month: "long" };
  const when = at.toLocaleString([], { hour: "2-digit", minute: "2-digit", ...day });
  return minutes < 1 ? when : `${when}, in ${minutes < 90 ? `${minutes} min` : `${Math.round(minutes / 60)} hours`}`;
}

// Who asked to be told may look elsewhere meanwhile: then the page goes on to the server only when they are back.
const TITLE = document.title;
const WANTED = "perijove-tell-me";
let told = false;

function tell(title, text) {
  document.title = `● ${title}`;
  if (!told || !("Notification" in window) || window.Notification.permission !== "granted") return;
  try {
    const notice = new Notification(title, { body: text, tag: "perijove" });
    notice.onclick = () => {
      window.focus();
      notice.close();
    };
  } catch {
    // some phones show notifications of installed pages only; the title says it
  }
}

function arrive(url) {
  const go = () => window.location.replace(url);
  tell("Your server is ready", "Click to open it.");
  if (!told || !document.hidden) return go();
  document.addEventListener("visibilitychange", () => document.hidden || go(), { once: true });
}

const notify = document.getElementById("notify");
if (notify) {
  const button = notify.querySelector("button");
  const say = (on) => {
    told = on;
    button.setAttribute("aria-pressed", String(on));
    const shown = "Notification" in window && window.Notification.permission === "granted";
    notify.querySelector("small").textContent = !on ? "" : shown ? "You may look elsewhere meanwhile." : "Your browser shows no notifications of this page: the title of its tab will say it.";
    try {
      localStorage.setItem(WANTED, on ? "yes" : "no");
    } catch {
      // then it is asked again next time
    }
  };
  button.addEventListener("click", async () => {
    if (told) return say(false);
    say(true);
    if (!("Notification" in window) || window.Notification.permission !== "default") return;
    await window.Notification.requestPermission();
    if (told) say(true);
  });
  let before = "no";
  try {
    before = localStorage.getItem(WANTED);
  } catch {
    // as above
  }
  if (before === "yes") say(true);
  notify.hidden = false;
}

watch(document.getElementById("pending"));
