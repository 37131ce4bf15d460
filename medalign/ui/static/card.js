/* A card beside a mention or a doubtful word: what is known about it, and what can be done about its words. Once something was
   typed into it, it stays until that is changed or given up: presses elsewhere say so, and a transcript that is written anew gets
   it back. */
(() => {
  "use strict";
  const DOUBTFUL = ".word:is(.unclear, .less-clear, [data-note])", MARKED = `#transcript :is(.mention, ${DOUBTFUL})`;
  let card = null, opener = null, stood = null; // what the transcript said when the card was opened
  let cameFrom = null; // the place of the list that led to the words
  let at = null, result = null; // the second of its first word, and the result that it was opened on
  let until = null; // the second up to which its words go, where the list has named them
  const LEAST_PX = 140; // of a card, where there is hardly room on either side
  const isSheet = () => matchMedia("(max-width: 600px)").matches; // a phone has it at its foot
  const resultShown = () => document.querySelector("#result-title")?.dataset.name;
  const make = (tag, properties = {}, data = {}) => {
    const element = Object.assign(document.createElement(tag), properties);
    Object.assign(element.dataset, data);
    return element;
  };
  const marked = () => [...document.querySelectorAll(MARKED)].filter((element) => element.matches(".mention") || !element.closest(".mention"));
  const markedAt = (target) => target.closest?.("#transcript .mention") ?? target.closest?.(MARKED);

  /* The words that the card is about: of a mention, and of a name that is suggested for them, in order. */
  function wordsOf(anchor) {
    const own = anchor.matches(".word") ? [anchor] : [...anchor.querySelectorAll(".word")];
    const suggestions = new Set(own.map((word) => word.dataset.accept).filter(Boolean)), all = [...anchor.closest(".segment").querySelectorAll(".word")];
    const isNamed = (s) => s >= Number(own[0].dataset.start) && s < until - 0.01; // without any: never
    return all.filter((word) => own.includes(word) || suggestions.has(word.dataset.accept) || isNamed(Number(word.dataset.start)));
  }

  const knownOf = (anchor) => document.querySelector(`#transcript [data-card="${anchor.dataset.mention}"]`);
  const rowOf = (known) => (({ concept, rowStatus } = {}) => concept && `${concept}|${rowStatus}`)(known?.querySelector(".rating")?.dataset);
  const standing = () => `${knownOf(opener)?.textContent} ${opener.dataset.you} ${wordsOf(opener).map((word) => word.textContent)}`;

  const lineOf = () => card?.querySelector(".card-change input");
  const isTyped = () => card && lineOf().value !== lineOf().dataset.was;
  const remind = () => {
    card.querySelector(".unsaved").hidden = false;
    lineOf().focus();
  };

  function open(anchor, typed = null, to = null) {
    close();
    [opener, until] = [anchor, to];
    stood = standing();
    const words = wordsOf(anchor), segment = anchor.closest(".segment");
    [at, result] = [words[0].dataset.start, resultShown()];
    const written = words.map((word) => word.textContent).join(" ");
    card = make("div", { id: "card", tabIndex: -1 });
    card.setAttribute("role", "dialog");
    card.setAttribute("aria-labelledby", "card-title");
    const known = knownOf(anchor);
    if (known) {
      card.className = known.className;
      card.append(...known.cloneNode(true).childNodes);
      if (anchor.dataset.place) ofMention(anchor);
      if (anchor.dataset.why) card.querySelector(".status").after(make("span", { className: "trigger", textContent: anchor.dataset.why }));
    }
    else card.append(make("div", { className: "card-head", innerHTML: "<h3></h3>" }));
    const title = card.querySelector("h3");
    title.id = "card-title";
    if (!known) title.textContent = `“${written}”`;
    card.querySelector(".card-head").append(shut());
    const notes = new Set(words.map((word) => word.dataset.note ?? (anchor.matches(".word") ? word.title : "")).filter(Boolean));
    if (words.some((word) => word.dataset.note)) card.querySelectorAll(".how-likely :is(.quiet, .odds, .tenths)").forEach((part) => part.remove()); // one number, the word's
    card.append(...[...notes].map((note) => make("p", { className: "note", textContent: note })), change(segment, words, written), tools(segment, words));
    document.querySelector("#result").append(card); // a tab that is closed hides it
    if (anchor.matches("button")) anchor.setAttribute("aria-expanded", "true");
    if (typed !== null) lineOf().value = typed;
    place();
    if (!card) return;
    for (const part of [card, document.querySelector("#result"), document.querySelector(".ear")]) if (part) moved.observe(part);
    (typed === null ? card : lineOf()).focus({ preventScroll: true });
    uncover();
  }

  /* Of a concept that is said at several places, a card judges the one that was pressed. */
  function ofMention(anchor) {
    const { place, you } = anchor.dataset, [button] = card.querySelectorAll(".rating");
    for (const each of card.querySelectorAll(".rating, .unrate")) each.dataset.place = place;
    if (you === undefined) return;
    card.classList.toggle("is-judged", Boolean(you));
    card.classList.toggle("is-unsaid", you === "not said");
    card.querySelectorAll(".you, .how-likely").forEach((part) => part.remove());
    if (!you) return;
    const told = make("span", { className: "you", textContent: `you: ${you} ` }), { concept, rowStatus } = button.dataset;
    told.append(make("button", { type: "button", className: "tool", textContent: "Undo" }, { send: "unrate", concept, rowStatus, place }));
    card.querySelector(".status").after(told);
  }

  function close(focus = false) {
    if (!card) return;
    card.remove();
    moved.disconnect();
    opener.removeAttribute("aria-expanded");
    if (focus && cameFrom?.isConnected && cameFrom.checkVisibility()) cameFrom.focus();
    else if (focus) {
      if (!opener.matches("button")) opener.tabIndex = -1;
      opener.focus();
    }
    card = cameFrom = null;
  }

  /* Suggestions, and a line to type what was said instead. */
  function change(segment, words, written) {
    const form = make("form", { className: "card-change" });
    const input = make("input", { type: "text", value: written, maxLength: 200 }, { was: written });
    const label = make("label", { textContent: "Written " });
    label.append(input);
    form.append(label, make("button", { type: "submit", className: "tool", textContent: "Change" }));
    const unsaved = make("p", { className: "unsaved", textContent: "Not saved yet. Press Change, or Escape to leave it as it was.", hidden: true });
    unsaved.setAttribute("role", "status");
    form.append(unsaved);
    const suggested = words.find((word) => word.dataset.name), isDoubted = words.some((word) => word.matches(DOUBTFUL));
    if (isDoubted && !suggested) form.prepend(make("p", { className: "quiet", textContent: "The recogniser has no other words for this; type what you hear." }));
    if (suggested?.dataset.accept) form.prepend(make("button", { type: "button", className: "tool primary", textContent: `Write ${suggested.dataset.name}` }, { send: "accept", index: suggested.dataset.accept }));
    else if (suggested) {
      const button = make("button", { type: "button", className: "tool", textContent: `Write ${suggested.dataset.name}` });
      button.addEventListener("click", () => save(segment, [suggested], suggested.dataset.name));
      form.prepend(button);
    }
    if (words.some((word) => word.dataset.note)) {
      const keep = make("button", { type: "button", className: "tool", textContent: "Keep it", title: "Heard, and right as it stands" });
      keep.addEventListener("click", () => save(segment, words, written));
      form.append(keep);
    }
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      save(segment, words, input.value.trim());
    });
    return form;
  }

  /* The segment's text with other words in the place of some. Punctuation at their end stays. */
  function textWith(segment, words, instead) {
    const all = [...segment.querySelectorAll(".word")], textOf = (some) => some.map((word) => word.textContent).join(" ");
    const end = /[.,;:!?]$/.test(instead) || !instead ? "" : words.at(-1).textContent.match(/[.,;:!?]*$/)[0];
    const before = all.slice(0, all.indexOf(words[0])), after = all.slice(all.indexOf(words.at(-1)) + 1);
    const text = [textOf(before), instead + end, textOf(after)].filter(Boolean).join(" ");
    return text === textOf(all) ? null : text;
  }

  const nextOf = (word, segment) => [...segment.querySelectorAll(".word")].find((other) => Number(other.dataset.start) > Number(word.dataset.start))?.dataset.start ?? segment.dataset.end;
  function save(segment, words, instead) {
    const text = textWith(segment, words, instead);
    close(text === null);
    if (text !== null) window.medalignSave(segment, { text });
    else window.medalignSettle(words[0].dataset.start, nextOf(words.at(-1), segment)); // saved as it is: it is right
  }

  function tools(segment, words) {
    const row = make("p", { className: "card-tools" }), edit = segment.querySelector("[data-edit]");
    const play = make("button", { type: "button", className: "play", textContent: "▶ Hear it" }, { start: words[0].dataset.start, end: String(Math.max(Number(opener.dataset.end ?? 0), Number(words[0].dataset.start) + 1.5)) });
    const whole = make("button", { type: "button", className: "tool", textContent: "✎ Edit segment" });
    whole.addEventListener("click", () => {
      const text = isTyped() ? textWith(segment, words, lineOf().value.trim()) : null;
      close();
      window.medalignEdit(segment, text);
    });
    const why = make("button", { type: "button", className: "tool", textContent: "Why this fit?", title: "Which words the sound speaks for and against" }, { send: "why", index: edit.dataset.edit });
    row.append(play, whole, why);
    return row;
  }

  function shut() {
    const button = make("button", { type: "button", className: "tool", textContent: "✕" });
    button.setAttribute("aria-label", "Close");
    button.addEventListener("click", () => close(true));
    return button;
  }

  /* Under what was pressed, or above it where there is more room; never over it, and never beyond the window: it scrolls. */
  function place() {
    const box = opener.getClientRects()[0], list = opener.closest(".segments").getBoundingClientRect();
    if (!isTyped() && (!box || box.bottom < list.top || box.top > list.bottom)) return close(card.contains(document.activeElement));
    if (!box) return;
    card.style.maxHeight = "";
    if (isSheet()) return;
    const below = innerHeight - box.bottom - 14, above = box.top - 14, isBelow = card.offsetHeight <= below || below >= above;
    card.style.maxHeight = `${Math.max(isBelow ? below : above, LEAST_PX)}px`;
    const top = isBelow ? box.bottom + 6 : box.top - card.offsetHeight - 6;
    card.style.top = `${Math.max(8, Math.min(top, innerHeight - card.offsetHeight - 8))}px`;
    card.style.left = `${Math.max(8, Math.min(box.left, document.documentElement.clientWidth - card.offsetWidth - 8))}px`;
  }
  /* A phone has the card at its foot, where it may lie on what was pressed: that goes up, or the card where nothing goes further. */
  function uncover() {
    const over = () => opener.getBoundingClientRect().bottom + 8 - card.getBoundingClientRect().top;
    if (!isSheet() || over() <= 0) return;
    opener.closest(".segments").scrollTop += over();
    if (over() > 0) scrollBy(0, over());
    card.classList.toggle("is-above", over() > 0);
  }
  for (const name of ["scroll", "resize"]) addEventListener(name, () => card && place(), true);
  const moved = new ResizeObserver(() => card && place()); // a card that grows, or what moves because a list above it does

  /* Read again: a card of what was said before would change, or rate, what is no longer there. */
  new MutationObserver(() => {
    if (!card) return;
    if (opener.isConnected && stood === standing()) return place();
    const typed = isTyped() && result === resultShown() ? lineOf().value : null;
    const word = wordAt(at), there = word && (markedAt(word) ?? word), row = rowOf(card), had = document.activeElement?.dataset?.verdict;
    if (typed === null && !(row && there && result === resultShown() && rowOf(knownOf(there)) === row)) return close();
    if (!word) return;
    open(there, typed, until); // what was rated goes on being shown, as it stands now
    if (had) card?.querySelector(`[data-verdict="${had}"]`)?.focus({ preventScroll: true });
  }).observe(document.documentElement, { childList: true, characterData: true, subtree: true });

  /* From the list to the words: a word's card, or the form of the segment. On a phone the transcript is a part of its own. */
  function wordAt(second) {
    const words = [...document.querySelectorAll("#transcript .word")];
    return words.findLast((word) => Number(word.dataset.start) <= Number(second) + 0.01) ?? words[0];
  }

  function goTo(button) {
    const { at, until, segment, gap } = button.dataset;
    const word = wordAt(at), there = gap && document.querySelector(`#transcript [data-edit="${gap}"]`)?.closest(".segment");
    if (!(there ?? word)) return;
    close();
    document.querySelector("[data-open=transcript]")?.click();
    if (there) return window.medalignEdit(there);
    const segmentThere = word.closest(".segment");
    window.medalignReveal(segmentThere);
    window.medalignReveal(word); // of a segment higher than the window
    if (segment === undefined) {
      open(markedAt(word) ?? word, null, Number(until));
      cameFrom = button.closest("li")?.querySelector(".play"); // the button itself is seen only where the focus is
    } else window.medalignEdit(segmentThere);
  }

  document.addEventListener("click", (event) => {
    const button = event.target.closest?.("[data-at]"), anchor = markedAt(event.target);
    if (card?.contains(event.target)) {
      if (event.target.closest("[data-send]:not([data-send=rate], [data-send=unrate])")) close(); // it has been sent
      return;
    }
    if (isTyped()) return anchor || button || event.target.closest("#transcript") ? remind() : undefined;
    if (button) return goTo(button);
    if (card && anchor === opener) return close();
    close();
    if (anchor && (anchor.matches("button") || getSelection().isCollapsed)) open(anchor);
  });

  document.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && event.target.matches?.(DOUBTFUL)) return open(event.target); // it plays as well, as each word does
    if (!card?.contains(event.target) || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.matches("input") && event.key !== "Escape" && event.key !== "Tab") return event.stopPropagation();
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (event.key === "Escape") close(true);
    else if (event.key === "Tab") keepInside(event);
    else if (step) next(step);
    else return;
    event.stopPropagation();
    if (event.key !== "Tab") event.preventDefault();
  }, true);

  function keepInside(event) {
    const stops = [...card.querySelectorAll("button, input, summary")].filter((part) => part.checkVisibility()), at = stops.indexOf(document.activeElement);
    const to = event.shiftKey ? (at <= 0 ? stops.length - 1 : at - 1) : (at + 1) % stops.length;
    event.preventDefault();
    stops[to].focus();
  }

  function next(step) {
    const all = marked(), other = all[all.indexOf(opener) + step];
    if (isTyped()) return remind();
    if (!other) return;
    window.medalignReveal(other);
    open(other);
  }
})();
