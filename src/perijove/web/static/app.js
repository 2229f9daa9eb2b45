// Small conveniences; every page works without them but for live progress.
"use strict";

for (const form of document.querySelectorAll("form[data-confirm]")) {
  form.addEventListener("submit", (event) => {
    if (!window.confirm(form.dataset.confirm)) event.preventDefault();
  });
}

// A link into a closed part opens it.
const openTarget = () => {
  const target = document.getElementById(decodeURIComponent(window.location.hash.slice(1)));
  if (target instanceof HTMLDetailsElement) target.open = true;
};
window.addEventListener("hashchange", openTarget);
openTarget();

// Live progress. Read with fetch, not EventSource, so that the page token travels in a header and never in an address.
const pending = document.getElementById("pending");
if (pending) watch(pending);

async function watch(box) {
  for (let tries = 0; ; tries += 1) {
    try {
      const answer = await within(fetch(box.dataset.events, { headers: { "X-XSRFToken": document.body.dataset.xsrf, Accept: "text/event-stream" } }));
      if (answer.status === 403) return void window.location.reload();
      if (answer.ok && (await readEvents(answer.body, (event) => show(box, event)))) return;
    } catch {
      // the hub is away; the server goes on without it, and so do we
    }
    await new Promise((done) => setTimeout(done, Math.min(10000, 500 * 2 ** tries)));
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

async function readEvents(stream, handle) {
  const reader = stream.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  for (;;) {
    const { value, done } = await within(reader.read());
    if (done) return false;
    text += value;
    for (let end = text.indexOf("\n\n"); end >= 0; end = text.indexOf("\n\n")) {
      const data = text.slice(0, end).split("\n").filter((line) => line.startsWith("data: ")).map((line) => line.slice(6)).join("\n");
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
    return false;
  }
  const bar = box.querySelector(".bar");
  if (event.progress !== undefined && event.progress !== null) {
    bar.setAttribute("aria-valuenow", String(Math.round(event.progress)));
    bar.firstElementChild.style.width = `${event.progress}%`;
  }
  if (event.message) {
    const message = document.getElementById("message");
    const list = document.getElementById("events");
    // Places in the queue follow each other every other second: one line for all of them, read aloud once.
    const again = event.queue && list.lastElementChild?.dataset.queue;
    message.setAttribute("aria-live", again ? "off" : "polite");
    message.textContent = event.message;
    const item = again ? list.lastElementChild : document.createElement("li");
    if (event.queue) item.dataset.queue = "yes";
    item.textContent = event.message;
    list.append(item);
  }
  if (event.ready) {
    window.location.replace(box.dataset.next || event.url);
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
    return true;
  }
  return false;
}
