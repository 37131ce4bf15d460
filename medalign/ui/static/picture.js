/* The recording as one picture on one time axis: above the waveform what the words say, below it what the sound says. strip.js
   puts it on the page, where it can be pressed. */
(() => {
  "use strict";
  const ROW = 17, WAVE = 54, RIBBON = 7, AXIS = 16, GAP = 3, NARROW = 600, MOST = 12, STEPS_S = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900];
  const STATUS = { negated: "denied", family: "family", historical: "in the past", resolved: "over", hypothetical: "if, or planned", uncertain: "unsure" };
  const clock = (s) => `${Math.floor(s / 60)}:${String(Math.floor(s % 60)).padStart(2, "0")}`;
  window.medalignClock = clock;

  /* Where everything lies, at a width: labels that find no room become marks without a name, unless all are asked for. */
  function arrange(pen, data, width, all) {
    const wide = width >= NARROW, left = wide ? 52 : 0, x = (s) => left + (s / data.s) * (width - left);
    const font = `${wide ? 12 : 11}px system-ui, sans-serif`, rows = all ? MOST : wide ? 3 : 2;
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
    const seen = new Set(), heard = (data.heard ?? []).map(([start, end, name, both, status]) => ({ start, end, both, status, rank: both, text: both ? name : `◆ ${name}`, title: `${name}: heard in the sound${both ? `, and in the words${STATUS[status] ? `, which say: ${STATUS[status]}` : ""}` : ", not in the words"}` }));
    const said = (data.said ?? []).map(([start, end, name, status, both, misheard]) => {
      const rank = (seen.has(name) ? 2 : 0) + (status === "present" ? 0 : 1);
      seen.add(name);
      const suggested = misheard && !both, words = misheard ? "suggested for misheard words" : "in the words";
      return { start, end, name, status, both, suggested, rank, text: suggested ? `≈ ${name}` : name, title: `${name}${STATUS[status] ? `, ${STATUS[status]}` : ""}: ${words}${both ? " and in the sound" : ", not recognised in the sound alone"}` };
    });
    heard.push(...(data.events ?? []).map(([start, end, label]) => ({ start, end, rank: -1, event: true, text: `♪ ${label}`, title: `${label}: heard, not said` })));
    for (const mark of [...said, ...heard]) { // what the list has gets its name first, the costliest place before all
      const places = data.ear.filter(([start, end]) => mark.start < end && mark.end > start).map(([, , n]) => n);
      if (mark.name && places.length) mark.rank = Math.min(...places) - 1000;
    }
    const above = fit(said, (mark, length) => {
      const from = inside(x((mark.start + mark.end) / 2) - length / 2, length);
      return { from, to: from + length };
    });
    const below = fit(heard, (mark, length) => { // under its words, where they lie in the stretch in which it is heard
      const words = said.find((other) => other.name === mark.text && other.start <= mark.end && other.end >= mark.start);
      const from = inside(x(words ? (words.start + words.end) / 2 : (mark.start + mark.end) / 2) - length / 2 - 5, length + 10);
      return { from, to: from + length + 10 };
    });
    const named = (marks) => new Set(marks.filter((mark) => mark.row >= 0).map((mark) => mark.text));
    const nameless = [said, heard].flatMap((marks) => [...new Set(marks.map((mark) => mark.text))].filter((text) => !named(marks).has(text)));
    const top = data.said ? above * ROW + GAP : 0, ribbon = top + WAVE + GAP, under = ribbon + RIBBON + GAP;
    return { x, left, width, font, nameless: nameless.length, said, heard, top, ribbon, under, above, below, height: (data.said ? under + below * ROW : ribbon) + AXIS };
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
    } else for (const [words, y] of [["↑ Words", at.top + 13], ["↓ Sound", at.top + 28]]) { // no room beside: on the waveform, above the numbers
      pen.font = "600 11px system-ui, sans-serif";
      pen.fillStyle = look("--paper");
      pen.globalAlpha = 0.8;
      pen.fillRect(0, y - 7, pen.measureText(words).width + 4, 14);
      pen.globalAlpha = 1;
      pen.fillStyle = look("--quiet");
      pen.fillText(words, 2, y);
    }
    if (!at.heard.length) {
      pen.fillStyle = look("--quiet");
      pen.font = at.font;
      pen.fillText("nothing is recognised", at.left + 6, at.under + ROW / 2);
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

  /* The costliest first; a number that finds no room is left out, its orange stays and tells it. */
  function paintNumbers(pen, data, at, look) {
    const taken = [], cy = at.top + WAVE - 8;
    pen.font = "700 10.5px system-ui, sans-serif";
    return data.ear.map(([start, end, n, reason]) => {
      const half = Math.max(8, pen.measureText(n).width / 2 + 4), inside = (px) => Math.min(Math.max(px, at.left + half), at.width - half);
      const free = [0, 9, -9, 17, -17].map((by) => inside(at.x((start + end) / 2) + by)).find((px) => taken.every(([x, w]) => Math.abs(px - x) >= half + w + 1));
      const cx = free ?? inside(at.x((start + end) / 2)), hit = { x0: cx - half - 1, x1: cx + half + 1, y0: cy - 9, y1: cy + 9, start, end, title: `${n}: ${reason}` };
      if (free === undefined) return hit;
      taken.push([cx, half]);
      pen.fillStyle = look("--doubt");
      pen.beginPath();
      pen.roundRect(cx - half, cy - 8, 2 * half, 16, 8);
      pen.fill();
      pen.fillStyle = look("--paper");
      pen.textAlign = "center";
      pen.fillText(n, cx, cy + 0.5);
      pen.textAlign = "left";
      return hit;
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
    pen.strokeStyle = pen.fillStyle = look(mark.both ? "--accent" : mark.suggested ? "--warn" : "--quiet");
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
    const hit = { x0: middle - 5, x1: middle + 5, y0: base - 6, y1: base + 6, concept: true, start: mark.start, end: mark.end, title: mark.title };
    if (mark.row < 0) return hit;
    const y = at.top - GAP - ROW * (mark.row + 0.5) - 2;
    pen.globalAlpha = 0.5;
    pen.fillRect(middle - 0.5, y + 7, 1, base - y - 10);
    pen.globalAlpha = 1;
    pen.fillStyle = look(mark.both ? "--ink" : mark.suggested ? "--warn" : "--quiet");
    pen.fillText(mark.text, mark.from, y);
    strike(pen, mark, mark.from, mark.to, y);
    return { ...hit, x0: Math.min(hit.x0, mark.from), x1: Math.max(hit.x1, mark.to), y0: y - 8 };
  }

  /* Struck: denied; dashed below: somebody else's, past, or only if. In the sound the status is that of the words. */
  function strike(pen, { status }, from, to, y) {
    const denied = status === "negated";
    if (!status || status === "present") return;
    pen.strokeStyle = pen.fillStyle;
    pen.setLineDash(denied ? [] : [3, 2]);
    line(pen, from, to, denied ? y : y + 7);
    pen.setLineDash([]);
  }

  function paintHeard(pen, mark, at, look) {
    const from = mark.row < 0 ? at.x(mark.start) : mark.from, to = mark.row < 0 ? at.x(mark.end) : mark.to;
    const y = at.under + ROW * Math.max(mark.row, 0), only = !mark.both && !mark.event;
    if (mark.row < 0) return { x0: from, x1: to, y0: at.ribbon, y1: at.under, ...mark };
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
    strike(pen, mark, from + 5, to - 5, y + ROW / 2 - 1);
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

  /* Draws on a canvas of a width in CSS pixels; returns what can be pressed. `styled`: whose colours are taken;
     `all`: with every name, however high that is. */
  function draw(canvas, data, width, scale, styled, all = false) {
    const colours = getComputedStyle(styled), pen = canvas.getContext("2d"), at = arrange(pen, data, width, all);
    [canvas.width, canvas.height] = [Math.round(width * scale), Math.round(at.height * scale)];
    Object.assign(canvas.style, { width: `${width}px`, height: `${at.height}px` });
    pen.scale(scale, scale);
    return { at, marks: paint(pen, data, at, (name) => colours.getPropertyValue(name)) };
  }
  window.medalignDraw = draw;
})();
