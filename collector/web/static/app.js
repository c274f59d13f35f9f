// Live updates: the server says that something has changed, and the page reads its inside anew. Without this script the pages
// work all the same; they just stand still.
"use strict";
(() => {
  const main = document.getElementById("main");
  const lost = document.getElementById("lost");
  const live = document.documentElement.dataset.live || (document.querySelector("nav") && "/live");
  if (!main || !live || !window.EventSource) return;
  let busy = false, again = false, last = Date.now();

  // Someone is typing: what they wrote must not vanish.
  const typing = () => {
    // Something was refused, or is shown this once: it stays until the person has acted.
    if (main.querySelector("[role=alert], [data-once]")) return true;
    const at = document.activeElement;
    // What a page keeps while it is drawn anew loses nothing.
    const written = [...main.querySelectorAll("input, textarea, select")].filter((one) => !one.closest("[data-keep]")).some((one) =>
      one.type === "checkbox" ? one.checked !== one.defaultChecked :
      one.tagName === "SELECT" ? [...one.options].some((option) => option.selected !== option.defaultSelected && one.selectedIndex > 0) :
      one.type !== "hidden" && one.type !== "file" && one.value !== one.defaultValue);
    return written || (at && main.contains(at) && !at.closest("[data-keep]") && /^(INPUT|TEXTAREA|SELECT)$/.test(at.tagName) && at.type !== "search");
  };

  // Whoever draws more than the server wrote goes on from here.
  const fresh = () => document.dispatchEvent(new Event("ioc:fresh"));

  async function refresh() {
    if (busy) { again = true; return; }
    if (typing() || document.hidden) return;
    // Nothing but its charts changes, and they ask for their numbers themselves.
    if (main.querySelector("[data-still]")) { last = Date.now(); fresh(); return; }
    busy = true;
    try {
      const answer = await fetch(location.href, { headers: { "x-fragment": "1" }, redirect: "manual" });
      if (answer.type === "opaqueredirect") { location.reload(); return; }
      if (answer.ok) {
        const text = await answer.text();
        const focused = document.activeElement && main.contains(document.activeElement) && document.activeElement.getAttribute("href");
        const open = [...main.querySelectorAll("details")].map((one) => one.open);
        const kept = new Map([...main.querySelectorAll("[data-keep]")].map((one) => [one.dataset.keep, one]));
        main.innerHTML = text;
        main.querySelectorAll("[data-keep]").forEach((one) => { const old = kept.get(one.dataset.keep); if (old) one.replaceWith(old); });
        showTicks();
        main.querySelectorAll("details").forEach((one, place) => { if (place in open) one.open = open[place]; });
        if (focused) { const same = main.querySelector(`a[href="${CSS.escape(focused)}"]`); if (same) same.focus({ preventScroll: true }); }
        last = Date.now();
        document.dispatchEvent(new CustomEvent("refreshed"));
        fresh();
      }
    } catch (_) { /* the banner tells */ } finally {
      busy = false;
      if (again) { again = false; setTimeout(refresh, 500); }
    }
  }

  // A file goes up as it is; the page shows it when it is kept.
  main.addEventListener("change", async (event) => {
    const input = event.target, file = input.files && input.files[0];
    if (!file || !input.dataset.upload) return;
    input.disabled = true;
    try {
      const answer = await fetch(`${input.dataset.upload}?name=${encodeURIComponent(file.name)}`, { method: "POST", body: file });
      if (!answer.ok) { const problem = await answer.json().catch(() => ({})); alert(problem.detail || `${answer.status}`); }
    } finally { input.disabled = false; input.value = ""; input.blur(); refresh(); }
  });

  // One press ticks all; without this script each is ticked by itself.
  const showTicks = () => main.querySelectorAll(".tickall[hidden]").forEach((one) => { one.hidden = false; });
  main.addEventListener("change", (event) => {
    const name = event.target.dataset && event.target.dataset.tickAll;
    if (name) main.querySelectorAll(`input[type=checkbox][name="${name}"]`).forEach((one) => { one.checked = event.target.checked; });
  });
  showTicks();

  const source = new EventSource(live);
  let heard = Date.now();
  const sign = () => { heard = Date.now(); lost.hidden = true; };
  source.addEventListener("open", sign);
  source.addEventListener("alive", sign);
  source.addEventListener("changed", () => { sign(); refresh(); document.dispatchEvent(new CustomEvent("changed")); });
  document.addEventListener("wanted", refresh);
  document.addEventListener("visibilitychange", () => { if (!document.hidden) refresh(); });
  // Ages ("5 s ago") grow even when nothing changes, and so do numbers, which are what one device's page is for; silence for
  // three signs of life is shown.
  setInterval(() => {
    if (Date.now() - heard > 30000) lost.hidden = false;
    else if (Date.now() - last > (main.querySelector("[data-numbers]") ? 4000 : 15000)) refresh();
  }, 2000);
})();

// What is typed into a long text stays in this tab, should the session end before it is sent.
(() => {
  const main = document.getElementById("main"), form = main && main.querySelector("form[data-draft]");
  const area = form && form.querySelector("textarea"), note = form && form.querySelector("[data-draft-note]");
  if (!area) return;
  try {
    const kept = sessionStorage.getItem(form.dataset.draft);
    if (note && kept !== null && kept !== area.value) { area.value = kept; note.hidden = false; }
    main.addEventListener("input", (event) => {
      const within = event.target.closest && event.target.closest("form[data-draft]");
      if (within && event.target.tagName === "TEXTAREA") sessionStorage.setItem(within.dataset.draft, event.target.value);
    });
  } catch (_) { /* a browser that keeps nothing */ }
})();

// A floor plan is set by dragging, too: what is moved stands in the form, by which it is saved.
(() => {
  const floor = document.querySelector("svg[data-floor]");
  if (!floor) return;
  const form = document.querySelector("form[action='/plan/floor']"), comma = document.documentElement.lang === "vi";
  if (!form) return;
  let held = null, moved = false, picked = null;
  const percent = (value) => { const text = (Math.round(Math.min(Math.max(value, 0), 1) * 1000) / 10).toFixed(1); return comma ? text.replace(".", ",") : text; };
  const row = (device) => [...form.querySelectorAll("[data-place]")].find((one) => one.dataset.place === device);
  const put = (device, event) => {
    const at = new DOMPoint(event.clientX, event.clientY).matrixTransform(floor.getScreenCTM().inverse());
    const height = floor.viewBox.baseVal.height, fields = row(device);
    if (!fields) return;
    const mark = [...floor.querySelectorAll("a[data-device]")].find((one) => one.dataset.device === device);
    fields.querySelector("[name=x]").value = percent(at.x / 1000);
    fields.querySelector("[name=y]").value = percent(at.y / height);
    if (!mark) return;
    const circle = mark.querySelector("circle"), text = mark.querySelector("text");
    circle.setAttribute("cx", at.x); circle.setAttribute("cy", at.y);
    text.setAttribute("x", at.x + (text.getAttribute("text-anchor") === "end" ? -16 : 16)); text.setAttribute("y", at.y + 6);
  };
  floor.addEventListener("pointerdown", (event) => {
    const mark = event.target.closest("a[data-device]");
    if (mark) { held = mark.dataset.device; moved = false; event.preventDefault(); floor.setPointerCapture(event.pointerId); }
    else if (picked) put(picked, event);
  });
  floor.addEventListener("pointermove", (event) => { if (held) { moved = true; put(held, event); } });
  floor.addEventListener("pointerup", () => { held = null; });
  floor.addEventListener("click", (event) => { if (moved && event.target.closest("a[data-device]")) { event.preventDefault(); moved = false; } });
  form.addEventListener("focusin", (event) => { const place = event.target.closest("[data-place]"); picked = place ? place.dataset.place : null; });
})();
