// Keeps a page up to date by server-sent events: parts of it, by their ids, made on the server. Without this the page
// is loaded again once a minute.
"use strict";
(() => {
  const main = document.querySelector("[data-live]");
  const note = document.getElementById("live-note");
  if (!main || !note || !window.EventSource) return;
  const SILENT_MS = 45000, AGAIN_MS = 15000;
  let source, silence;

  const say = (text) => { if (note.textContent !== text) note.textContent = text; };
  const clock = () => new Date().toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit" });

  function heard() {
    clearTimeout(silence);
    silence = setTimeout(() => { lost(); listen(); }, SILENT_MS);
  }

  function lost() {
    say("Not live at the moment: this is how it was at " + (main.dataset.at || "the start") + ". Trying again …");
  }

  function replace(part, html) {
    const open = Array.from(part.querySelectorAll("details[open][id]"), (one) => one.id);
    const active = part.contains(document.activeElement) ? document.activeElement : null;
    const key = active && (active.id ? "#" + CSS.escape(active.id) : active.getAttribute("href") ? "[href=" + JSON.stringify(active.getAttribute("href")) + "]" : active.parentElement && active.parentElement.id ? "#" + CSS.escape(active.parentElement.id) + " > " + active.localName : "");
    part.innerHTML = html;
    for (const id of open) { const one = document.getElementById(id); if (one) one.open = true; }
    const again = key && part.querySelector(key);
    if (again) again.focus({ preventScroll: true });
  }

  function take(event) {
    for (const [id, html] of Object.entries(JSON.parse(event.data))) {
      const part = document.getElementById(id);
      if (part) replace(part, html);
    }
    fresh();
  }

  function fresh() {
    main.dataset.at = clock();
    say("Live");
    heard();
  }

  async function askAgain() {
    // Closed for good: too many look on, the login is over, or nobody answers. A page that is there is loaded again.
    try {
      const answer = await fetch(location.href, { cache: "no-store" });
      if (answer.status < 500) { location.reload(); return; }
    } catch (fault) { /* nobody answers yet */ }
    setTimeout(askAgain, AGAIN_MS);
  }

  function listen() {
    if (source) source.close();
    source = new EventSource(main.dataset.live);
    source.addEventListener("parts", take);
    source.addEventListener("beat", fresh);
    source.onerror = () => {
      lost();
      if (source.readyState === EventSource.CLOSED) { clearTimeout(silence); setTimeout(askAgain, AGAIN_MS); }
    };
    heard();
  }

  addEventListener("pagehide", () => { if (source) source.close(); });
  addEventListener("pageshow", (event) => { if (event.persisted) listen(); });
  listen();
})();
