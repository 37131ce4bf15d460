/* While a microphone runs: its level, a warning when nothing arrives, and the reason in words when it is refused. */
(() => {
  "use strict";
  const SILENT_DB = -60, WARN_AFTER_MS = 4000, TICK_MS = 100;
  const media = navigator.mediaDevices;
  const say = (words) => {
    const place = document.querySelector("#microphone-state");
    if (place && place.textContent !== words) place.textContent = words;
  };
  const REFUSALS = {
    NotAllowedError: "The microphone was refused. Allow it in the browser's address bar, or upload a file.",
    NotFoundError: "No microphone was found. Connect one, or upload a file.",
    NotReadableError: "Another program holds the microphone. Close it, or upload a file.",
  };
  if (!media?.getUserMedia) return; // plain http: the hint beside the recorder says what to do

  const ask = media.getUserMedia.bind(media);
  media.getUserMedia = async (wanted) => {
    try {
      const stream = await ask(wanted);
      if (wanted?.audio) watch(stream);
      return stream;
    } catch (error) {
      say(REFUSALS[error.name] ?? `The microphone could not be opened (${error.name}). Upload a file instead.`);
      throw error;
    }
  };

  function watch(stream) {
    const context = new AudioContext();
    const analyser = context.createAnalyser();
    context.createMediaStreamSource(stream).connect(analyser);
    const samples = new Float32Array(analyser.fftSize);
    let heardAt = performance.now();
    say("Listening.");
    const timer = setInterval(() => {
      if (!stream.active || stream.getAudioTracks().every((track) => track.readyState === "ended")) return stop();
      analyser.getFloatTimeDomainData(samples);
      const peak = samples.reduce((most, x) => Math.max(most, Math.abs(x)), 1e-6);
      const level = 20 * Math.log10(peak);
      document.querySelector("#level").value = Math.max(-60, level);
      if (level > SILENT_DB) heardAt = performance.now();
      const dead = performance.now() - heardAt > WARN_AFTER_MS;
      say(dead ? "⚠ No sound arrives: the microphone may be muted, or another one chosen." : "Sound arrives.");
    }, TICK_MS);
    function stop() {
      clearInterval(timer);
      context.close();
      document.querySelector("#level").value = -60;
      say("");
    }
  }
})();
