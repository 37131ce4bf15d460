/* A checked note comes into sight, and says when it is no longer that of the box or of the recording that plays; which of the
   buttons beside its statements are pressed, as the server has it stored. */
(() => {
  "use strict";
  const STALE = { recording: "The first tab shows another recording now: check the note again, to hold it against that one.",
    note: "The note has been changed since: check it again." };
  let seen = null; // the note that was last brought into sight
  let asked = null, checked = null; // recording and text when Check was pressed, and those of what is shown
  const given = () => ({
    recording: document.querySelector("#player audio")?.src ?? "",
    note: [...document.querySelectorAll("#note-text textarea, #note-second textarea")].map((box) => box.value.trim()).join("\0"),
  });
  document.addEventListener("click", (event) => {
    if (event.target.closest?.("#note-go")) asked = given();
  }, true);
  document.addEventListener("input", (event) => {
    if (event.target.closest?.("#note-text, #note-second")) age();
  });
  function age() {
    const shown = document.querySelector(".note-check");
    if (!shown || !checked) return;
    const now = given();
    const why = ["recording", "note"].find((part) => now[part] !== checked[part]) ?? "";
    if ((shown.dataset.stale ?? "") === why) return;
    if (why) shown.dataset.stale = why;
    else delete shown.dataset.stale;
    for (const part of shown.children) part.inert = why === "recording" && !part.matches(".note-stale");
    const told = shown.querySelector(".note-stale");
    told.hidden = !why;
    told.textContent = STALE[why] ?? "";
  }
  /* Focus and view, once its place has its height; who went elsewhere meanwhile stays there. */
  function arrive(shown) {
    requestAnimationFrame(() => {
      if (["note-go", ""].includes(document.activeElement?.id ?? "")) shown.querySelector(".note-of").focus({ preventScroll: true });
      shown.scrollIntoView({ block: "start" });
    });
  }
  function show() {
    const shown = document.querySelector(".note-check");
    if (shown && shown !== seen) {
      checked = asked;
      if (shown.offsetParent) arrive(shown);
    }
    seen = shown;
    age();
    const buttons = document.querySelectorAll("[data-send=note-judge]");
    if (!buttons.length) return;
    const judged = JSON.parse(document.querySelector("#note-judged [data-judged]:not([hidden])")?.dataset.judged ?? "{}");
    for (const button of buttons) {
      const is = String(judged[`${button.dataset.note} ${button.dataset.index}`] === button.dataset.right);
      if (button.getAttribute("aria-pressed") !== is) button.setAttribute("aria-pressed", is);
    }
  }
  new MutationObserver(show).observe(document.documentElement, { childList: true, subtree: true });
})();
