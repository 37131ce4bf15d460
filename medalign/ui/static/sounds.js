/* Body sounds: waveform and spectrogram on one time axis, with a playhead; slow, again and again, through bell or diaphragm. */
(() => {
  "use strict";
  const WAVE = 48, SPECTRUM = 132, AXIS = 16, FIT = 40, LEFT = 44;
  const bytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  const filtered = new WeakMap(); // audio element -> its filters; an element can be led through filters once only

  const audioOf = (inside) => inside.closest(".sound-card")?.querySelector("audio");
  /* Gradio shows the next recording in the elements of the one before: what was read of a canvas is its only while its text is. */
  const dataOf = (canvas) => {
    const source = canvas.dataset.sound;
    return (canvas.medalign?.source === source ? canvas.medalign : (canvas.medalign = { source, ...JSON.parse(source) }));
  };

  /* The spectrogram in its own pixels, to be stretched: dark is quiet, as on every screen of the field. */
  function image(data) {
    if (data.image) return data.image;
    const values = bytes(data.spectrogram), rows = data.rows, columns = values.length / rows;
    const plate = Object.assign(document.createElement("canvas"), { width: columns, height: rows }), pen = plate.getContext("2d");
    const pixels = pen.createImageData(columns, rows);
    for (let row = 0; row < rows; row++) {
      for (let column = 0; column < columns; column++) {
        const v = values[row * columns + column] / 255, i = 4 * ((rows - 1 - row) * columns + column);
        pixels.data.set([255 * Math.min(1, 1.7 * v * v), 255 * v * v * (0.4 + 0.6 * v), 255 * (0.18 + 0.5 * v - 0.45 * v * v), 255], i);
      }
    }
    pen.putImageData(pixels, 0, 0);
    return (data.image = plate);
  }

  function draw(canvas) {
    const data = dataOf(canvas), audio = audioOf(canvas), width = canvas.clientWidth, height = WAVE + SPECTRUM + AXIS + (data.fit?.length ? FIT : 0);
    if (!width) return;
    const scale = devicePixelRatio || 1;
    if (canvas.width !== Math.round(width * scale) || canvas.height !== Math.round(height * scale)) {
      canvas.width = Math.round(width * scale);
      canvas.height = Math.round(height * scale);
      canvas.style.height = `${height}px`;
    }
    const pen = canvas.getContext("2d"), look = (name) => getComputedStyle(canvas).getPropertyValue(name);
    pen.setTransform(scale, 0, 0, scale, 0, 0);
    pen.clearRect(0, 0, width, height);
    const x = (s) => LEFT + (s / data.s) * (width - LEFT), peaks = (data.bytes ??= bytes(data.peaks));
    pen.fillStyle = look("--voice-0");
    for (let i = 0; i < peaks.length; i++) {
      const tall = Math.max(1, (peaks[i] / 255) * (WAVE - 4));
      pen.fillRect(x((i / peaks.length) * data.s), (WAVE - tall) / 2, Math.max(1, (width - LEFT) / peaks.length), tall);
    }
    pen.imageSmoothingEnabled = true;
    pen.drawImage(image(data), LEFT, WAVE, width - LEFT, SPECTRUM);
    pen.fillStyle = look("--ink");
    for (const beat of data.beats ?? []) pen.fillRect(x(beat) - 0.75, WAVE - 6, 1.5, 6);
    pen.fillStyle = look("--quiet");
    pen.font = "12px system-ui, sans-serif";
    pen.textBaseline = "top";
    pen.textAlign = "right";
    pen.fillText(`${Math.round(data.band[1])}`, LEFT - 4, WAVE);
    pen.fillText("Hz", LEFT - 4, WAVE + 14);
    pen.textBaseline = "bottom";
    pen.fillText(`${Math.round(data.band[0])}`, LEFT - 4, WAVE + SPECTRUM);
    pen.textAlign = "center";
    pen.textBaseline = "top";
    const step = data.s > 40 ? 10 : data.s > 12 ? 5 : data.s > 4 ? 2 : 0.5;
    for (let s = 0; s <= data.s; s += step) pen.fillText(`${s}`, Math.min(x(s), width - 10), WAVE + SPECTRUM + 2);
    if (data.fit?.length) paintFit(pen, data, x, WAVE + SPECTRUM + AXIS, look);
    pen.fillStyle = look("--bad");
    if (audio) pen.fillRect(x(audio.currentTime) - 1, 0, 2, WAVE + SPECTRUM);
  }

  /* How the words fit over time, as a percentile among others: each window at its middle. */
  function paintFit(pen, data, x, top, look) {
    pen.fillStyle = look("--quiet");
    pen.textAlign = "right";
    pen.fillText("100", LEFT - 4, top);
    pen.fillText("fit 0", LEFT - 4, top + FIT - 13);
    pen.strokeStyle = look("--line");
    pen.strokeRect(LEFT + 0.5, top + 2.5, x(data.s) - LEFT - 1, FIT - 5);
    pen.strokeStyle = look("--fits");
    pen.lineWidth = 2;
    pen.beginPath();
    data.fit.forEach(([start, end, percentile], i) => {
      const at = [x((start + end) / 2), top + FIT - 5 - (percentile / 100) * (FIT - 9)];
      i ? pen.lineTo(...at) : pen.moveTo(...at);
      pen.fillStyle = look("--fits");
      pen.fillRect(at[0] - 2, at[1] - 2, 4, 4);
    });
    pen.stroke();
    pen.lineWidth = 1;
  }

  function follow(audio) {
    const card = audio.closest(".sound-card"), canvas = card.querySelector("canvas");
    draw(canvas);
    canvas.setAttribute("aria-valuenow", audio.currentTime.toFixed(1));
    card.querySelector(".sound-play").textContent = audio.paused ? "▶" : "❚❚";
    if (!audio.paused) requestAnimationFrame(() => audio.isConnected && follow(audio));
  }

  /* Heard through filters as a stethoscope's two sides let pass; they come between only once one is chosen. */
  function through(audio, side) {
    let way = filtered.get(audio);
    if (!way) {
      const context = new AudioContext(), source = context.createMediaElementSource(audio);
      const high = context.createBiquadFilter(), low = context.createBiquadFilter();
      source.connect(high).connect(low).connect(context.destination);
      filtered.set(audio, (way = { context, high, low }));
    }
    Object.assign(way.high, { type: "highpass" }).frequency.value = side === "diaphragm" ? 100 : 1;
    Object.assign(way.low, { type: "lowpass" }).frequency.value = { bell: 200, diaphragm: 1000 }[side] ?? 20000;
    way.context.resume();
  }

  document.addEventListener("click", (event) => {
    const button = event.target.closest?.(".sound-play"), canvas = event.target.closest?.("canvas.sound");
    const audio = audioOf(button ?? canvas ?? document.body);
    if (!audio) return;
    if (canvas) {
      const box = canvas.getBoundingClientRect();
      audio.currentTime = Math.max(0, ((event.clientX - box.left - LEFT) / (box.width - LEFT)) * dataOf(canvas).s);
      audio.play();
    } else if (audio.paused) {
      for (const other of document.querySelectorAll(".sound-card audio, #player audio")) if (other !== audio) other.pause();
      audio.play();
    } else audio.pause();
  });
  /* The player does what its card says, with another recording as well: of it a browser forgets the speed. */
  function choose(card) {
    const audio = card.querySelector("audio"), side = card.querySelector(".sound-filter")?.value ?? "";
    audio.defaultPlaybackRate = audio.playbackRate = card.querySelector(".sound-slow").checked ? 0.5 : 1; // browsers keep the pitch
    audio.loop = card.querySelector(".sound-loop").checked;
    if (side || filtered.has(audio)) through(audio, side);
  }
  document.addEventListener("change", (event) => {
    if (event.target.closest(".sound-controls")) choose(event.target.closest(".sound-card"));
  });
  document.addEventListener("keydown", (event) => {
    const canvas = event.target.closest?.("canvas.sound"), by = { ArrowLeft: -0.5, ArrowRight: 0.5 }[event.key];
    if (!canvas || !by) return;
    event.preventDefault();
    event.stopPropagation();
    const audio = audioOf(canvas);
    audio.currentTime = Math.min(dataOf(canvas).s, Math.max(0, audio.currentTime + by));
  }, true);
  for (const name of ["play", "pause", "seeked", "loadedmetadata"]) {
    document.addEventListener(name, (event) => event.target.closest?.(".sound-card") && follow(event.target), true);
  }
  const drawn = () => document.querySelectorAll("canvas.sound").forEach(draw);
  addEventListener("resize", drawn);
  const drawnOf = new WeakMap(); // canvas -> the text that it shows
  new MutationObserver(() => document.querySelectorAll("canvas.sound").forEach((canvas) => {
    if (!canvas.clientWidth || drawnOf.get(canvas) === canvas.dataset.sound) return;
    drawnOf.set(canvas, canvas.dataset.sound);
    choose(canvas.closest(".sound-card"));
    draw(canvas);
  })).observe(document.documentElement, { childList: true, subtree: true, attributeFilter: ["style", "class", "data-sound"] });
})();
