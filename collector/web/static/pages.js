// What makes the pages quicker to use: search while typing, keys, copying, filtering, the alarm of the duty desk, the notice without a
// network. Every page works without it.
"use strict";
(() => {
  const main = document.getElementById("main");
  const body = document.body;
  if (!main) return;
  const said = body.dataset;

  // The session ended while somebody typed: what they wrote is put back once they are on the same page again. Passwords and files never are.
  const TYPED = "ioc-typed";
  const kept = (one) => one.name && !["password", "hidden", "file", "submit"].includes(one.type);
  // Which form it was: fields may be called as properties of forms are, "action" among them.
  const which = (form) => {
    const does = form.querySelector("input[type=hidden][name=action]");
    return `${form.getAttribute("action") || ""} ${does ? does.value : ""}`;
  };
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (!main.contains(form) || (form.getAttribute("method") || "").toLowerCase() !== "post") return;
    const fields = [...form.elements].filter(kept).map((one) =>
      [one.name, one.type === "checkbox" || one.type === "radio" ? `${one.value}\n${one.checked}` : one.value]);
    if (!form.querySelector("input[type=password]")) {
      sessionStorage.setItem(TYPED, JSON.stringify({ page: location.pathname, form: which(form), fields }));
    }
  });
  const typed = sessionStorage.getItem(TYPED);
  if (typed && location.pathname !== "/login" && location.pathname !== "/login/code") {
    sessionStorage.removeItem(TYPED);
    const { page, form: sent, fields } = JSON.parse(typed);
    const from = document.referrer && new URL(document.referrer);
    if (page === location.pathname && from && from.pathname.startsWith("/login")) {
      const form = [...main.querySelectorAll("form")].find((one) => which(one) === sent &&
        fields.every(([name]) => one.elements.namedItem(name)));
      if (form) {
        const open = (one) => { for (let at = one; at; at = at.parentElement) if (at.tagName === "DETAILS") at.open = true; };
        fields.forEach(([name, value]) => {
          const all = [...form.elements].filter((one) => one.name === name && kept(one));
          all.forEach((one) => {
            if (one.type === "checkbox" || one.type === "radio") {
              if (`${one.value}\ntrue` === value) one.checked = true;
            } else one.value = value;
          });
        });
        open(form);
        form.scrollIntoView({ block: "center" });
      }
    }
  }

  // Whoever comes by a link from a mail is signed in all the same, but their browser does not say so at the first request.
  const login = document.querySelector("form[data-next]");
  if (login) {
    fetch(login.dataset.next, { redirect: "manual" }).then((answer) => { if (answer.ok) location.replace(login.dataset.next); })
      .catch(() => {});
  }

  // Suggestions below a field: what the search from everywhere finds.
  function suggest(input, choose, only) {
    const list = document.createElement("div");
    list.className = "suggestions";
    list.hidden = true;
    list.setAttribute("role", "listbox");
    list.id = `suggestions-${Math.random().toString(36).slice(2)}`;
    input.parentElement.classList.add("suggesting");
    input.after(list);
    input.setAttribute("role", "combobox");
    input.setAttribute("aria-controls", list.id);
    input.setAttribute("aria-expanded", "false");
    input.setAttribute("aria-autocomplete", "list");
    input.autocomplete = "off";
    let at = -1, timer = 0, asked = 0;
    const options = () => [...list.children];
    const close = () => { list.hidden = true; input.setAttribute("aria-expanded", "false"); input.removeAttribute("aria-activedescendant"); at = -1; };
    const mark = (to) => {
      const all = options();
      if (!all.length) return;
      at = (to + all.length) % all.length;
      all.forEach((one, place) => one.setAttribute("aria-selected", place === at ? "true" : "false"));
      input.setAttribute("aria-activedescendant", all[at].id);
      all[at].scrollIntoView({ block: "nearest" });
    };
    const word = () => (only ? input.value.split(/[,\s]+/).pop() : input.value).trim();
    async function ask() {
      const text = word(), mine = ++asked;
      if (!text) { close(); return; }
      try {
        const answer = await fetch(`/find?q=${encodeURIComponent(text)}`, { headers: { "x-fragment": "1" }, redirect: "manual" });
        if (!answer.ok || mine !== asked) return;
        const found = new DOMParser().parseFromString(await answer.text(), "text/html");
        const links = [...found.querySelectorAll("#found a")].filter((one) => !only || one.getAttribute("href").startsWith("/devices/"));
        list.replaceChildren(...links.map((link, place) => {
          link.setAttribute("role", "option");
          link.id = `${list.id}-${place}`;
          link.tabIndex = -1;
          link.addEventListener("mousedown", (event) => { event.preventDefault(); choose(link, close); });
          return link;
        }));
        list.hidden = !links.length;
        input.setAttribute("aria-expanded", links.length ? "true" : "false");
        at = -1;
      } catch (_) { close(); }
    }
    input.addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(ask, 120); });
    input.addEventListener("blur", () => setTimeout(close, 150));
    input.addEventListener("keydown", (event) => {
      if (event.key === "Escape" && !list.hidden) { close(); event.stopPropagation(); return; }
      if (list.hidden) return;
      if (event.key === "ArrowDown") { event.preventDefault(); mark(at + 1); }
      else if (event.key === "ArrowUp") { event.preventDefault(); mark(at - 1); }
      else if (event.key === "Enter" && at >= 0) { event.preventDefault(); choose(options()[at], close); }
    });
  }
  const head = document.querySelector(".find input[name=q]");
  if (head) suggest(head, (link) => { location.href = link.getAttribute("href"); });

  // A device is picked, not typed: one, or a list of them.
  const picker = (root) => root.querySelectorAll("input[data-pick]:not([role=combobox])").forEach((input) => {
    input.removeAttribute("list");
    suggest(input, (link, close) => {
      const id = decodeURIComponent(link.getAttribute("href").split("/").pop());
      const many = input.dataset.pick === "devices";
      input.value = many ? input.value.replace(/[^,\s]*$/, `${id}, `) : id;
      close();
    }, true);
  });
  picker(main);

  // Numbers are found by their words; a filter holds while the page lives.
  const filters = new Map();
  const plain = (text) => text.normalize("NFD").replace(/[\u0300-\u036f]/g, "").replace(/đ/gi, "d").toLowerCase();
  const filter = (input) => {
    const root = document.querySelector(input.dataset.filter);
    if (!root) return;
    const words = plain(input.value).split(/\s+/).filter(Boolean);
    filters.set(input.dataset.filter, input.value);
    root.querySelectorAll("details").forEach((group) => {
      const title = plain(group.querySelector("summary").textContent);
      let any = false;
      group.querySelectorAll("tr").forEach((row) => {
        const text = `${title} ${plain(row.textContent)}`;
        row.hidden = !words.every((word) => text.includes(word));
        any = any || !row.hidden;
      });
      group.hidden = !any;
      if (words.length) group.open = any;
    });
  };
  const show = () => {
    main.querySelectorAll(".scripted[hidden]").forEach((one) => { one.hidden = false; });
    main.querySelectorAll("[data-filter]").forEach((input) => {
      const was = filters.get(input.dataset.filter);
      if (was) { input.value = was; filter(input); }
    });
    picker(main);
  };
  main.addEventListener("input", (event) => { if (event.target.dataset.filter) filter(event.target); });
  document.addEventListener("refreshed", show);
  show();

  // What is waited for comes in while somebody watches.
  async function watch() {
    const at = main.querySelector("[data-watch]");
    if (!at) return;
    try {
      const answer = await fetch(at.dataset.watch, { headers: { "x-fragment": "1" }, redirect: "manual" });
      if (!answer.ok) return;
      const found = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("arrived");
      if (found && found.innerHTML !== at.innerHTML) at.replaceChildren(...found.childNodes);
    } catch (_) { /* the banner tells */ }
  }
  if (main.querySelector("[data-watch]")) { watch(); setInterval(watch, 2000); document.addEventListener("changed", watch); }

  // Copied with one press, printed with one press.
  main.addEventListener("click", async (event) => {
    const button = event.target.closest && event.target.closest("[data-copy], [data-print]");
    if (!button) return;
    event.preventDefault();
    if (button.dataset.print !== undefined) { window.print(); return; }
    const source = document.querySelector(button.dataset.copy);
    try {
      await navigator.clipboard.writeText(source.textContent);
      button.textContent = said.copied;
    } catch (_) {
      const range = document.createRange();
      range.selectNodeContents(source);
      const selection = getSelection();
      selection.removeAllRanges();
      selection.addRange(range);
    }
  });

  // Keys of the duty officer.
  const rows = () => [...main.querySelectorAll("a.alert[href^='/incidents/']")];
  const writes = (one) => one && (/^(TEXTAREA|SELECT)$/.test(one.tagName) || one.isContentEditable ||
    (one.tagName === "INPUT" && !["checkbox", "radio", "button", "submit"].includes(one.type)));
  const keys = document.getElementById("keys");
  const chosen = () => rows().indexOf(document.activeElement && document.activeElement.closest && document.activeElement.closest("a.alert"));
  const incident = (link) => link && /^\/incidents\/\d+$/.test(link.getAttribute("href")) && link.getAttribute("href");
  async function acknowledge() {
    const here = main.querySelector("input[name=action][value=acknowledge]");
    if (here) { here.form.requestSubmit(); return; }
    const link = incident(rows()[chosen()]);
    if (!link) return;
    const answer = await fetch(link, { method: "POST", body: new URLSearchParams({ action: "acknowledge" }) });
    if (!answer.ok) location.href = link;
    else document.dispatchEvent(new CustomEvent("wanted"));
  }
  // Whom an incident is assigned to: the field on its page, if it is there.
  const assignee = () => {
    const field = main.querySelector("form:has(input[name=action][value=assign]) [name=person]");
    for (let one = field; one; one = one.parentElement) if (one.tagName === "DETAILS") one.open = true;
    if (field) field.focus();
    return field;
  };
  if (location.hash === "#assign") assignee();
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || writes(event.target)) return;
    const all = rows(), at = chosen();
    switch (event.key) {
      case "/": if (head) { event.preventDefault(); head.focus(); head.select(); } break;
      case "?": if (keys && !keys.open) { event.preventDefault(); keys.showModal(); } break;
      case "j": if (all.length) { event.preventDefault(); all[Math.min(at + 1, all.length - 1)].focus(); } break;
      case "k": if (all.length) { event.preventDefault(); all[Math.max(at - 1, 0)].focus(); } break;
      case "a": acknowledge(); break;
      case "s": {
        const link = incident(all[at]);
        if (assignee()) event.preventDefault();
        else if (link) location.href = `${link}#assign`;
        break;
      }
    }
  });

  // The alarm of the duty desk, for whoever switched it on in this browser: a sound, the title, and the browser's own notice.
  const ALARM = "ioc-alarm";
  const bells = () => main.querySelectorAll("[data-alarm]");
  const isOn = () => localStorage.getItem(ALARM) === "1";
  const label = () => bells().forEach((one) => {
    one.hidden = false;
    one.setAttribute("aria-pressed", isOn() ? "true" : "false");
    one.textContent = isOn() ? one.dataset.on : one.dataset.off;
  });
  let sound = null, flashing = 0;
  const title = document.title;
  const ready = () => { try { sound = sound || new AudioContext(); sound.resume(); } catch (_) { /* without a sound */ } };
  const ring = () => {
    if (!sound || sound.state !== "running") return;
    [0, 0.35, 0.7].forEach((after) => {
      const tone = sound.createOscillator(), volume = sound.createGain();
      tone.frequency.value = 880;
      volume.gain.setValueAtTime(0.25, sound.currentTime + after);
      volume.gain.exponentialRampToValueAtTime(0.001, sound.currentTime + after + 0.3);
      tone.connect(volume).connect(sound.destination);
      tone.start(sound.currentTime + after);
      tone.stop(sound.currentTime + after + 0.3);
    });
  };
  const calm = () => { clearInterval(flashing); flashing = 0; document.title = title; };
  const alarm = (text) => {
    ring();
    if (!flashing) flashing = setInterval(() => { document.title = document.title === title ? `● ${said.alarm}` : title; }, 900);
    if (window.Notification && Notification.permission === "granted") {
      const notice = new Notification(said.alarm, { body: text, tag: "ioc-critical" });
      notice.onclick = () => { window.focus(); location.href = "/incidents"; };
    }
  };
  let known = null, asking = false;
  async function look() {
    if (!isOn() || asking) return;
    asking = true;
    try {
      const answer = await fetch("/incidents", { headers: { "x-fragment": "1" }, redirect: "manual" });
      if (!answer.ok) return;
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const now = new Map([...page.querySelectorAll("a.alert.bad")].map((one) => [one.getAttribute("href"), one.querySelector(".what")]));
      const fresh = known && [...now].find(([link]) => !known.has(link));
      known = new Set(now.keys());
      sessionStorage.setItem(ALARM, JSON.stringify([...known]));
      if (fresh) alarm(fresh[1] ? fresh[1].textContent.trim() : "");
    } catch (_) { /* the banner tells */ } finally { asking = false; }
  }
  main.addEventListener("click", (event) => {
    const bell = event.target.closest && event.target.closest("[data-alarm]");
    if (!bell) return;
    localStorage.setItem(ALARM, isOn() ? "0" : "1");
    label();
    if (!isOn()) { calm(); return; }
    ready();
    ring();
    if (window.Notification && Notification.permission === "default") Notification.requestPermission();
    look();
  });
  ["pointerdown", "keydown", "focus"].forEach((one) => addEventListener(one, () => { if (isOn()) ready(); if (flashing) calm(); }));
  if (document.querySelector(".top nav")) {
    try { known = new Set(JSON.parse(sessionStorage.getItem(ALARM))); } catch (_) { known = null; }
    if (!sessionStorage.getItem(ALARM)) known = null;
    document.addEventListener("changed", look);
    document.addEventListener("refreshed", label);
    label();
    look();
  }

  // The navigation of a telephone shows where one is.
  const current = document.querySelector(".top nav [aria-current]");
  if (current && current.parentElement.scrollWidth > current.parentElement.clientWidth) {
    current.parentElement.scrollLeft = current.offsetLeft - current.parentElement.clientWidth / 3;
  }

  if (navigator.serviceWorker && document.querySelector(".top nav")) navigator.serviceWorker.register("/static/sw.js", { scope: "/" }).catch(() => {});
})();
