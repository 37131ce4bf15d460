/* What is open, where the reader is: the panel for a recording of one's own, the folds, and the focus after a press. */
(() => {
  "use strict";
  const one = (selector) => document.querySelector(selector);

  /* What stays at the top while the page scrolls, in px: the picture with its player; on a small screen the player and the panes;
     the head of a checked note. Nothing that is brought into sight may land behind it. */
  const STAYS = "#recording, #player, #panes, .note-head", GAP_PX = 12;
  function stays() {
    let bottom = 0;
    for (const element of document.querySelectorAll(STAYS)) {
      const { position, display, top } = getComputedStyle(element);
      if (position === "sticky" && display !== "contents") bottom = Math.max(bottom, element.offsetHeight && (parseFloat(top) || 0) + element.offsetHeight);
    }
    return bottom;
  }
  const heights = new ResizeObserver(() => {
    document.documentElement.style.scrollPaddingTop = `${stays() + GAP_PX}px`;
  });

  /* The part of the transcript's own box that can be seen, from and to. */
  function seenOf(list) {
    const { top, bottom } = list.getBoundingClientRect();
    return [Math.max(top, stays() + GAP_PX), Math.min(bottom, innerHeight - GAP_PX)];
  }
  window.medalignSeen = seenOf;

  /* Brings a part of the transcript into sight with as little movement as can be: in its own box first, the page only if it must. */
  window.medalignReveal = (element) => {
    const list = element.closest(".segments"), highest = stays() + GAP_PX, lowest = innerHeight - GAP_PX;
    const px = Math.min(element.offsetHeight || element.getBoundingClientRect().height, list.clientHeight, lowest - highest);
    const [from, to] = seenOf(list), { top, bottom } = list.getBoundingClientRect();
    if (to - from < px) scrollBy(0, top + px > lowest ? top + px - lowest : Math.min(0, bottom - px - highest));
    const [first, last] = seenOf(list), box = element.getBoundingClientRect();
    if (box.top < first) list.scrollTop -= first - box.top;
    else if (box.bottom > last) list.scrollTop += Math.min(box.bottom - last, box.top - first);
    const now = element.getBoundingClientRect(); // at either end, its own box goes no further
    if (now.top < highest) scrollBy(0, now.top - highest);
    else if (now.bottom > lowest) scrollBy(0, Math.min(now.bottom - lowest, now.top - highest));
  };

  /* The panel: one button opens it with the recorder, the other with the upload. It closes when its result begins. Whoever opens
     it after that has another recording, and another patient to ask: the tick was for the one before. */
  let isUsed = false;
  function panel(mode) {
    const own = one("#own"), opener = one(`[data-panel="${own.dataset.mode}"]`);
    own.dataset.mode = own.dataset.mode === mode ? "" : mode;
    for (const button of document.querySelectorAll("[data-panel]:not([data-panel=''])")) {
      button.setAttribute("aria-expanded", String(button.dataset.panel === own.dataset.mode));
    }
    if (own.dataset.mode && isUsed && one("#consent input:checked")) one("#consent input").click();
    isUsed &&= !own.dataset.mode;
    if (own.dataset.mode) {
      one("#consent input, #custom-concepts button")?.focus();
      if (one("#panes")?.offsetHeight) own.scrollIntoView({ block: "start" }); // a phone: the recorder comes into sight as well
    }
    else opener?.focus();
  }
  document.addEventListener("click", (event) => {
    const button = event.target.closest?.("[data-panel]");
    if (button) panel(button.dataset.panel);
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && one("#own")?.dataset.mode && event.target.closest?.("#own, [data-panel]")) panel("");
  });

  /* Past everything that comes first: to the result, or to what was said. */
  document.addEventListener("click", (event) => {
    const link = event.target.closest?.(".skip a");
    if (!link) return;
    event.preventDefault();
    const isTranscript = link.hash === "#transcript", target = one(isTranscript ? "#transcript .segments" : "#result-title");
    if (!target) return;
    if (isTranscript) open("transcript");
    target.focus();
    target.scrollIntoView({ block: "nearest" });
  });

  /* A phone shows one part of the result at a time, what may be wrong first. */
  const FIRST = "ear";
  const open = (pane) => {
    one("#result").dataset.pane = pane;
    for (const button of document.querySelectorAll("[data-open]")) button.setAttribute("aria-pressed", String(button.dataset.open === pane));
    dispatchEvent(new Event("resize")); // figures that were hidden while the window changed
  };
  document.addEventListener("click", (event) => {
    const button = event.target.closest?.("[data-open]");
    if (!button) return;
    open(button.dataset.open);
    if (!one("#panes").offsetHeight) return; // a wide screen shows them all
    // Its begin stands below the player and these buttons, which stay; the picture above has been seen.
    scrollBy({ top: one("#findings").getBoundingClientRect().top - stays(), behavior: calm() });
    const list = one(".segments"), now = list?.querySelector(".is-current");
    if (now) list.scrollTop = now.offsetTop - list.clientHeight / 3; // it played while this was hidden
  });

  /* Gradio's accordions take their content out of the document while they are closed. Resolves with what is looked for. */
  window.medalignUnfold = (ids, selector) => {
    open("more");
    return new Promise((found) => {
      const until = performance.now() + 3000;
      const look = () => {
        for (const id of ids) {
          const label = one(`#${id} > button.label-wrap`);
          if (label && !label.classList.contains("open")) label.click();
        }
        const element = one(selector);
        if (element) found(element);
        else if (performance.now() < until) requestAnimationFrame(look);
      };
      look();
    });
  };

  /* "Why?" answers far below: open the place, and go there. */
  document.addEventListener("click", async (event) => {
    if (!event.target.closest?.("[data-send=why]")) return;
    const title = await window.medalignUnfold(["fold-depth"], "#why-title");
    title.focus({ preventScroll: true });
    title.scrollIntoView({ block: "start", behavior: calm() });
    window.medalignStayAt(title); // the figures above it are drawn meanwhile
  }, true);
  const calm = () => (matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth");

  /* A press that begins something makes the result on the page an old one; the new one's heading gets the focus. */
  let waiting = false;
  document.addEventListener("click", (event) => {
    if (!event.target.closest?.("#analyse, .example")) return;
    waiting = true;
    for (const old of document.querySelectorAll("#result-title, #alert .alert")) old.setAttribute("data-old", "");
  }, true);

  /* What was cancelled can be begun again where it says so. */
  let begun = null;
  document.addEventListener("click", (event) => {
    begun = event.target.closest?.("#analyse, .example") ?? begun;
    if (event.target.closest?.("[data-again]")) begun?.click();
  }, true);

  /* What is pressed and then goes, or is locked, hands the focus on to the first of these that can have it. */
  const STOP = "#microphone :is(.stop-button, .stop-button-paused)", NEXT = {
    "#cancel": ["[data-again]", "#result-title"], "#compare-cancel": ["#compare-go"], "#compare-go": ["#compare-cancel", "#comparison [role=status]"], "[data-send=delete]": [".example"], "#microphone .record-button": ["#microphone .stop-button"], [STOP]: ["#analyse"],
    "[data-send=undo-rating]": ["#undo", "#fold-feedback > button"], "[data-send=close-search]": ["#search-go"],
  };
  const HAND_ON_MS = 15_000;
  function handOn(pressed, selectors) {
    const until = performance.now() + HAND_ON_MS;
    const timer = setInterval(() => {
      const { activeElement } = document, isLost = activeElement === document.body;
      if (isLost && selectors.some((selector) => (one(selector)?.focus({ preventScroll: true }), document.activeElement !== document.body))) document.activeElement.scrollIntoView({ block: "nearest" });
      if (document.activeElement !== document.body && (isLost || activeElement !== pressed)) clearInterval(timer);
      if (performance.now() > until) clearInterval(timer);
    }, 100);
    for (const name of ["pointerdown", "keydown"]) addEventListener(name, () => clearInterval(timer), { once: true, capture: true }); // goes on alone
  }
  document.addEventListener("click", (event) => {
    for (const [place, selectors] of Object.entries(NEXT)) {
      const pressed = event.target.closest?.(place);
      if (pressed) handOn(pressed, selectors);
    }
  }, true);

  /* That it has begun is seen, too: on a phone the panel fills the screen above it. */
  let isSeen = true;
  document.addEventListener("click", (event) => event.target.closest?.("#analyse") && (isSeen = false), true);
  function begins() {
    if (isSeen || !one("#work .progress") || one("#work .alert:not([data-old])")) return;
    isSeen = true;
    one("#work").scrollIntoView({ block: "nearest", behavior: calm() });
  }

  /* A run that brought nothing but a sentence: that is seen, and one goes on where one began. */
  function refused() {
    const alert = one("#alert .alert:not([data-old])");
    if (!waiting || !alert) return;
    waiting = false;
    alert.scrollIntoView({ block: "nearest" });
    if (begun) handOn(begun, [begun.id ? `#${begun.id}` : ".example[aria-current]", "#analyse", ".example"]);
  }

  function arrive() {
    const heading = one("#result-title:not([data-old])");
    if (!waiting || !heading) return;
    waiting = false;
    const phrase = one("#phrase :is(textarea, input)"); // what was sought in the one before
    if (phrase?.value) {
      phrase.value = "";
      phrase.dispatchEvent(new Event("input", { bubbles: true }));
    }
    open(FIRST);
    isUsed ||= "own" in heading.dataset;
    if (one("#own").dataset.mode) panel("");
    heading.focus({ preventScroll: true });
    const box = heading.getBoundingClientRect();
    if (box.top < 0 || box.bottom > innerHeight / 2) one("#work").scrollIntoView({ block: "start", behavior: calm() });
  }

  /* British or American labels: the choice stays in this browser, and the page's first question to the server carries it. */
  const WORDING = "medalign-wording";
  const kept = () => { try { return localStorage.getItem(WORDING); } catch { return null; } }; // a browser that keeps nothing
  window.medalignWording = kept;
  function word(to) {
    const button = one("#wording");
    if (button?.dataset.to !== to) return;
    button.textContent = `Wording: ${to}`;
    button.dataset.to = to === "UK" ? "US" : "UK";
  }
  document.addEventListener("click", (event) => {
    const button = event.target.closest?.("#wording");
    if (!button) return;
    const to = button.dataset.to;
    try { localStorage.setItem(WORDING, to); } catch { /* the same */ }
    setTimeout(() => word(to)); // after the press is sent
  }, true);

  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !event.target.closest?.("#search, .found") || !one(".found")) return;
    handOn(event.target, NEXT["[data-send=close-search]"]);
    medalignSend("close-search");
  });

  /* What was asked for in vain is no complaint any more. */
  const isDone = (words) => document.querySelectorAll("#alert .alert").forEach((alert) => (alert.hidden ||= alert.textContent.includes(words)));
  document.addEventListener("change", ({ target }) => {
    if (target.checked && target.closest?.("#consent")) isDone("Confirm the data notice");
    if (target.closest?.("#upload")) isDone("There is no recording yet");
  });
  document.addEventListener("click", ({ target }) => target.closest?.(STOP) && isDone("There is no recording yet"), true);

  /* A menu closes when one goes on, by a press or by the keyboard. */
  document.addEventListener("focusin", ({ target }) => {
    for (const menu of document.querySelectorAll("details.menu[open]")) if (!menu.contains(target)) menu.open = false;
  });
  document.addEventListener("click", (event) => {
    for (const menu of document.querySelectorAll("details.menu[open]")) {
      if (!menu.contains(event.target) || event.target.closest("a")) menu.open = false;
    }
  });
  document.addEventListener("keydown", (event) => {
    const menu = event.key === "Escape" && event.target.closest?.("details.menu[open]");
    if (!menu) return;
    menu.open = false;
    menu.querySelector("summary").focus();
  });

  /* All places to hear again, or the first few; one who has opened them wants them open in the next result, too. */
  document.addEventListener("click", (event) => {
    if (!event.target.closest?.("[data-more]")) return;
    one("#result").toggleAttribute("data-ear");
    opens();
  });
  function opens() {
    const button = one("[data-more]"), is = String(Boolean(one("#result[data-ear]")));
    if (button && button.getAttribute("aria-expanded") !== is) button.setAttribute("aria-expanded", is);
  }

  /* Which example is shown, and how many places there are to hear again. */
  function mark() {
    const heading = one("#result-title"), shown = heading?.dataset.example;
    const { textContent: listed = "", dataset: { news } = {} } = one("#ear-title .n") ?? {};
    const n = news ? listed.replace(")", `, ${news} new)`) : listed, pane = one("[data-open=ear] .n");
    if (pane && pane.textContent !== n) pane.textContent = n;
    for (const button of document.querySelectorAll(".example")) {
      const is = button.textContent.trim() === shown;
      if (is !== button.hasAttribute("aria-current")) is ? button.setAttribute("aria-current", "true") : button.removeAttribute("aria-current");
    }
  }

  /* What a status says to everybody: "Finished." is for those only who can't see that the result is there. */
  const told = (status) => status && !status.querySelector(".unseen, .toast") && status.textContent.trim();

  /* What a key has done is said wherever the reader is, for a while. */
  const TOAST_MS = 6000;
  let toast = null;
  function fade() {
    const now = one("#status .toast"), was = toast;
    if ((toast = now) === was) return;
    if (now) setTimeout(() => now.classList.add("unseen"), TOAST_MS);
  }

  /* Gradio redraws the inside of these places; the places themselves stay, so the roles belong on them. */
  const ROLES = { "#status": "status", "#alert": "alert", "#compare-status": "status", "#compare-alert": "alert", ".answer": "status" };
  new MutationObserver(() => {
    if (one("#result:not([data-pane])")) open(FIRST);
    begins();
    fade();
    arrive();
    refused();
    mark();
    opens();
    for (const element of document.querySelectorAll(STAYS)) heights.observe(element);
    word(kept());
    const work = one("#work");
    work?.classList.toggle("is-idle", !work.querySelector(".alert, .progress") && !told(one("#status")));
    for (const [place, role] of Object.entries(ROLES)) {
      for (const element of document.querySelectorAll(place)) {
        if (element.getAttribute("role") !== role) element.setAttribute("role", role);
      }
    }
  }).observe(document.documentElement, { childList: true, subtree: true });
})();
