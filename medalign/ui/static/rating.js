/* Beside the buttons that rate a concept: which other status it has, that a press is stored and under which code, that it was taken
   back, or why it was not taken. */
(() => {
  "use strict";
  const rowOf = ({ concept, rowStatus }) => `${concept}|${rowStatus}`;
  const keyOf = (data) => rowOf(data) + (data.place ? `|${data.place}` : ""); // of one mention, where there are several

  /* "Other status" asks first: only the answer is sent. */
  function ask(button) {
    const group = button.parentElement, open = group.querySelector(".which");
    if (open) return shut(open);
    const which = Object.assign(document.createElement("span"), { className: "which" });
    which.setAttribute("role", "group");
    which.setAttribute("aria-label", "Which status is right?");
    which.append("Rather: ");
    for (const { value, label } of document.querySelectorAll(`#statuses${button.dataset.kind === "medicine" ? "-medicine" : ""} option`)) {
      if (value === button.dataset.rowStatus) continue;
      const choice = Object.assign(document.createElement("button"), { type: "button", className: "tool", textContent: label });
      Object.assign(choice.dataset, { ...button.dataset, send: "rate", rightStatus: value });
      which.append(choice);
    }
    group.append(which);
    button.setAttribute("aria-expanded", "true");
    which.querySelector("button").focus();
  }
  function shut(which) {
    const button = which.parentElement.querySelector("[data-verdict=wrong_status]");
    which.remove();
    button.setAttribute("aria-expanded", "false");
    button.focus();
  }

  let pressed = null; // which concept, with which status
  document.addEventListener("click", (event) => {
    const undone = event.target.closest?.("[data-send=unrate]");
    if (undone) pressed = keyOf(undone.dataset);
    const button = event.target.closest?.(".ratings button");
    if (!button) return;
    if (!button.dataset.send) return ask(button);
    pressed = keyOf(button.dataset);
    document.querySelector("#feedback-alert .alert")?.setAttribute("data-old", ""); // of an earlier press
    const which = button.parentElement.closest(".ratings").querySelector(".which");
    if (which) setTimeout(() => shut(which)); // after the press is sent
  }, true);
  document.addEventListener("keydown", (event) => {
    const which = event.key === "Escape" && event.target.closest?.(".ratings")?.querySelector(".which");
    if (!which) return;
    event.stopPropagation(); // a card stays open
    shut(which);
  }, true);

  let before = {}, of = null, receipt = null; // what was stored when it was last looked at, of which result, under which code
  const back = new Set(); // rows whose rating was taken back
  function follow(rated, now, code) { // when all is taken back, there is no code
    if (now !== of || (code && receipt && code !== receipt)) [before, of, receipt] = [{}, now, null], back.clear();
    receipt = code || receipt;
    for (const key of Object.keys(before)) if (!(key in rated)) back.add(key);
    for (const key of Object.keys(rated)) back.delete(key);
    before = rated;
  }

  /* The code of all that was said here outlives a reload, in this tab alone: nothing about a recording is kept. */
  const CODE = "medalign-code";
  function keep(code) {
    try { code ? sessionStorage.setItem(CODE, code) : sessionStorage.removeItem(CODE); } catch { /* a browser that keeps nothing */ }
  }
  window.medalignCode = () => { try { return sessionStorage.getItem(CODE) ?? ""; } catch { return ""; } };

  let own = null; // as the server last told it
  function keepOwn() {
    own = document.querySelector("#own-code [data-code]")?.dataset.code ?? own; // Gradio may change it where it stands
    if (own === null) return;
    if (own !== window.medalignCode()) keep(own);
    for (const part of document.querySelectorAll("[data-under]")) { // what is withdrawn is told no longer
      if (part.hidden !== (part.dataset.under !== own)) part.hidden = !part.hidden;
    }
  }

  function show() {
    keepOwn();
    const place = document.querySelector("#ratings [data-rated]"), shown = document.querySelector("#result-title")?.dataset.name;
    const isOld = place?.dataset.of !== shown; // of an earlier result: its code can still be copied
    const rated = isOld ? {} : JSON.parse(place?.dataset.rated ?? "{}");
    place?.querySelectorAll(".rated").forEach((part) => part.hidden !== isOld && (part.hidden = isOld));
    follow(rated, shown, place?.dataset.code); // other words have a code of their own
    const kept = place?.dataset.code ? "stored" : "kept", code = place?.dataset.code ? `stored; the code that takes it back: ${place.dataset.code}` : "kept with this result, stored nowhere";
    const refused = document.querySelector("#feedback-alert .alert:not([data-old]) p")?.textContent;
    for (const group of document.querySelectorAll(".ratings:not([data-card] *)")) { // a change of the stored cards would close the open one
      const [button] = group.children, key = keyOf(button.dataset), told = group.querySelector(".kept");
      const stored = key === pressed ? code : kept;
      const verdict = rated[key] ?? rated[rowOf(button.dataset)], undo = group.querySelector(".unrate");
      const words = refused && key === pressed ? refused : verdict ? stored : back.has(key) ? "taken back" : "";
      if (undo.hidden !== (rated[key] !== "correct")) undo.hidden = !undo.hidden; // what changes the row has its own beside it
      if (told.textContent !== words) told.textContent = words;
      for (const each of group.querySelectorAll(".rating")) {
        const is = String(verdict === each.dataset.verdict);
        if (each.getAttribute("aria-pressed") !== is) each.setAttribute("aria-pressed", is);
      }
    }
  }
  new MutationObserver(show).observe(document.documentElement, { childList: true, subtree: true, attributeFilter: ["data-code"] });
})();
