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

  /* Which recording is compared: blind, of an example whose words are open, the next one. */
  function name() {
    const place = document.querySelector("#compared-recording"), heading = document.querySelector("#result-title");
    if (!place || !heading) return;
    const open = heading.firstChild.textContent.trim(), titles = JSON.parse(place.dataset.examples), shown = "own" in heading.dataset ? -1 : titles.indexOf(open);
    const isOther = document.querySelector("#blind input")?.checked && shown >= 0 && titles.length > 1;
    const told = isOther ? `Compared: the example ${titles[(shown + 1) % titles.length]}, since you have read the words of ${open}.` : `Compared: ${open}, as in the first tab.`;
    if (place.textContent !== told) place.textContent = told;
  }
  document.addEventListener("change", name);

  /* Gradio's lists stay open behind whoever tabs on. */
  document.addEventListener("focusout", ({ target }) => {
    if (target.matches(".gradio-container [role=combobox]")) target.dispatchEvent(new KeyboardEvent("keydown", { key: "Escape", bubbles: true }));
  }, true);

  function arrive() {
    const found = waitsFor && document.querySelector(waitsFor);
    if (!found || "gone" in found.dataset) return;
    const { activeElement } = document; // Cancel has the focus while the models run, and goes with them
    if (waitsFor === "#reveal" || activeElement === document.body || activeElement.closest("#compare-work, #compare-go")) found.focus({ preventScroll: true });
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
  /* Plotly gives a figure that it draws in a hidden place a width of its own; once it is seen, it is told to look again. */
  const fitted = new WeakMap();
  function fit() {
    for (const plot of document.querySelectorAll('[id^="results-"] .js-plotly-plot')) {
      const width = plot.parentElement.clientWidth, drawn = plot.querySelector(".main-svg")?.clientWidth;
      if (!width || !drawn || width - drawn < 30 || fitted.get(plot) === width) continue;
      fitted.set(plot, width);
      dispatchEvent(new Event("resize"));
    }
  }

  new MutationObserver(() => {
    arrive();
    name();
    fit();
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
