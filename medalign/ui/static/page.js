/* What our own HTML does besides playing: send presses to the server, edit a segment, filter the table, print. */
(() => {
  "use strict";
  const send = (name, detail = {}) => document.dispatchEvent(new CustomEvent(`medalign:${name}`, { detail }));
  window.medalignSend = send;

  document.addEventListener("click", (event) => {
    const button = event.target.closest?.("[data-send], [data-edit], [data-take], [data-print], [data-copy], [data-step]");
    if (!button) return;
    if (event.detail > 1 && button.closest(".ear")) return; // of a double press: what stands here now was not heard
    if (button.dataset.send === "accept") tell(button);
    if (button.closest(".ear") && ["settle", "rate"].includes(button.dataset.send)) noted(button);
    if (button.dataset.send === "unedit") undone(button);
    if (button.dataset.send) {
      send(button.dataset.send, { ...button.dataset, ...context(button) });
      if (button.dataset.send === "missing") document.querySelector("#missing-label :is(textarea, input)")?.focus(); // ends the selection
    } else if (button.dataset.edit) openForm(button.closest(".segment"));
    else if (button.dataset.take) document.querySelector(`.download[download$=".medalign.${button.dataset.take}"]`)?.click();
    else if (button.dataset.print) print(button.dataset.print);
    else if (button.dataset.copy) copy(button);
    else step(Number(button.dataset.step));
  }, true);

  /* What a press needs beside its own data: what the player has just said, or the words that are selected. */
  const HEARD_S = 3;
  function context(button) {
    if (button.dataset.send !== "missing") return {};
    const words = selectedWords();
    const now = document.querySelector("#player audio")?.currentTime ?? 0;
    const heard = Math.max(0, now - HEARD_S); // one stops once it was said
    if (!words.length) return { start: String(heard), end: String(Math.max(now, heard + 1)), text: "" };
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

  /* A form in the place of a segment's words. Escape or Cancel puts the words back. One in which something was typed stays
     until then: while others are opened, and through every new writing of the transcript. */
  let returnTo = null; // gives the focus to where the reader goes on, once the new transcript is there
  let leftAt = null; // what had it at the press; Gradio may make another button of it
  /* Until then it waits beside what was pressed, which is locked or goes meanwhile. */
  const goBack = (there, meanwhile) => {
    meanwhile?.focus({ preventScroll: true });
    [returnTo, leftAt] = [there, document.activeElement];
  };
  let forms = []; // that are open
  let typedIn = null; // the field of a form that has the focus, or had it when its form was taken away
  const fieldsOf = (form) => [...form.querySelectorAll("textarea, input[list]")];
  const isTouched = (form) => fieldsOf(form).some((field) => field.value !== field.dataset.was);
  const resultShown = () => document.querySelector("#result-title")?.dataset.name;
  const segmentFrom = (s) => [...document.querySelectorAll("#transcript .segment")].findLast((segment) => Number(segment.dataset.start) <= Number(s) + 1) ?? null;
  const segmentAt = (index) => document.querySelector(`#transcript [data-edit="${index}"]`)?.closest(".segment");

  function openForm(segment, text = null) {
    for (const form of forms.filter((form) => !isTouched(form))) closeForm(form);
    const button = segment.querySelector("[data-edit]"), there = segment.querySelector(".edit-form");
    if (there) {
      there.querySelector("textarea").focus({ preventScroll: true });
      return window.medalignReveal(there);
    }
    const words = [...segment.querySelectorAll(".word, .said")].map((word) => word.textContent).join(" ");
    const isGap = "gap" in button.dataset; // nothing is written there yet
    const form = document.createElement("form");
    form.className = "edit-form";
    Object.assign(form.dataset, { index: button.dataset.edit, of: resultShown() });
    form.innerHTML = `<label>Words <textarea rows="3" maxlength="2000"></textarea></label>
      <label>Speaker <input list="speakers" maxlength="40"></label>
      <label class="filter"><input type="checkbox"> Give this speaker the name everywhere</label>
      <div><button type="submit" class="tool primary">Save, and read again</button>
      <button type="button" class="tool cancel-edit">Cancel</button>
      <button type="button" class="tool" data-send="why" data-index="${button.dataset.edit}">Why do sound and words fit?</button></div>`;
    if (isGap) form.querySelectorAll(".filter, [data-send=why]").forEach((part) => part.remove());
    const [said, speaker, everywhere = {}] = form.querySelectorAll("textarea, input");
    said.value = words;
    speaker.value = button.dataset.speaker;
    for (const field of [said, speaker]) field.dataset.was = field.value;
    said.value = text ?? words;
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      if (isGap && !said.value.trim()) return said.focus();
      if (said.value.trim() === words && speaker.value.trim() === button.dataset.speaker) {
        window.medalignSettle(segment.dataset.start, segment.dataset.end, "yes"); // saved as it is: it is right
        return closeForm(form, true);
      }
      form.dataset.sent = "";
      form.querySelector("[type=submit]").disabled = true;
      save(form.closest(".segment"), { text: said.value, speaker: speaker.value, everywhere: everywhere.checked ? "yes" : "no" });
    });
    form.addEventListener("keydown", (event) => {
      event.stopPropagation(); // typing is no shortcut
      if (event.key === "Escape") closeForm(form, true);
    });
    form.addEventListener("focusin", (event) => (typedIn = event.target));
    form.querySelector(".cancel-edit").addEventListener("click", () => closeForm(form, true));
    forms.push(form);
    segment.append(form);
    said.focus({ preventScroll: true });
    window.medalignReveal(segment.offsetHeight < innerHeight / 2 ? segment : form); // with the words as they were, if there is room
  }
  window.medalignEdit = openForm;

  /* The transcript was written anew: forms go back to their segments. One that was saved is done with. */
  function restore() {
    for (const form of forms) {
      const segment = segmentAt(form.dataset.index);
      if (form.isConnected && form.parentElement === segment) continue;
      if ("sent" in form.dataset || (resultShown() && resultShown() !== form.dataset.of)) forms = forms.filter((other) => other !== form);
      else if (segment) {
        segment.append(form);
        if (form.contains(typedIn) && isFree()) typedIn.focus({ preventScroll: true });
      }
    }
  }
  const isFree = () => [null, document.body].includes(document.activeElement);

  /* Other words, or another speaker, for a segment; the transcript says that it is being read again. */
  function save(segment, changed) {
    const { edit, speaker, gap } = segment.querySelector("[data-edit]").dataset, [start, end] = edit.split(" ");
    goBack(() => (segmentAt(edit) ?? segmentFrom(start))?.querySelector(".time").focus(), segment.querySelector(".time"));
    document.querySelectorAll("#alert .alert").forEach((alert) => alert.setAttribute("data-old", "")); // of an earlier press
    mark(segment.querySelector("p"));
    lock();
    if (gap === undefined) send("edit", { index: edit, speaker, everywhere: "no", ...changed });
    else send("write", { start, end, ...changed });
  }
  function mark(place, words = "Reading again …") {
    const told = Object.assign(document.createElement("span"), { className: "reread", textContent: words }), since = performance.now();
    place?.append(told);
    const timer = setInterval(() => {
      if (!told.isConnected || told.className !== "reread") return clearInterval(timer); // a new result may take the element over
      told.textContent = `${words} ${Math.round((performance.now() - since) / 1000)} s`; // it goes on
    }, 1000);
  }
  /* While it is read, the list is that of before: a press would take another place than the one that was heard. */
  const lock = (is = true) => document.querySelectorAll(".ear [data-send]").forEach((button) => (button.disabled = is));

  /* A place that is right as it stands, or otherwise, goes from the list, and the focus to the one that comes next. */
  function noted(button) {
    const place = button.closest(".ear li"), nth = [...place.parentElement.children].indexOf(place);
    document.querySelectorAll("#feedback-alert .alert").forEach((alert) => alert.setAttribute("data-old", ""));
    goBack(() => placeAt(nth)?.focus(), place.querySelector(".play"));
    mark(place.querySelector(".reason"), "Noted …");
    setTimeout(lock); // after the press is sent
  }
  /* A change that is taken back where it was made: one goes on there. */
  function undone(button) {
    const { edit } = button.closest(".segment")?.querySelector("[data-edit]").dataset ?? {};
    const inList = () => document.querySelector(".ear [data-send=unedit]") ?? placeAt(0);
    const meanwhile = edit === undefined ? placeAt(0) : segmentAt(edit).querySelector(".time");
    goBack(() => (edit === undefined ? inList() : segmentAt(edit)?.querySelector(".time"))?.focus(), meanwhile);
    mark(button.parentElement, "Undoing …");
    setTimeout(lock); // after the press is sent
  }
  window.medalignSettle = (start, end, whole = "") => send("settle", { start, end, whole });

  /* A suggestion that is taken: its segment says so, and its place in the list. From a card one goes back to the segment, from
     the list on to the place that comes next. */
  function tell(button) {
    const segment = document.querySelector(`#transcript .word[data-accept="${button.dataset.index}"]`)?.closest(".segment");
    const { edit } = segment?.querySelector("[data-edit]").dataset ?? {}, place = button.closest(".ear li");
    const nth = place && [...place.parentElement.children].indexOf(place);
    if (button.closest("#card")) goBack(() => segmentAt(edit)?.querySelector(".time").focus(), segment?.querySelector(".time"));
    else if (place) goBack(() => placeAt(nth)?.focus(), place.querySelector(".play"));
    document.querySelectorAll("#alert .alert").forEach((alert) => alert.setAttribute("data-old", ""));
    mark(segment?.querySelector("p"));
    mark((place ?? document.querySelector(`.ear [data-send=accept][data-index="${button.dataset.index}"]`)?.closest("li"))?.querySelector(".reason"));
    setTimeout(lock);
  }
  window.medalignSave = save;

  /* The place of a number in the list of what should be heard again, or the last one; without any, the list's heading. */
  function placeAt(nth) {
    const places = [...document.querySelectorAll(".ear li .play")], title = document.querySelector("#ear-title");
    title?.setAttribute("tabindex", "-1");
    return places[Math.min(nth, places.length - 1)] ?? title;
  }

  function closeForm(form, focus = false) {
    const segment = form.closest(".segment");
    forms = forms.filter((other) => other !== form);
    form.remove();
    if (focus) segment?.querySelector(".time").focus(); // the pencil shows itself there
  }

  window.medalignIsTyped = () => forms.some(isTouched);

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

  /* Safari lets go on with a press only what is handed over at once, hence the promise. */
  async function copy(button) {
    const text = fetch(button.dataset.copy).then((answer) => answer.text()), told = button.innerHTML;
    try {
      const type = "text/plain", body = text.then((words) => new Blob([words], { type }));
      await navigator.clipboard.write([new ClipboardItem({ [type]: body })]);
      button.textContent = "Copied";
    } catch {
      button.textContent = "The browser does not let this page copy; take the file Text";
    }
    setTimeout(() => (button.innerHTML = told), 4000);
  }

  /* The summary comes from the server; its picture is the one on the screen, drawn anew for paper. */
  async function print(address) {
    document.querySelector("#print-frame")?.remove();
    const frame = Object.assign(document.createElement("iframe"), { id: "print-frame", title: "Summary to print" });
    document.body.append(frame);
    frame.srcdoc = await (await fetch(address)).text();
    await new Promise((done) => frame.addEventListener("load", done, { once: true }));
    const place = frame.contentDocument.querySelector(".figures"), picture = window.medalignStripPicture();
    if (picture && place) {
      const figure = frame.contentDocument.createElement("figure");
      const image = Object.assign(frame.contentDocument.createElement("img"), { src: picture, alt: "The recording over time" });
      const n = JSON.parse(document.querySelector("#strip .strip").dataset.strip).ear.length;
      const caption = `Above the words, below the sound, over time. ● both have it, ○ the words alone, ◆ the sound alone; ♪ heard, not said; struck through: denied, dashed: past, family or if; orange: use your ear (${n}), numbered as in the list.`;
      figure.append(image, Object.assign(frame.contentDocument.createElement("figcaption"), { textContent: caption }));
      place.append(figure);
      await image.decode();
    }
    frame.contentWindow.print();
  }

  /* After the server has answered: focus where the reader was. */
  new MutationObserver(() => {
    if (document.querySelector(":is(#alert, #feedback-alert) .alert:not([data-old])")) refused();
    restore();
    if (document.querySelector(".ear [data-send]:disabled") && !document.querySelector(".reread")) lock(false);
    if (returnTo !== null && !document.querySelector("#transcript .reread, .ear .reread, .edit-form[data-sent]")) {
      if (isFree() || document.activeElement === leftAt) returnTo(); // who went elsewhere meanwhile stays there
      returnTo = null;
    }
  }).observe(document.documentElement, { childList: true, subtree: true });

  /* What was sent was not taken: it can be sent again. */
  function refused() {
    document.querySelectorAll(".reread").forEach((told) => told.remove());
    for (const form of document.querySelectorAll(".edit-form[data-sent]")) {
      delete form.dataset.sent;
      form.querySelector("[type=submit]").disabled = false;
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
