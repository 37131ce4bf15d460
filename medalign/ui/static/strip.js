/* The recording as one picture on one time axis: above the waveform what the words say, below it what the sound says. Press it
   anywhere to hear it. All that it shows is also text: in the transcript, in "Use your ear" and in the tables.
   There may be several on a page; those of the stored pair have a player of their own. */
(() => {
  "use strict";
  const ROW = 17, WAVE = 54, RIBBON = 7, AXIS = 16, GAP = 3, NARROW = 600, STEPS_S = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900];
  const STATUS = { negated: "denied", family: "family", historical: "in the past", resolved: "over", hypothetical: "if, or planned", uncertain: "unsure" };
  const clock = (s) => `${Math.floor(s / 60)}:${String(Math.floor(s % 60)).padStart(2, "0")}`;
  const one = (selector) => document.querySelector(selector);
  const audio = () => one("#player audio");
  const soundOf = (strip) => window.medalignPlayerOf(strip);

  /* Where everything lies, at a width: labels that find no room become marks without a name. */
  function arrange(pen, data, width) {
    const wide = width >= NARROW, left = wide ? 52 : 0, x = (s) => left + (s / data.s) * (width - left);
    const font = `${wide ? 12 : 11}px system-ui, sans-serif`, rows = wide ? 3 : 2;
    pen.font = font;
    const fit = (marks, place) => {
      const taken = Array.from({ length: rows }, () => []);
      for (const mark of [...marks].sort((a, b) => a.rank - b.rank || a.start - b.start)) {
        const { from, to } = place(mark, pen.measureText(mark.text).width);
        mark.row = taken.findIndex((row) => row.every(([a, b]) => to + 5 < a || from - 5 > b));
        if (mark.row >= 0) taken[mark.row].push([(mark.from = from), (mark.to = to)]);
      }
      return Math.max(1, taken.findLastIndex((row) => row.length) + 1);
    };
    const inside = (from, length) => Math.min(Math.max(from, left), width - length);
    const seen = new Set(), heard = (data.heard ?? []).map(([start, end, name, both]) => ({ start, end, both, rank: both, text: both ? name : `◆ ${name}`, title: `${name}, heard in the sound${both ? " and in the words" : ", not in the words"}` }));
    const said = (data.said ?? []).map(([start, end, name, status, both]) => {
      const rank = (seen.has(name) ? 2 : 0) + (status === "present" ? 0 : 1);
      seen.add(name);
      return { start, end, name, status, both, rank, text: name, title: `${name}${STATUS[status] ? `, ${STATUS[status]}` : ""}: in the words${both ? " and in the sound" : ", not heard in the sound"}` };
    });
    heard.push(...(data.events ?? []).map(([start, end, label]) => ({ start, end, rank: -1, event: true, text: `♪ ${label}`, title: `${label}: heard, not said` })));
    const above = fit(said, (mark, length) => {
      const from = inside(x((mark.start + mark.end) / 2) - length / 2, length);
      return { from, to: from + length };
    });
    const below = fit(heard, (mark, length) => { // under its words, where they lie in the stretch in which it is heard
      const words = said.find((other) => other.name === mark.text && other.start <= mark.end && other.end >= mark.start);
      const from = inside(x(words ? (words.start + words.end) / 2 : (mark.start + mark.end) / 2) - length / 2 - 5, length + 10);
      return { from, to: from + length + 10 };
    });
    const top = data.said ? above * ROW + GAP : 0, ribbon = top + WAVE + GAP, under = ribbon + RIBBON + GAP;
    return { x, left, width, font, said, heard, top, ribbon, under, above, below, height: (data.said ? under + below * ROW : ribbon) + AXIS };
  }

  function paint(pen, data, at, look) {
    pen.font = at.font;
    pen.textBaseline = "middle";
    if (data.said) paintEar(pen, data, at, look);
    paintWave(pen, data, at, look);
    paintAxis(pen, data, at, look);
    if (!data.said) return [];
    paintFit(pen, data, at, look);
    pen.font = at.font;
    const marks = [...at.heard.map((mark) => paintHeard(pen, mark, at, look)), ...at.said.map((mark) => paintSaid(pen, mark, at, look))];
    if (at.left) {
      pen.fillStyle = look("--quiet");
      pen.font = "600 12px system-ui, sans-serif";
      pen.fillText("Words", 0, at.top - ROW / 2 - GAP);
      pen.fillText("Sound", 0, at.under + ROW / 2);
    }
    if (!at.heard.length) {
      pen.fillStyle = look("--quiet");
      pen.font = at.font;
      pen.fillText("nothing is heard", at.left + 6, at.under + ROW / 2);
    }
    return [...paintNumbers(pen, data, at, look), ...marks];
  }

  function paintWave(pen, data, at, look) {
    const peaks = Uint8Array.from(atob(data.peaks), (c) => c.charCodeAt(0)), middle = at.top + WAVE / 2;
    const voices = data.voices ?? [];
    let next = 0;
    for (let i = 0; i < peaks.length; i++) {
      const s = (i / peaks.length) * data.s;
      while (next < voices.length && voices[next][1] <= s) next++;
      const voice = next < voices.length && voices[next][0] <= s ? voices[next][2] : -1;
      pen.fillStyle = look(voice < 0 ? "--voice-none" : `--voice-${voice % 3}`);
      const half = Math.max(0.5, (peaks[i] / 255) * (WAVE / 2));
      pen.fillRect(at.x(s), middle - half, Math.max(0.7, (at.width - at.left) / peaks.length - 0.25), 2 * half);
    }
  }

  /* Orange, and numbered as in the list. */
  function paintEar(pen, data, at, look) {
    for (const [start, end] of data.ear) {
      pen.fillStyle = look("--doubt-band");
      pen.fillRect(at.x(start) - 1, at.top - GAP, Math.max(at.x(end) - at.x(start) + 2, 4), WAVE + GAP);
    }
  }

  function paintNumbers(pen, data, at, look) {
    let free = -Infinity;
    const shown = [...data.ear].sort((a, b) => a[0] - b[0]);
    return shown.map(([start, end, n, reason]) => {
      const cx = Math.min(Math.max(at.x((start + end) / 2), at.left + 8, free + 17), at.width - 8), cy = at.top + WAVE - 8;
      free = cx;
      pen.fillStyle = look("--doubt");
      pen.beginPath();
      pen.arc(cx, cy, 8, 0, 7);
      pen.fill();
      pen.fillStyle = look("--paper");
      pen.font = "700 10.5px system-ui, sans-serif";
      pen.textAlign = "center";
      pen.fillText(n, cx, cy + 0.5);
      pen.textAlign = "left";
      return { x0: cx - 9, x1: cx + 9, y0: cy - 9, y1: cy + 9, start, end, title: `${n}: ${reason}` };
    });
  }

  /* One piece a window, from middle to middle, since windows overlap. What does not fit is striped as well as orange. */
  function paintFit(pen, data, at, look) {
    const middles = data.fit.map(([start, end]) => (start + end) / 2);
    data.fit.forEach(([, , level], i) => {
      const from = Math.round(at.x(i ? (middles[i - 1] + middles[i]) / 2 : 0));
      const to = Math.round(at.x(i + 1 < middles.length ? (middles[i] + middles[i + 1]) / 2 : data.s));
      pen.fillStyle = look(level < 0 ? "--line" : level ? "--fits" : "--doubt");
      pen.globalAlpha = level === 2 ? 0.6 : level === 1 ? 0.3 : 1;
      if (level) pen.fillRect(from, at.ribbon, to - from, level < 0 ? 1 : RIBBON);
      else for (let x = from; x < to; x += 5) pen.fillRect(x, at.ribbon, Math.min(3, to - x), RIBBON);
      pen.globalAlpha = 1;
    });
  }

  function paintSaid(pen, mark, at, look) {
    const middle = at.x((mark.start + mark.end) / 2), base = at.top - 1;
    pen.strokeStyle = pen.fillStyle = look(mark.both ? "--accent" : "--quiet");
    if (mark.both && at.heard.some((other) => other.row >= 0 && other.text === mark.name && other.start <= mark.end && other.end >= mark.start)) {
      pen.globalAlpha = 0.35; // words and sound meet here
      pen.fillRect(middle - 0.75, base, 1.5, at.under - base);
      pen.globalAlpha = 1;
    }
    pen.beginPath();
    pen.arc(middle, base, 3, 0, 7);
    if (mark.both) pen.fill();
    else {
      pen.fillStyle = look("--paper");
      pen.fill();
      pen.stroke();
    }
    const hit = { x0: middle - 5, x1: middle + 5, y0: base - 6, y1: base + 6, start: mark.start, end: mark.end, title: mark.title };
    if (mark.row < 0) return hit;
    const y = at.top - GAP - ROW * (mark.row + 0.5) - 2, denied = mark.status === "negated", aside = mark.status !== "present" && !denied;
    pen.globalAlpha = 0.5;
    pen.fillRect(middle - 0.5, y + 7, 1, base - y - 10);
    pen.globalAlpha = 1;
    pen.fillStyle = look(mark.both ? "--ink" : "--quiet");
    pen.fillText(mark.text, mark.from, y);
    pen.strokeStyle = pen.fillStyle;
    pen.setLineDash(aside ? [3, 2] : []);
    if (denied || aside) line(pen, mark.from, mark.to, denied ? y : y + 7);
    pen.setLineDash([]);
    return { ...hit, x0: Math.min(hit.x0, mark.from), x1: Math.max(hit.x1, mark.to), y0: y - 8 };
  }

  function paintHeard(pen, mark, at, look) {
    const from = mark.row < 0 ? at.x(mark.start) : mark.from, to = mark.row < 0 ? at.x(mark.end) : mark.to;
    const y = at.under + ROW * Math.max(mark.row, 0), only = !mark.both && !mark.event;
    if (mark.row < 0) return { x0: from, x1: to, y0: at.ribbon, y1: at.ribbon, ...mark };
    pen.fillStyle = look(only ? "--warn-tint" : "--accent-tint");
    pen.strokeStyle = look(only ? "--doubt" : mark.event ? "--agree" : "--accent");
    pen.beginPath();
    pen.roundRect(from + 0.5, y + 0.5, to - from - 1, ROW - 3, 4);
    pen.fill();
    if (only || mark.event) pen.stroke();
    pen.fillStyle = look(only ? "--warn" : "--ink");
    pen.textAlign = "center";
    pen.fillText(mark.text, (from + to) / 2, y + ROW / 2 - 1);
    pen.textAlign = "left";
    return { x0: from, x1: to, y0: y, y1: y + ROW, start: mark.start, end: mark.end, title: mark.title };
  }

  function paintAxis(pen, data, at, look) {
    const step = STEPS_S.find((s) => ((at.width - at.left) * s) / data.s >= 64) ?? 1800;
    pen.fillStyle = look("--quiet");
    pen.font = "11px system-ui, sans-serif";
    for (let s = 0; s <= data.s; s += step) {
      const text = clock(s), length = pen.measureText(text).width;
      pen.fillText(text, Math.min(Math.max(at.x(s) - length / 2, at.left), at.width - length), at.height - AXIS / 2);
    }
  }

  function line(pen, from, to, y) {
    pen.beginPath();
    pen.moveTo(from, y);
    pen.lineTo(to, y);
    pen.stroke();
  }

  /* Draws on a canvas of a width in CSS pixels; returns what can be pressed. `styled`: whose colours are taken. */
  function draw(canvas, data, width, scale, styled) {
    const colours = getComputedStyle(styled), pen = canvas.getContext("2d"), at = arrange(pen, data, width);
    [canvas.width, canvas.height] = [Math.round(width * scale), Math.round(at.height * scale)];
    Object.assign(canvas.style, { width: `${width}px`, height: `${at.height}px` });
    pen.scale(scale, scale);
    return { at, marks: paint(pen, data, at, (name) => colours.getPropertyValue(name)) };
  }

  /* For paper: always light, the same at every size of window, and so wide that the smallest letters have 7.5 points. */
  window.medalignStripPicture = () => {
    const strip = one("#strip .strip");
    if (!strip) return null;
    const canvas = document.createElement("canvas");
    draw(canvas, JSON.parse(strip.dataset.strip), 750, 4, document.documentElement);
    return canvas.toDataURL("image/png");
  };

  /* What is drawn on which strip. Gradio changes a strip in place and takes away what it does not know: hence `drawn`. */
  const drawings = new WeakMap();
  function redraw(strip) {
    if (!strip.clientWidth) return;
    const data = JSON.parse(strip.dataset.strip), canvas = strip.querySelector("canvas");
    drawings.set(strip, { data, source: strip.dataset.strip, ...draw(canvas, data, strip.clientWidth, devicePixelRatio || 1, strip) });
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
    if (found.mark) window.medalignPlay(found.mark.start, Math.max(found.mark.end, found.mark.start + 1.5), found.strip);
    else window.medalignPlay(found.s, NaN, found.strip);
  });
  document.addEventListener("pointermove", (event) => {
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

  /* What gets the focus must not land under the sticky strip. */
  const sizes = new ResizeObserver((entries) => {
    for (const { target } of entries) {
      if (target.matches(".strip")) redraw(target);
      const place = one("#recording"), stays = getComputedStyle(place).position === "sticky";
      document.documentElement.style.scrollPaddingTop = `${(stays ? place.offsetHeight : 44) + 12}px`;
    }
  });
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
