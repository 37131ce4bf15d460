/* Single keys for reviewing. They never fire while somebody types, do what a press would do, and can be turned off. */
(() => {
  "use strict";
  const OFF = "medalign-shortcuts-off"; // a preference, nothing about a recording
  const enabled = () => localStorage.getItem(OFF) !== "yes";
  const typing = (target) => target.closest?.("input, textarea, select, [contenteditable=true], [role=textbox], [role=listbox]");
  const rows = () => [...document.querySelectorAll("#concepts tr.row")].filter((row) => row.offsetParent);
  const current = () => document.activeElement?.closest?.("tr.row");

  function move(by) {
    const list = rows();
    const next = list[Math.min(Math.max(list.indexOf(current()) + by, 0), list.length - 1)];
    if (!next) return;
    if (!next.hasAttribute("tabindex")) next.tabIndex = -1;
    next.focus();
  }
  const rate = (verdict) => current()?.querySelector(`[data-verdict="${verdict}"]`)?.click();
  const press = (selector) => document.querySelector(selector)?.click();
  const audio = () => document.querySelector("#player audio");
  const vote = (choice) => document.querySelector(`.tabitem:not([style*="none"]) #vote-${choice}:not([disabled])`)?.click();

  const KEYS = {
    j: () => move(1), k: () => move(-1),
    c: () => rate("correct"), w: () => rate("wrong"), s: () => rate("wrong_status"),
    m: () => press('[data-send="missing"]'), u: () => press("#undo"),
    p: () => audio() && (audio().paused ? audio().play() : audio().pause()),
    "/": () => document.querySelector("#phrase textarea, #phrase input")?.focus(),
    a: () => vote("a"), b: () => vote("b"), t: () => vote("tie"), n: () => vote("both_bad"),
    "?": () => document.querySelector("#help")?.showModal(),
  };

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || typing(event.target)) return;
    if (document.querySelector("#help[open]") || !KEYS[event.key]) return;
    if (!enabled() && event.key !== "?") return;
    event.preventDefault();
    KEYS[event.key]();
  });

  document.addEventListener("change", (event) => {
    if (event.target.id === "shortcuts-on") localStorage.setItem(OFF, event.target.checked ? "no" : "yes");
  });
  document.addEventListener("click", (event) => {
    if (event.target.closest?.("#help-open")) {
      document.querySelector("#shortcuts-on").checked = enabled();
      document.querySelector("#help").showModal();
    }
    if (event.target.closest?.("#help-close")) document.querySelector("#help").close();
  });
})();
