/* Press anything that carries data-start and the recording plays from there, up to data-end where one is given.
   One listener on the document serves every table, transcript and figure, also those that arrive later.
   There are up to three recordings: the result's, that of the stored pair in the second tab, and one compared there. One plays at
   a time. */
(() => {
  "use strict";
  const NEAR_S = 0.05, SHORT_S = 2;
  let asked = null; // the player of the stretch that was asked for
  let stopAt = null; // seconds, in that player; null: play on
  let from = 0; // where its words begin
  let ended = null; // where that stretch ended; the player itself stops a little later, perhaps in the next row
  let pressed = null; // the element whose stretch is playing

  const player = () => document.querySelector("#player audio");
  const playerOf = (element) => (element?.closest("#pair") ? document.querySelector("#pair audio") : (element?.closest("#comparison") && document.querySelector("#compare-sound audio")) || player());
  window.medalignPlayerOf = playerOf;

  function mark(element) {
    pressed?.classList.remove("is-playing");
    pressed = element;
    pressed?.classList.add("is-playing");
  }

  function play(start, end, element = null) {
    const audio = playerOf(element);
    if (element?.closest("#pair") && (!audio || audio.error)) return fetchPair(() => play(start, end, element));
    if (!audio) return;
    [asked, stopAt] = [audio, Number.isFinite(end) ? end : null];
    audio.currentTime = start;
    from = Number(element?.dataset.start ?? start);
    mark(element);
    audio.play().catch(() => {}); // refused before the first press, or the recording was replaced: nothing to tell
  }

  window.medalignPlay = play;

  /* The stored pair's sound comes when it is first asked for, and anew where the server has deleted it meanwhile. */
  let whenThere = null;
  function fetchPair(then) {
    whenThere = then;
    window.medalignSend("pair-sound");
  }
  document.addEventListener("loadedmetadata", ({ target }) => {
    if (!target.matches?.("#pair audio") || !whenThere) return;
    whenThere();
    whenThere = null;
    if (document.activeElement === document.body) target.focus(); // in the place of the button that was pressed
  }, true);

  function playElement(element) {
    const audio = playerOf(element);
    if (element === pressed && !audio?.paused) return audio.pause(); // a second press stops
    // A word has a start only; it plays to the end of the mention or segment around it.
    const end = element.closest("[data-end]")?.dataset.end;
    const start = Number(element.dataset.start), isConcept = element.closest(".mention, .summary .entry, tr.row, .play.read");
    play(isConcept ? lead(start) : start, Number(end ?? NaN), element);
  }

  /* What a concept is about, and its "no", stands before its words: from the begin of its sentence, or a little before it. */
  const LEAD_S = 1.5, SENTENCE_S = 3;
  function lead(start) {
    const words = [...document.querySelectorAll("#transcript .segment")].findLast((s) => Number(s.dataset.start) <= start + 0.01)?.querySelectorAll(".word") ?? [];
    let begin = NaN, ended = true;
    for (const word of words) {
      if (Number(word.dataset.start) > start + 0.01) break;
      if (ended) begin = Number(word.dataset.start);
      ended = /[.?!]$/.test(word.textContent);
    }
    return start - begin < SENTENCE_S ? Math.min(begin, start) : Math.max(0, start - LEAD_S);
  }
  window.medalignLead = lead;

  const CONTROL = "button, a, input, select, textarea, summary, label, .edit-form"; // inside a row, a press on it is none on the row
  document.addEventListener("click", (event) => {
    const element = event.target.closest?.(`[data-start], ${CONTROL}`);
    if (!element?.matches("[data-start]")) return;
    const selecting = !getSelection().isCollapsed && !event.target.closest("button");
    if (!selecting) playElement(element);
  });

  document.addEventListener("keydown", (event) => {
    const target = event.target;
    if (event.key === "Enter" && target.matches?.("[data-start]:not(button)")) {
      event.preventDefault(); // rows and words are no buttons, Enter does nothing by itself
      playElement(target);
    }
    if (event.key === "ArrowRight" || event.key === "ArrowLeft") stepWord(event);
  });

  /* Left and right walk the words of a segment: words are no tab stops, an hour has thousands of them. */
  function stepWord(event) {
    const segment = event.target.closest?.(".segment");
    if (!segment) return;
    const words = [...segment.querySelectorAll(".word")];
    const here = event.target.closest(".word") ?? event.target.querySelector(".word");
    const next = words[words.indexOf(here) + (event.key === "ArrowRight" ? 1 : -1)];
    if (!next) return;
    event.preventDefault();
    next.tabIndex = -1;
    next.focus();
  }

  /* Media events don't bubble, hence the capturing listeners. */
  document.addEventListener("timeupdate", (event) => {
    const audio = event.target;
    if (audio === asked && stopAt !== null && audio.currentTime >= stopAt - NEAR_S) {
      ended = stopAt - from > SHORT_S ? stopAt - NEAR_S : from; // short words play on a little, perhaps into the next row
      audio.pause();
    }
    if (audio === player()) follow((audio === asked ? ended : null) ?? audio.currentTime);
  }, true);
  for (const name of ["play", "seeking"]) document.addEventListener(name, (event) => event.target === asked && (ended = null), true);

  document.addEventListener("play", (event) => {
    for (const audio of [player(), ...document.querySelectorAll(":is(#pair, #compare-sound) audio")]) if (audio && audio !== event.target) audio.pause();
  }, true);
  document.addEventListener("pause", (event) => {
    if (event.target !== asked) return;
    stopAt = null; // whoever presses play in the player itself wants to hear on
    mark(null);
  }, true);

  /* Light up the segment and the word being heard, keep them in sight, and move the line in the figures. */
  function follow(now) {
    const list = document.querySelector(".segments");
    for (const segment of document.querySelectorAll(".segment")) {
      const on = now >= segment.dataset.start && now < segment.dataset.end;
      if (on && !segment.classList.contains("is-current")) keepInSight(list, segment);
      segment.classList.toggle("is-current", on);
      if (on) lightWord(segment, now);
    }
    for (const plot of document.querySelectorAll(".js-plotly-plot")) movePlayhead(plot, now);
  }

  function lightWord(segment, now) {
    let current = null;
    for (const word of segment.querySelectorAll(".word")) if (word.dataset.start <= now) current = word;
    document.querySelectorAll(".word.is-heard").forEach((word) => word.classList.toggle("is-heard", word === current));
    current?.classList.add("is-heard");
  }

  function keepInSight(list, segment) {
    // Scrolls the transcript's own box, never the page under the reader's hands; what is behind the picture is out of sight, too.
    const [first, last] = window.medalignSeen(list), { top, bottom } = segment.getBoundingClientRect();
    if (top < first || bottom > last) list.scrollTop += top - first - Math.max(0, last - first) / 3;
  }

  function movePlayhead(plot, now) {
    const axis = plot._fullLayout?.xaxis; // plotly's own reckoning of where a second lies
    if (!axis) return;
    let line = plot.querySelector(":scope > .playhead");
    if (!line) plot.append((line = Object.assign(document.createElement("div"), { className: "playhead" })));
    line.style.left = `${axis._offset + axis.d2p(now)}px`;
  }

  /* A figure is wired when the pointer first comes over it: by then plotly has drawn it. */
  document.addEventListener("pointerover", (event) => {
    const plot = event.target.closest?.(".js-plotly-plot");
    if (!plot?.on || plot.dataset.wired) return;
    plot.dataset.wired = "yes";
    plot.on("plotly_click", ({ points }) => {
      const windows = plot.layout?.meta?.windows; // of the columns of a heat map
      const span = points.map((point) => point.customdata ?? windows?.[point.pointNumber?.[1]]).find(Array.isArray);
      if (span) play(span[0], span[1]);
    });
  });
})();
