/* What our own HTML does besides playing: send presses to the server, edit a segment, filter the table, print. */
(() => {
  "use strict";
  const send = (name, detail = {}) => document.dispatchEvent(new CustomEvent(`medalign:${name}`, { detail }));
  window.medalignSend = send;

  document.addEventListener("click", (event) => {
    const button = event.target.closest?.("[data-send], [data-edit], [data-print], [data-step]");
    if (!button) return;
    event.stopImmediatePropagation(); // a press on a button inside a row is not a press on the row
    if (button.dataset.send) send(button.dataset.send, { ...button.dataset, ...context(button) });
    else if (button.dataset.edit) openForm(button);
    else if (button.dataset.print) print(button.dataset.print);
    else step(Number(button.dataset.step));
  }, true);

  /* What a press needs beside its own data: the player's second, or the words that are selected. */
  function context(button) {
    if (button.dataset.send !== "missing") return {};
    const words = selectedWords();
    const now = document.querySelector("#player audio")?.currentTime ?? 0;
    if (!words.length) return { start: String(now), end: String(now), text: "" };
    const last = words.at(-1);
    const next = last.nextElementSibling?.dataset?.start ?? last.closest(".segment").dataset.end;
    return { start: words[0].dataset.start, end: next, text: words.map((word) => word.textContent).join(" ") };
  }

  function selectedWords() {
    const selection = getSelection();
    if (!selection.rangeCount || selection.isCollapsed) return [];
    const range = selection.getRangeAt(0);
    return [...document.querySelectorAll("#transcript .word")].filter((word) => range.intersectsNode(word));
  }

  /* Player: steps and speed. */
  const audio = () => document.querySelector("#player audio");
  function step(seconds) {
    if (audio()) audio().currentTime = Math.max(0, audio().currentTime + seconds);
  }
  document.addEventListener("change", (event) => {
    if (event.target.matches?.(".rate") && audio()) audio().playbackRate = Number(event.target.value);
    if (event.target.matches?.("[data-filter], .disagreement-first")) filter();
  });

  /* A form in the place of a segment's words. Escape or Cancel puts the words back. */
  let returnTo = null; // index of the segment that gets the focus once the new transcript is there
  function openForm(button) {
    closeForm();
    const segment = button.closest(".segment");
    const words = [...segment.querySelectorAll(".word, .said")].map((word) => word.textContent).join(" ");
    const form = document.createElement("form");
    form.className = "edit-form";
    form.innerHTML = `<label>Words <textarea rows="3" maxlength="2000"></textarea></label>
      <label>Speaker <input list="speakers" maxlength="40"></label>
      <label class="filter"><input type="checkbox"> Everywhere this speaker is named</label>
      <div><button type="submit" class="tool primary">Save, and read again</button>
      <button type="button" class="tool cancel-edit">Cancel</button></div>`;
    const [text, speaker, everywhere] = form.querySelectorAll("textarea, input");
    text.value = words;
    speaker.value = button.dataset.speaker;
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      returnTo = Number(button.dataset.edit);
      form.querySelector("[type=submit]").disabled = true;
      send("edit", { index: button.dataset.edit, text: text.value, speaker: speaker.value, everywhere: everywhere.checked ? "yes" : "no" });
    });
    form.addEventListener("keydown", (event) => {
      event.stopPropagation(); // typing is no shortcut
      if (event.key === "Escape") closeForm(true);
    });
    segment.classList.add("is-edited-now");
    segment.append(form);
    text.focus();
  }

  function closeForm(focus = false) {
    const form = document.querySelector(".edit-form");
    if (!form) return;
    const segment = form.closest(".segment");
    segment.classList.remove("is-edited-now");
    form.remove();
    if (focus) segment.querySelector("[data-edit]").focus();
  }
  document.addEventListener("click", (event) => {
    if (event.target.matches?.(".cancel-edit")) closeForm(true);
  });

  /* Filters hide rows; sections without rows go, too. "Disagreements first" sorts inside each section. */
  function filter() {
    const table = document.querySelector("#concepts table.concepts");
    if (!table) return;
    const wanted = [...document.querySelectorAll("[data-filter]")].map((select) => [select.dataset.filter, select.value]);
    const first = document.querySelector(".disagreement-first")?.checked;
    let left = 0;
    const rows = [...table.querySelectorAll("tr.row")];
    for (const section of table.querySelectorAll("tbody.section")) {
      const own = [...section.querySelectorAll("tr.row")];
      for (const row of own) {
        row.dataset.order ??= own.indexOf(row);
        row.hidden = wanted.some(([name, value]) => value && row.dataset[name] !== value);
        left += !row.hidden;
      }
      const rank = (row) => (first && row.dataset.agreement === "both" ? 1e4 : 0) + Number(row.dataset.order);
      own.sort((a, b) => rank(a) - rank(b)).forEach((row) => section.append(row));
      section.hidden = own.every((row) => row.hidden);
    }
    document.querySelector(".filtered").textContent = left === rows.length ? "" : `${left} of ${rows.length} shown`;
  }

  /* The summary comes from the server; the figures are the ones on the screen, drawn as vectors. */
  async function print(address) {
    document.querySelector("#print-frame")?.remove();
    const frame = Object.assign(document.createElement("iframe"), { id: "print-frame", title: "Summary to print" });
    document.body.append(frame);
    frame.srcdoc = await (await fetch(address)).text();
    await new Promise((done) => frame.addEventListener("load", done, { once: true }));
    const place = frame.contentDocument.querySelector(".figures");
    for (const [name, caption] of [["timeline", "Does the sound fit the words?"], ["heatmap", "When is each concept heard?"]]) {
      const drawing = document.querySelector(`#${name} .js-plotly-plot .main-svg`);
      if (!drawing || !place) continue;
      const figure = frame.contentDocument.createElement("figure");
      const copy = drawing.cloneNode(true);
      copy.setAttribute("viewBox", `0 0 ${drawing.getAttribute("width")} ${drawing.getAttribute("height")}`);
      copy.setAttribute("width", "100%");
      copy.removeAttribute("height");
      for (const clipped of copy.querySelectorAll("[clip-path]")) { // plotly names the page, and this is another document
        clipped.setAttribute("clip-path", clipped.getAttribute("clip-path").replace(/\(.*#/, "(#").replace(/['"]\)/, ")"));
      }
      figure.append(copy, Object.assign(frame.contentDocument.createElement("figcaption"), { textContent: caption }));
      place.append(figure);
    }
    frame.contentWindow.print();
  }

  /* After the server has answered: focus where the reader was, and the ratings that are stored. */
  new MutationObserver(() => {
    if (returnTo !== null && !document.querySelector(".edit-form")) {
      document.querySelectorAll("#transcript .segment .time")[returnTo]?.focus();
      returnTo = null;
    }
    const rated = document.querySelector("#ratings [data-rated]")?.dataset.rated;
    if (rated !== undefined) showRatings(JSON.parse(rated));
  }).observe(document.documentElement, { childList: true, subtree: true });

  function showRatings(rated) {
    for (const button of document.querySelectorAll("button.rating")) {
      const key = `${button.dataset.concept}|${button.dataset.rowStatus}`;
      const pressed = String(rated[key] === button.dataset.verdict);
      if (button.getAttribute("aria-pressed") !== pressed) button.setAttribute("aria-pressed", pressed);
    }
  }

  /* Without the tick, the microphone and the upload can't be used; the server refuses as well. */
  function gate() {
    const box = document.querySelector("#consent input");
    const inputs = document.querySelector("#inputs");
    if (!box || !inputs) return;
    inputs.inert = !box.checked;
    inputs.classList.toggle("is-locked", !box.checked);
  }
  document.addEventListener("change", gate);
  new MutationObserver(gate).observe(document.documentElement, { childList: true, subtree: true });
})();
/* A side of a comparison counts as looked at after a moment in view, or in focus; the server keeps the lock. */
(() => {
  "use strict";
  const LOOK_MS = 1200;
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
  new MutationObserver(() => {
    for (const side of document.querySelectorAll(".side")) {
      if (watched.has(side)) continue;
      watched.add(side);
      observer.observe(side);
    }
  }).observe(document.documentElement, { childList: true, subtree: true });
})();
