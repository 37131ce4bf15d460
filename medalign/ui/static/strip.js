/* The picture of the recording on the page: press it anywhere to hear it. All that it shows is also text: in the transcript, in "Use your ear" and in the tables.
   There may be several on a page; those of the stored pair have a player of their own. */
(() => {
  "use strict";
  const clock = window.medalignClock, draw = window.medalignDraw;
  const one = (selector) => document.querySelector(selector);
  const audio = () => one("#player audio");
  const soundOf = (strip) => window.medalignPlayerOf(strip);

  /* For paper: always light, the same at every size of window, and so wide that the smallest letters have 7.5 points. */
  window.medalignStripPicture = () => {
    const strip = one("#strip .strip");
    if (!strip) return null;
    const canvas = document.createElement("canvas");
    draw(canvas, JSON.parse(strip.dataset.strip), 750, 4, document.documentElement, true);
    return canvas.toDataURL("image/png");
  };

  /* What is drawn on which strip. Gradio changes a strip in place and takes away what it does not know: hence `drawn`. */
  const drawings = new WeakMap();
  function redraw(strip) {
    if (!strip.clientWidth) return;
    const data = JSON.parse(strip.dataset.strip), canvas = strip.querySelector("canvas");
    const button = strip.nextElementSibling, all = button.getAttribute("aria-pressed") === "true";
    const drawing = draw(canvas, data, strip.clientWidth, devicePixelRatio || 1, strip, all), { nameless } = drawing.at;
    drawings.set(strip, { data, source: strip.dataset.strip, ...drawing });
    button.hidden = !nameless && !all;
    button.textContent = all ? "Fewer names" : `+${nameless} more ${nameless === 1 ? "name" : "names"}`;
    canvas.dataset.drawn = "";
    move(strip);
  }
  window.medalignStripPlace = () => drawings.get(one("#strip .strip"))?.at;

  function under(event) {
    const strip = event.target.closest?.(".strip"), drawing = strip && drawings.get(strip);
    if (!drawing || event.target.tagName !== "CANVAS") return null;
    const { data, at, marks } = drawing, box = event.target.getBoundingClientRect();
    const px = event.clientX - box.left, py = event.clientY - box.top;
    const mark = marks.find((m) => px >= m.x0 && px <= m.x1 && py >= m.y0 && py <= m.y1);
    const s = Math.min(Math.max(((px - at.left) / (at.width - at.left)) * data.s, 0), data.s);
    return { strip, mark, px, s };
  }
  document.addEventListener("click", (event) => {
    const found = under(event);
    if (!found) return;
    if (found.mark) window.medalignPlay(found.mark.concept && !found.strip.closest("#pair, #comparison") ? window.medalignLead(found.mark.start) : found.mark.start, Math.max(found.mark.end, found.mark.start + 1.5), found.strip);
    else window.medalignPlay(found.s, NaN, found.strip);
  });
  document.addEventListener("click", (event) => {
    const button = event.target.closest?.(".names");
    if (!button) return;
    button.setAttribute("aria-pressed", String(button.getAttribute("aria-pressed") !== "true"));
    redraw(button.previousElementSibling);
  });
  for (const name of ["pointermove", "pointerdown"]) document.addEventListener(name, (event) => {
    const found = under(event), tip = found?.strip.querySelector(".tip");
    for (const other of document.querySelectorAll(".strip .tip:not([hidden])")) other.hidden = other !== tip;
    if (!tip) return;
    tip.hidden = false;
    tip.textContent = `${clock(found.mark ? found.mark.start : found.s)}${found.mark ? ` ${found.mark.title}` : ""}`;
    tip.style.left = `${Math.max(0, Math.min(found.px + 12, found.strip.clientWidth - tip.offsetWidth))}px`;
  });
  document.addEventListener("keydown", (event) => {
    const player = audio(), drawing = event.target.matches?.(".strip[role=slider]") && drawings.get(event.target);
    if (!player || !drawing || event.ctrlKey || event.metaKey || event.altKey) return;
    const end = drawing.data.s, by = { ArrowRight: 5, ArrowLeft: -5, PageDown: 30, PageUp: -30, Home: -end, End: end }[event.key];
    if (by === undefined && ![" ", "Enter"].includes(event.key)) return;
    event.preventDefault();
    if (by === undefined) toggle();
    else player.currentTime = Math.min(Math.max(player.currentTime + by, 0), end);
  });

  function move(strip) {
    const now = soundOf(strip)?.currentTime ?? 0, at = drawings.get(strip)?.at;
    if (!at) return;
    strip.querySelector(".strip-head").style.transform = `translateX(${at.x(now)}px)`;
    if (!strip.matches("[role=slider]")) return;
    strip.setAttribute("aria-valuenow", now.toFixed(0));
    strip.setAttribute("aria-valuetext", clock(now));
  }

  /* The player's own buttons. */
  const toggle = () => (audio().paused ? audio().play().catch(() => {}) : audio().pause()); // paused before it began: nothing to tell
  function tell(event) {
    for (const strip of document.querySelectorAll(".strip")) if (soundOf(strip) === event.target) move(strip);
    const player = audio(), button = one(".toggle-play");
    if (event.target !== player || !button) return;
    button.textContent = player.paused ? "▶" : "❚❚";
    button.setAttribute("aria-label", player.paused ? "Play" : "Pause");
    one(".player-clock").textContent = `${clock(player.currentTime)} / ${clock(player.duration || 0)}`;
  }
  for (const name of ["play", "pause", "timeupdate", "seeking", "loadedmetadata"]) document.addEventListener(name, tell, true);
  document.addEventListener("click", (event) => {
    if (event.target.closest?.(".toggle-play") && audio()) toggle();
  });

  const sizes = new ResizeObserver((entries) => entries.forEach(({ target }) => redraw(target)));
  const look = () => {
    for (const strip of document.querySelectorAll(".strip")) {
      if (strip.querySelector("canvas[data-drawn]") && drawings.get(strip)?.source === strip.dataset.strip) continue;
      redraw(strip);
      sizes.observe(strip); // one in a tab that is closed is drawn when it has a width
    }
  };
  const changes = { childList: true, subtree: true, attributeFilter: ["data-drawn", "data-strip"] };
  new MutationObserver(look).observe(document.documentElement, changes);
  const redrawAll = () => document.querySelectorAll(".strip").forEach(redraw);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redrawAll);

  /* Paper is white, whatever the screen is: for as long as it is printed, the page is that of the day. */
  let isNight = false;
  function print(is) {
    const { classList } = document.body;
    isNight ||= classList.contains("dark");
    classList.toggle("dark", isNight && !is);
    isNight &&= is;
    redrawAll();
  }
  addEventListener("beforeprint", () => print(true));
  addEventListener("afterprint", () => print(false));
  matchMedia("print").addEventListener("change", ({ matches }) => print(matches));
})();
