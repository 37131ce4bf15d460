/* A checked note comes into sight; and which of the buttons beside its statements are pressed, as the server has it stored. */
(() => {
  "use strict";
  let seen = null; // the note that was last brought into sight
  function show() {
    const checked = document.querySelector(".note-check");
    if (checked && checked !== seen && checked.offsetParent) checked.scrollIntoView({ block: "start" });
    seen = checked;
    const buttons = document.querySelectorAll("[data-send=note-judge]");
    if (!buttons.length) return;
    const judged = JSON.parse(document.querySelector("#note-judged [data-judged]")?.dataset.judged ?? "{}");
    for (const button of buttons) {
      const is = String(judged[`${button.dataset.note} ${button.dataset.index}`] === button.dataset.right);
      if (button.getAttribute("aria-pressed") !== is) button.setAttribute("aria-pressed", is);
    }
  }
  new MutationObserver(show).observe(document.documentElement, { childList: true, subtree: true });
})();
