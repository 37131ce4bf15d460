/* Comparing: which sides were looked at, and where the reader is after a press. A side counts as looked at after a moment in
   view, or in focus; the server keeps the lock. */
(() => {
  "use strict";
  const LOOK_MS = 1200, SETTLE_MS = 5000;
  const watched = new WeakSet();
  const report = (side) => {
    if (side.dataset.reported) return;
    side.dataset.reported = "yes";
    window.medalignSend("seen", { side: side.dataset.side });
  };
  const observer = new IntersectionObserver((entries) => {
    for (const { target, isIntersecting, intersectionRect, rootBounds } of entries) {
      clearTimeout(target.lookTimer);
      const enough = isIntersecting && intersectionRect.height > Math.min(target.offsetHeight, rootBounds?.height ?? innerHeight) / 3;
      if (enough) target.lookTimer = setTimeout(() => report(target), LOOK_MS);
    }
  }, { threshold: [0, 0.1, 0.25, 0.5, 0.75, 1] });
  document.addEventListener("focusin", (event) => {
    const side = event.target.closest?.(".side");
    if (side) report(side);
  });

  /* A press on Compare leads to what was found, a vote to who was who. */
  let waitsFor = null;
  document.addEventListener("click", (event) => {
    const isBegun = event.target.closest?.("#compare-go");
    if (!isBegun && !event.target.closest?.("#votes button")) return;
    waitsFor = isBegun ? "#comparison [role=status]" : "#reveal";
    for (const old of document.querySelectorAll("#comparison [role=status], #reveal")) old.dataset.gone = "";
  }, true);
  /* The stored pair names what its models find, which a blind comparison of the same recording must not have in view. */
  function cover(is) {
    const pair = document.querySelector("#pair");
    if (!pair || pair.hidden === is) return;
    pair.hidden = is;
    document.querySelector("#pair-hidden").hidden = !is;
  }
  document.addEventListener("click", (event) => {
    if (event.target.closest?.("#compare-go") && document.querySelector("#blind input").checked) {
      for (const alert of document.querySelectorAll("#compare-alert .alert")) alert.dataset.gone = "";
      for (const old of document.querySelectorAll("#comparison .compared")) old.removeAttribute("data-named");
      cover(true);
    }
    if (event.target.closest?.("#compare-cancel")) cover(false);
  }, true);

  function arrive() {
    const found = waitsFor && document.querySelector(waitsFor);
    if (!found || "gone" in found.dataset) return;
    if (waitsFor === "#reveal" || document.activeElement === document.body) found.focus({ preventScroll: true });
    waitsFor = null;
    const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
    const status = document.querySelector("#compare-status");
    status.scrollIntoView({ block: "start", behavior: calm ? "auto" : "smooth" });
    stayAt(status);
  }
  /* What is drawn above it meanwhile pushes it away, and a slow machine draws for seconds. A reader who moves is let go. */
  function stayAt(target) {
    let height = document.body.offsetHeight;
    const sizes = new ResizeObserver(() => {
      if (document.body.offsetHeight !== height) target.scrollIntoView({ block: "start" });
      height = document.body.offsetHeight;
    });
    const letGo = () => {
      sizes.disconnect();
      for (const act of ["wheel", "touchstart", "keydown", "pointerdown"]) removeEventListener(act, letGo, true);
    };
    for (const act of ["wheel", "touchstart", "keydown", "pointerdown"]) addEventListener(act, letGo, true);
    setTimeout(letGo, SETTLE_MS);
    sizes.observe(document.body);
  }
  window.medalignStayAt = stayAt;
  new MutationObserver(() => {
    arrive();
    for (const side of document.querySelectorAll(".side")) {
      if (watched.has(side)) continue;
      watched.add(side);
      observer.observe(side);
    }
    const refused = document.querySelector("#compare-alert .alert:not([data-gone])");
    if (!refused && !document.querySelector("#comparison [data-named]")) return;
    const moves = document.querySelector("#pair")?.hidden;
    cover(false);
    if (refused && moves) refused.scrollIntoView({ block: "nearest" }); // the pair has pushed it down
  }).observe(document.documentElement, { childList: true, subtree: true });
})();
