/* What is left of a run goes on being counted between two words of the server, which come when a step is done. */
(() => {
  "use strict";
  const seen = new WeakMap(); // when each estimate came
  const words = (s) => (s < 5 ? "a few seconds left" : s < 90 ? `about ${5 * Math.round(s / 5)} s left` : `about ${Math.round(s / 60)} min left`);
  setInterval(() => {
    for (const place of document.querySelectorAll(".progress [data-left]")) {
      const { left } = place.dataset, now = performance.now();
      if (seen.get(place)?.left !== left) seen.set(place, { left, now });
      const s = Number(left) - (now - seen.get(place).now) / 1000, told = s < -5 ? "longer than expected" : words(s);
      if (left && place.textContent !== told) place.textContent = told;
    }
  }, 1000);
})();
