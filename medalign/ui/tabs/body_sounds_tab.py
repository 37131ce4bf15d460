"""The tab of heart, lung and cough recordings: several of one patient side by side."""

from collections.abc import Callable, Iterator, Sequence
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

import gradio as gr

from medalign.core.apart import load_apart
from medalign.core.audio import Recording, load_recording
from medalign.core.body_sounds import KINDS, MADE, Kind, MadeSound
from medalign.core.errors import AudioError, MedAlignError
from medalign.feedback.store import FeedbackStore
from medalign.ui import consent
from medalign.ui.audit import audit
from medalign.ui.engine import Models
from medalign.ui.failures import without_places
from medalign.ui.files import discard, keep_waveform
from medalign.ui.model_queue import Ahead
from medalign.ui.session import KEEP_S
from medalign.ui.views import body_sound_view, status_view
from medalign.ui.wiring import EVERY_PRESS, OWN_QUEUE, Changes, connect, html

if TYPE_CHECKING:  # importing it would load torch before the page is up
    from medalign.pipeline.sound_listener import Heard, SoundListener

MAX_FILES = 4  # positions of one patient
CHOOSE = "Say first what it is: heart, lung or cough. It is not guessed."
NOTHING = "There is no recording yet: upload one, or several of one patient, or press an example."


class BodySoundsTab:
    """Built and wired inside the current tab."""

    def __init__(self, models: Models, store: FeedbackStore | None, takes_recordings: bool):
        self._models, self._store = models, store
        html(body_sound_view.intro(takes_recordings))
        with gr.Row(elem_id="sound-examples"):
            examples = [
                gr.Button(title, size="sm", min_width=60, elem_classes="made") for title in (sound.title for sound in MADE)
            ]
        with gr.Accordion("Your own recordings", open=False, elem_id="sound-own", visible=takes_recordings):
            html(consent.NOTICE)
            acknowledged = gr.Checkbox(label=consent.LABEL, container=False, elem_id="sound-consent")
            kind = gr.Radio([(kind.capitalize(), kind) for kind in KINDS], label="What it is", elem_id="sound-kind")
            upload = gr.File(
                label=f"Recordings: up to {MAX_FILES} positions of one patient", file_count="multiple", height=110,
                elem_id="sound-upload",
            )  # fmt: skip
            phrases = gr.Textbox(
                label="Of a heart: words to compare the sound with, one a line", lines=2, max_length=500,
                placeholder="normal heart sounds\nabnormal heart sounds", elem_id="sound-phrases",
            )  # fmt: skip
            go = gr.Button("Listen", variant="primary", elem_id="sound-go")
        self._status, self._alert = html(elem_id="sound-status"), html(elem_id="sound-alert")
        self._shown = html(elem_id="sounds")
        self._kept = gr.State([], time_to_live=KEEP_S, delete_callback=_discard)
        self._upload = upload
        forget = gr.Button("Delete now", size="sm", min_width=80, visible=False, elem_id="sound-delete")
        self._forget = forget
        out = [self._status, self._shown, self._kept, forget, upload]
        failed: Changes = {self._status: ""}
        for button, sound in zip(examples, MADE, strict=True):
            connect(button.click, self._example(sound), [self._kept], out, self._alert, if_failed=failed, **OWN_QUEUE)
        given = [acknowledged, kind, upload, phrases, self._kept]
        connect(go.click, self._own, given, out, self._alert, if_failed=failed, **OWN_QUEUE, **EVERY_PRESS)
        connect(kind.input, lambda: {self._alert: ""}, [], [], self._alert, queue=False)  # said now, it is missed no more
        connect(upload.upload, self._uploaded, [upload], [], self._alert, queue=False)
        connect(forget.click, self._delete, [self._kept], out, self._alert, queue=False)

    def _example(self, sound: MadeSound) -> Callable[..., Changes]:
        def handler(kept: list[str], request: gr.Request) -> Changes:
            recording = load_recording(sound.path, name=sound.title)
            audit(self._store, "body-sound-example", request)
            return {**self._show([recording], sound.kind, kept, made=sound.where), self._alert: ""}

        return handler

    def _own(
        self,
        acknowledged: bool,
        kind: Kind | None,
        uploads: Sequence[str] | None,
        phrases: str | None,
        kept: list[str],
        request: gr.Request,
    ) -> Iterator[Changes]:
        consent.check(acknowledged, consent.ON_THE_PAGE)
        if kind is None:
            raise MedAlignError(CHOOSE)
        if not uploads:
            raise MedAlignError(NOTHING)
        _check_number(uploads)
        recordings: list[Recording] = []
        broken: list[str] = []
        for n, path in enumerate(uploads, start=1):  # nothing of the patient before stays beside them, whatever they are
            yield {self._status: f"Reading {n} of {len(uploads)}.", self._alert: "", self._shown: ""}
            with self._models.analyses.join() as place:
                try:
                    recordings.append((yield from place.decode(partial(load_apart, path), self._waiting)))
                except AudioError as error:
                    broken.append(error.for_readers or without_places(str(error)))
        told = ". ".join(broken)
        if not recordings:
            raise AudioError(told)
        audit(self._store, "body-sounds", request)
        asked = [line for line in (phrases or "").splitlines() if line.strip()]
        shown = self._show(recordings, kind, [*kept, *map(str, uploads)], asked)
        yield {**shown, self._alert: status_view.alert(f"{told}. The others are below.") if told else ""}

    def _uploaded(self, uploads: Sequence[str] | None) -> Changes:
        """Too many are told before anybody waits; what another press has told meanwhile stays."""
        _check_number(uploads or [])
        return {self._alert: gr.skip()}

    def _waiting(self, ahead: Ahead) -> Changes:
        return {self._status: status_view.waiting(ahead)}

    def _show(
        self, recordings: Sequence[Recording], kind: Kind, kept: list[str], phrases: Sequence[str] = (), made: str = ""
    ) -> Changes:
        """
        Args:
            phrases: whose fit is told of a heart; the usual ones if there are none.
            made: see `sound_card`; no model has learnt from what a program made, so none is asked.
        """
        from medalign.pipeline.auscultation import BAND_HZ, examine  # would load the models' libraries at the start

        shown, sounds, trust = [], [], None
        for recording in recordings:
            found = examine(recording, kind)
            heard = _hear(recording, phrases) if kind == "heart" and not found.faults and not made else None
            trust = heard.trust if heard else trust
            sounds.append(keep_waveform(self._shown, recording.waveform))
            shown.append(body_sound_view.sound_card(found, heard, recording, sounds[-1], BAND_HZ[kind], made))
        return {
            self._status: "",
            self._shown: body_sound_view.cards(shown, trust),
            self._kept: [*kept, *map(str, sounds)],
            self._forget: gr.update(visible=True),
        }

    def _delete(self, kept: list[str]) -> Changes:
        _discard(kept)
        gone: Changes = {self._status: status_view.DELETED_SOUNDS, self._shown: "", self._kept: [], self._upload: None}
        return {**gone, self._forget: gr.update(visible=False), self._alert: ""}


def _check_number(uploads: Sequence[str]) -> None:
    if len(uploads) > MAX_FILES:
        raise MedAlignError(f"{len(uploads)} recordings are too many to compare; choose up to {MAX_FILES} positions")


def _hear(recording: Recording, phrases: Sequence[str]) -> "Heard":
    from medalign.pipeline.sound_listener import DEFAULT_PHRASES

    return _sound_listener().hear(recording.waveform, phrases or DEFAULT_PHRASES)


@cache  # 3 MB, and the teacher
def _sound_listener() -> "SoundListener":
    from medalign.pipeline.sound_listener import SoundListener

    return SoundListener.default()


def _discard(kept: Sequence[str]) -> None:
    for path in kept:
        discard(Path(path))
