/* Who leaves, or has another result shown, with work that would go with the page or with the result on it, is asked. */
(() => {
  "use strict";
  const heading = () => document.querySelector("#result-title");
  let taken = null; // the result that was taken home as it stands
  document.addEventListener("click", (event) => {
    if (event.target.closest?.("[data-copy], [data-print], .download")) taken = heading()?.dataset.name;
  }, true);
  for (const change of ["edit", "write", "accept", "rate", "unrate"]) document.addEventListener(`medalign:${change}`, () => (taken = null));
  const isTaken = () => taken !== null && taken === heading()?.dataset.name;
  const isTyped = () => window.medalignIsTyped() || [...document.querySelectorAll("#card input")].some((field) => field.value !== field.dataset.was);
  const NOTES = ":is(#custom, #missing-label, #comment, #whole-comment, #vote-why) :is(textarea, input)"; // what is shown next leaves them
  const isNoted = () => [...document.querySelectorAll(NOTES)].some((field) => field.value.trim());
  const isChanged = () => !isTaken() && document.querySelector("#transcript :is(.original, .reread)"); // what is undone is no change
  const isOwnResult = () => !isTaken() && document.querySelector("#result-title[data-own]:not([data-old])");
  const isRated = () => {
    const { rated = "{}", of } = document.querySelector("#ratings [data-rated]")?.dataset ?? {};
    return of && of === heading()?.dataset.name && rated !== "{}";
  };
  const isJudged = () => (document.querySelector("#note-judged [data-judged]:not([hidden])")?.dataset.judged ?? "{}") !== "{}"; // of a note
  /* A recording of one's own that is being analysed goes with the page: who loads it anew is asked, and told afterwards. */
  const RUNNING = "medalign-running", running = () => isOwn && document.querySelector("#cancel")?.offsetParent; // which is there meanwhile
  let isOwn = false;
  const remember = (is) => { try { is ? sessionStorage.setItem(RUNNING, "yes") : sessionStorage.removeItem(RUNNING); } catch { /* keeps nothing */ } };
  document.addEventListener("click", (event) => {
    const begun = event.target.closest?.("#analyse, .example");
    if (begun) isOwn = begun.id === "analyse";
  });
  addEventListener("beforeunload", (event) => {
    remember(running());
    if (running() || isOwnResult() || isChanged() || isRated() || isJudged() || isTyped() || isNoted()) event.preventDefault();
  });
  function lostRun() {
    let was = null;
    try { was = sessionStorage.getItem(RUNNING); } catch { /* the same */ }
    remember(false);
    if (!was) return;
    const dialog = Object.assign(document.createElement("dialog"), { id: "lost" });
    dialog.setAttribute("aria-labelledby", "lost-title");
    dialog.innerHTML = `<h2 id="lost-title">Your recording is gone</h2><p>The page was loaded anew while it was being analysed: it was stopped, and nothing of it is kept here. Record or upload it again.</p>
      <p><button type="button" class="tool primary" autofocus>Close</button></p>`;
    dialog.querySelector("button").addEventListener("click", () => dialog.close());
    dialog.addEventListener("close", () => dialog.remove());
    document.querySelector(".gradio-container .contain").append(dialog);
    dialog.showModal();
  }
  const begin = new MutationObserver(() => {
    if (!document.querySelector("#start")) return;
    begin.disconnect();
    lostRun();
  });
  begin.observe(document.documentElement, { childList: true, subtree: true });

  let agreed = null; // the button whose press is not asked about again
  addEventListener("click", (event) => {
    const button = event.target.closest?.(".example, #analyse");
    if (!button || button === agreed) return;
    const lost = [
      isTyped() && "Words that you have typed and not saved are lost.",
      isChanged() && "Your changes of the transcript are not exported; they are lost.",
      document.querySelector("#result-title[data-own]") && isRated() && "Your ratings stay stored, but can no longer be undone here; keep the code to take them back.",
    ].filter(Boolean);
    if (!lost.length) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    ask(button, lost);
  }, true);

  function ask(button, lost) {
    const dialog = Object.assign(document.createElement("dialog"), { id: "replace" });
    dialog.setAttribute("aria-labelledby", "replace-title");
    dialog.innerHTML = `<h2 id="replace-title">Replace the result on the page?</h2>${lost.map((words) => `<p>${words}</p>`).join("")}
      <p><button type="button" class="tool primary" autofocus>Keep this result</button> <button type="button" class="tool danger">Replace it</button></p>`;
    const [keep, replace] = dialog.querySelectorAll("button");
    keep.addEventListener("click", () => dialog.close());
    replace.addEventListener("click", () => {
      dialog.close();
      agreed = button;
      button.click();
      agreed = null;
    });
    dialog.addEventListener("close", () => dialog.remove());
    document.querySelector(".gradio-container .contain").append(dialog);
    dialog.showModal();
  }
})();
