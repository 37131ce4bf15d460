/* Single keys for reviewing. They never fire while somebody types, do what a press would do, and can be turned off. */
(() => {
  "use strict";
  const OFF = "medalign-shortcuts-off"; // a preference, nothing about a recording
  const enabled = () => localStorage.getItem(OFF) !== "yes";
  const typing = (target) => target.closest?.("input:not([type=checkbox], [type=radio], [type=button]), textarea, select, [contenteditable=true], [role=textbox], [role=listbox]");
  const rows = () => [...document.querySelectorAll("#concepts tr.row")].filter((row) => row.offsetParent);
  const current = () => document.activeElement?.closest?.("tr.row, #card");

  async function move(by) {
    await unfold(["fold-concepts"], "#concepts tr.row");
    const list = rows();
    const next = list[Math.min(Math.max(list.indexOf(current()) + by, 0), list.length - 1)];
    if (!next) return;
    if (!next.hasAttribute("tabindex")) next.tabIndex = -1;
    next.focus();
  }
  const segmentOf = (row) => row && [...document.querySelectorAll("#transcript .segment:not(.gap)")].findLast((segment) => Number(segment.dataset.start) <= Number(row.dataset.start) + 0.01);
  const edit = () => {
    const segment = document.activeElement?.closest?.(".segment") ?? segmentOf(document.activeElement?.closest?.("tr.row[data-start]")) ?? document.querySelector(".segment.is-current");
    if (!segment?.querySelector("[data-edit]")) return;
    document.querySelector("[data-open=transcript]")?.click(); // on a narrow screen it is a part of its own
    window.medalignEdit(segment);
  };
  function rate(verdict) {
    const row = current();
    row?.querySelector(`[data-verdict="${verdict}"]`)?.click();
    if (row?.matches("tr")) row.scrollIntoView({ block: "nearest" }); // what became of the press stands at its foot
  }
  const unfold = (folds, selector) => window.medalignUnfold(folds, selector);
  const audio = () => document.querySelector("#player audio");
  const vote = (choice) => document.querySelector(`.tabitem:not([style*="none"]) #vote-${choice}:not([disabled])`)?.click();

  let wasAt = null; // where m was pressed
  async function missing() {
    const button = '[data-send="missing"]';
    wasAt = document.activeElement;
    const words = getSelection().rangeCount ? getSelection().getRangeAt(0) : null; // a press on a fold would lose them
    const folds = ["fold-feedback", "missing"], start = () => document.querySelector("#missing-start input")?.value;
    const found = await unfold(folds, button);
    if (words) getSelection().addRange(words);
    const before = start(), until = performance.now() + 1000;
    found.click();
    while (start() === before && performance.now() < until) await new Promise(requestAnimationFrame); // for the answer:
    const field = await unfold(folds, "#missing-label :is(textarea, input)"); // Gradio closes a fold that was just opened
    field.focus({ preventScroll: true });
    document.querySelector("#missing").scrollIntoView({ block: "center" });
  }

  function show(dialog) {
    document.querySelector("#shortcuts-on").checked = enabled();
    document.querySelector(`#${dialog}`).showModal();
  }

  const KEYS = {
    j: () => move(1), k: () => move(-1),
    c: () => rate("correct"), w: () => rate("wrong"), s: () => rate("wrong_status"),
    e: () => edit(), m: () => missing(), u: () => window.medalignSend("undo"),
    p: () => audio() && (audio().paused ? audio().play().catch(() => {}) : audio().pause()),
    "/": () => document.querySelector("#phrase textarea, #phrase input")?.focus(),
    a: () => vote("a"), b: () => vote("b"), t: () => vote("tie"), n: () => vote("both_bad"),
    "?": () => show("help"),
  };

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || typing(event.target)) return;
    if (document.querySelector("dialog[open]") || !KEYS[event.key]) return;
    if (!enabled() && event.key !== "?") return;
    event.preventDefault();
    KEYS[event.key]();
  });

  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !event.target.closest?.("#missing")) return;
    const isThere = wasAt?.isConnected && wasAt !== document.body && wasAt.checkVisibility();
    (isThere ? wasAt : document.querySelector("#missing button")).focus(); // single keys act again
  });
  document.addEventListener("change", (event) => {
    if (event.target.id === "shortcuts-on") localStorage.setItem(OFF, event.target.checked ? "no" : "yes");
  });
  document.addEventListener("click", (event) => {
    const opener = event.target.closest?.("[data-dialog]");
    if (opener) show(opener.dataset.dialog);
    if (event.target.closest?.("[data-close]")) event.target.closest("dialog").close();
  });
})();
