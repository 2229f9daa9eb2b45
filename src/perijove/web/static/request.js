// The form of a start: what a preset sets, fields that exclude each other, and what the cluster says while one types. Works without all of it.
"use strict";

const form = document.getElementById("request");
const inputs = (name) => form.querySelectorAll(`[name="option.${name}"], [name="option.${name}.kind"]`);

// What a preset sets cannot be typed as well: it is shown, and not sent twice.
function preset() {
  const chosen = form.querySelector("[name='option.profile']:checked");
  const sets = chosen ? JSON.parse(chosen.dataset.sets) : {};
  for (const field of form.querySelectorAll("[data-option]")) {
    const fixed = sets[field.dataset.option];
    for (const input of inputs(field.dataset.option)) {
      input.disabled = fixed !== undefined;
      input.title = fixed === undefined ? "" : `The preset sets it: ${fixed}`;
    }
  }
  exclude();
}

// Of fields that exclude each other the one that has something keeps the others closed.
function exclude() {
  for (const group of form.querySelectorAll("[data-one-of]")) {
    const all = [...group.querySelectorAll("input, select")];
    const given = all.find((input) => input.title) ?? all.find((input) => input.value);
    for (const input of all) if (!input.title) input.disabled = given !== undefined && input !== given;
  }
}

function values() {
  const sent = new URLSearchParams(new FormData(form));
  sent.delete("_xsrf");
  return sent;
}

// The link always shows what is in the form now.
function relink() {
  const link = document.getElementById("link");
  if (!link) return;
  const said = new URLSearchParams();
  const sent = values();
  for (const [name, value] of sent) {
    if (!name.startsWith("option.") || name.endsWith(".kind") || !value) continue;
    const kind = sent.get(`${name}.kind`);
    said.set(name.slice(7), kind && value !== "0" ? `${kind}:${value}` : value);
  }
  link.href = said.size === 0 ? form.dataset.link : `${form.dataset.link}?${said}`;
}

function begins(at) {
  const minutes = Math.round((at - Date.now()) / 60000);
  if (minutes < 1) return "at once";
  return minutes < 90 ? `in ${minutes} min` : at.toLocaleString([], { dateStyle: "medium", timeStyle: "short" });
}

let asked = 0;
async function judge() {
  const mine = (asked += 1);
  let told;
  try {
    const headers = { "X-XSRFToken": document.body.dataset.xsrf, Accept: "application/json" };
    const answer = await fetch(form.dataset.estimate, { method: "POST", body: values(), headers });
    if (!answer.ok) return;
    told = await answer.json();
  } catch {
    return; // it is said when the form is sent
  }
  if (mine !== asked) return; // something else was typed meanwhile
  for (const field of form.querySelectorAll("[data-option]")) {
    const problem = told.problems[field.dataset.option] || "";
    const words = document.getElementById(`wrong-${field.dataset.option}`);
    words.textContent = problem;
    words.hidden = !problem;
    for (const input of inputs(field.dataset.option)) problem ? input.setAttribute("aria-invalid", "true") : input.removeAttribute("aria-invalid");
    if (problem) field.closest("details")?.setAttribute("open", "");
  }
  const shown = Object.entries(told.problems).filter(([name]) => !document.getElementById(`wrong-${name}`)).map(([, text]) => text);
  document.getElementById("verdict").textContent = Object.keys(told.problems).length
    ? `It would never begin as it is. ${shown.join(" ")}`
    : told.start
      ? `It would begin ${begins(new Date(told.start))}.`
      : told.text || "It can begin; nobody can say when.";
}

let timer;
function changed(event) {
  if (event?.target.name === "option.profile") preset();
  exclude();
  relink();
  clearTimeout(timer);
  if (form.dataset.estimate) timer = setTimeout(judge, event?.type === "input" ? 1500 : 300);
}

if (form) {
  form.addEventListener("input", changed);
  form.addEventListener("change", changed);
  document.getElementById("estimate")?.addEventListener("click", (event) => {
    event.preventDefault();
    judge();
  });
  const link = document.getElementById("link");
  link?.addEventListener("click", async (event) => {
    if (!navigator.clipboard || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    await navigator.clipboard.writeText(link.href);
    document.getElementById("verdict").textContent = "The link is copied. It fills in the form of whoever opens it, and starts nothing by itself.";
  });
  preset();
  relink();
}
