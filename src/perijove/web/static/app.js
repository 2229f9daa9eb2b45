// Small conveniences; every page works without them.
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

// Moments to come are counted down, and called out once when they are near.
for (const time of document.querySelectorAll("time[data-left]")) {
  const ends = Date.parse(time.dateTime);
  const box = time.closest(".ends");
  const tick = () => {
    const left = Math.round((ends - Date.now()) / 1000);
    time.textContent = left <= 0 ? "now" : left < 120 ? `in ${left} s` : left < 7200 ? `in ${Math.round(left / 60)} min` : `in ${Math.round(left / 3600)} hours`;
    time.title = new Date(ends).toLocaleString();
    if (box && left <= 900) box.classList.add("soon");
    setTimeout(tick, left < 120 ? 1000 : 30000);
  };
  tick();
}
