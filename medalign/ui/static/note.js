/* Which of the buttons beside a note's statements are pressed, as the server has it stored. */
(() => {
  "use strict";
  function show() {
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
