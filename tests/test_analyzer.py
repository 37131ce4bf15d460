"""One recording in, one honest answer out: the JSON contract, the two sources, and what they point to."""

import copy
import csv
import json
import os
import shutil
import threading
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import page_fixtures
import pytest

from medalign.concepts.custom import parse_concepts
from medalign.core.analysis import Analysis
from medalign.core.audio import SAMPLE_RATE_HZ, Recording, load_recording
from medalign.core.errors import AudioError, DataError, WeightsError
from medalign.core.explanation import MAX_PHRASE
from medalign.core.transcript import Transcript
from medalign.models.concept_embeddings import stored_concept_embeddings
from medalign.models.teacher import Teacher
from medalign.models.transcription import Transcriber
from medalign.pipeline.analyzer import Analyzer
from medalign.pipeline.annotated import align_windows
from medalign.pipeline.listener import Listener
from medalign.pipeline.progress import Progress
from medalign.training.data.sounds import audible_part

COSWARA = Path(os.environ.get("MEDALIGN_DATA", Path(__file__).parents[2] / "shared" / "data")) / "body_sounds" / "coswara"
# A share of what a clinician would note, found in the transcript that tiny.en writes of a synthetic voice.
MIN_CONCEPT_RECALL = 0.75
# At each push of the examples that other tests have heard as well, each night of all.
some_of_them = pytest.mark.parametrize(
    "slugs", [("chest-pain", "low-mood", "upset-stomach"), pytest.param(None, marks=pytest.mark.slow)], ids=["three", "all"]
)


def test_the_json_contract_holds(analyses):
    body = json.loads(json.dumps(analyses["chest-pain"].to_dict()))  # JSON all the way down: no NaN, no NumPy
    assert list(body)[0] == "schema_version"
    assert set(body) == {
        "schema_version", "recording", "models", "transcript", "concepts", "measurements", "corrections", "sound_events",
        "alignment", "warnings", "timings_s", "critical_words",
        "disclaimer",
    }  # fmt: skip
    assert set(body["recording"]) == {"name", "duration_s", "sample_rate_hz", "channels"}
    assert set(body["models"]) == {"asr", "teacher", "student", "status_classifier"}
    assert set(body["transcript"]["segments"][0]) == {
        "start_s", "end_s", "speaker", "text", "words", "mean_log_probability", "no_speech_probability",
        "original_text", "original_speaker",
    }  # fmt: skip
    assert set(body["transcript"]["segments"][0]["words"][0]) == {"start_s", "end_s", "text", "probability"}
    assert {
        "concept_id", "system", "code", "label", "category", "status", "trigger", "teacher", "student", "agreement",
        "probability", "alternatives", "action", "is_contradicted",
    } <= set(body["concepts"][0])  # fmt: skip
    assert {"start_s", "end_s", "score", "percentile", "transcript_text", "is_mismatch"} <= set(body["alignment"]["windows"][0])
    assert len(body["alignment"]["segments"]) == len(body["transcript"]["segments"]) == len(body["alignment"]["points"])
    assert set(body["alignment"]["segments"][0]) == {"start_s", "end_s", "score", "mismatch", "transcription_error", "reason"}
    assert set(body["timings_s"]) == {"decode", "transcribe", "teacher", "student", "total"}
    assert "Not a medical device" in body["disclaimer"]


def test_most_expected_concepts_are_found_with_their_status(analyses, examples):
    found, right_status, n = 0, 0, 0
    for slug, analysis in analyses.items():
        statuses = {}
        for row in analysis.concepts:
            if row.teacher is not None:
                statuses.setdefault((row.system, row.code), set()).add(row.status)
        for expected in examples[slug].expected_concepts:
            n += 1
            got = statuses.get((expected.system, expected.code), set())
            found += bool(got)
            right_status += expected.status in got
    assert found / n >= MIN_CONCEPT_RECALL, f"{found} of {n}"
    assert right_status / found >= 0.85, f"{right_status} of {found}"


class _Replayed:
    """The recogniser, writing a recording as it wrote it before in the given steps: what happens beside it is tested."""

    def __init__(self, recogniser: Transcriber, steps: Sequence[Progress | Analysis]):
        self._recogniser = recogniser
        written = [step.transcript for step in steps if isinstance(step, Progress) and step.stage == "transcribe"]
        self._transcripts = [*dict.fromkeys(t for t in (*written, steps[-2].transcript) if t is not None)]

    def __getattr__(self, name: str) -> object:
        return getattr(self._recogniser, name)

    def stream(self, recording: Recording) -> Iterator[Transcript]:
        yield from self._transcripts


@pytest.mark.slow
def test_custom_concepts_are_scored_by_teacher_and_student_and_change_nothing_else(analyzer, streamed, live, examples):
    example = examples["upset-stomach"]
    own, _ = parse_concepts("navel trouble; belly button\nspace travel", analyzer.listener.bank)
    steps = streamed(example.audio_path)
    asked = Analyzer(_Replayed(analyzer.transcriber, steps), analyzer.listener).analyze(example.audio_path, own)
    rows = {row.label: row for row in asked.concepts}
    assert rows["navel trouble"].teacher.evidence[0].text == "belly button" and rows["navel trouble"].status == "present"
    assert "space travel" not in rows
    others = [row for row in asked.concepts if row.label != "navel trouble"]
    assert others == list(live("upset-stomach").concepts)
    frames = steps[-2].encoded.frames
    evidence = analyzer.listener.encode(load_recording(example.audio_path), own, frames=frames).evidence
    navel, space = evidence.cosines[:, -2], evidence.cosines[:, -1]
    said = next(turn for turn in example.turns if "belly button" in turn.text)
    start_s, end_s = evidence.windows_s[navel.argmax()]
    assert start_s < said.end_s and said.start_s < end_s and navel.max() > space.max()


def test_no_negated_or_family_concept_is_called_present(analyses, examples):
    for slug, analysis in analyses.items():
        guarded = {(e.system, e.code) for e in examples[slug].expected_concepts if e.status in ("negated", "family")}
        present = {(row.system, row.code) for row in analysis.concepts if row.status == "present"}
        assert not guarded & present, slug


def test_evidence_lies_in_the_recording_and_quotes_the_transcript(analyses):
    for analysis in analyses.values():
        words = analysis.transcript.words
        for row in analysis.concepts:
            sources = [source for source in (row.teacher, row.student) if source is not None]
            for evidence in (e for source in sources for e in source.evidence):
                assert 0 <= evidence.start_s < evidence.end_s <= analysis.recording.duration_s + 1e-3
            for evidence in row.teacher.evidence if row.teacher else ():
                said = " ".join(w.text for w in words if w.end_s > evidence.start_s and w.start_s < evidence.end_s)
                assert evidence.text.split()[0].strip(".,?!").lower() in said.lower()


def test_agreement_says_which_source_found_it(analyses):
    for row in (row for analysis in analyses.values() for row in analysis.concepts):
        read, heard = row.teacher is not None, bool(row.student.evidence)
        assert (
            row.agreement == {(True, True): "both", (True, False): "teacher_only", (False, True): "student_only"}[(read, heard)]
        )
        assert (row.status is None) == (row.agreement == "student_only")


def test_tracks_follow_the_rows_and_the_windows(analyses):
    for analysis in analyses.values():
        alignment = analysis.alignment
        assert [track.concept_id for track in alignment.tracks] == [row.concept_id for row in analysis.concepts]
        assert all(len(track.probabilities) == len(alignment.windows) for track in alignment.tracks)


def test_the_student_hears_more_of_what_is_there_than_chance_would(analyses, examples):
    """Among all concepts of the bank, those that were said rank far above the middle, from the sound alone."""
    heard = [
        row.agreement == "both" for slug, analysis in analyses.items() for row in analysis.concepts if row.teacher is not None
    ]
    assert np.mean(heard) > 0.2


@some_of_them
def test_audio_fits_its_own_transcript_better_than_another_recordings(analyzer, heard, analyses, slugs):
    """The per-window score sees the pairing: the same windows under another recording's words fall in percentile."""
    slugs = slugs or tuple(analyses)
    own, other = [], []
    for slug, other_slug in zip(slugs, slugs[1:] + slugs[:1], strict=True):
        windows = [w for w in analyses[slug].alignment.windows if w.transcript_text]
        foreign = [w.transcript_text for w in analyses[other_slug].alignment.windows if w.transcript_text]
        audio = analyzer.listener.student.embed(heard(slug).frames, [(w.start_s, w.end_s) for w in windows])
        n = min(len(windows), len(foreign))
        own += [w.percentile for w in windows]
        other += analyzer.listener.calibration.percentile(audio[:n], analyzer.listener.teacher.encode(foreign[:n])).tolist()
    assert np.median(own) > 90
    assert np.median(own) > np.median(other) + 30


@pytest.mark.slow
def test_the_same_recording_gives_the_same_analysis(analyzer, streamed, cut, forgetful):
    path = cut("upset-stomach", 0.0, 22.8)
    before = streamed(path)[-1].to_dict()
    again = analyzer.analyze(path).to_dict()
    assert before["concepts"] and before["transcript"]["segments"]
    for body in (again, before):
        body.pop("timings_s")
    assert again == before


def test_progress_only_grows_and_carries_the_transcript_so_far(streamed, examples):
    *steps, last = streamed(examples["chest-pain"].audio_path)
    assert isinstance(last, Analysis) and all(isinstance(step, Progress) for step in steps)
    fractions = [step.fraction for step in steps]
    assert fractions == sorted(fractions) and fractions[0] >= 0 and fractions[-1] <= 1
    lengths = [len(step.transcript.segments) for step in steps if step.transcript is not None]
    assert lengths == sorted(lengths) and len(set(lengths)) > 3
    assert any(step.remaining_s for step in steps)


class _Halted:
    """One of both models, which waits before its item `n` until it may go on; so either can be the first."""

    def __init__(self, model: object, method: str, n: int):
        self._model, self._n, self.may_go_on = model, n, threading.Event()
        items_of = getattr(model, method)
        setattr(self, method, lambda *arguments: self._items(items_of(*arguments)))

    def __getattr__(self, name: str) -> object:
        return getattr(self._model, name)

    def _items(self, items):
        for i, item in enumerate(items):
            if i == self._n:
                assert self.may_go_on.wait(60), "the other one was never done"
            yield item


def test_the_sound_alone_gives_pictures_while_the_transcript_is_written(analyzer, streamed, analyses, examples):
    path, duration_s = examples["chest-pain"].audio_path, examples["chest-pain"].duration_s
    recogniser = _Halted(_Replayed(analyzer.transcriber, streamed(path)), "stream", 2)
    pictures = []
    for step in Analyzer(recogniser, analyzer.listener).stream(path):
        if isinstance(step, Progress) and step.preview is not None and step.preview not in pictures:
            pictures.append(step.preview)
            assert step.stage == "transcribe" and (step.transcript is None or len(step.transcript.segments) <= 2)
            if step.preview.until_s == pytest.approx(duration_s, abs=0.01):
                recogniser.may_go_on.set()
                break  # what follows is the transcript's
    heard_s = [picture.until_s for picture in pictures]
    assert len(heard_s) >= 3 and heard_s == sorted(heard_s) and heard_s[0] <= 30, "the first one does not wait for the rest"
    assert all(evidence.end_s <= heard_s[0] for row in pictures[0].concepts for evidence in row.student.evidence)
    spoken_of = {row.label for row in analyses["chest-pain"].concepts if row.teacher is not None}
    assert len({row.label for row in pictures[-1].concepts} & spoken_of) >= 5
    assert all(row.status is None and row.agreement == "student_only" for row in pictures[-1].concepts)
    assert pictures[-1].concepts == analyzer.listener.preview(path)


@pytest.mark.slow
def test_a_student_slower_than_the_recogniser_is_waited_for(analyzer, streamed, cut):
    path = cut("upset-stomach", 0.0, 22.8)
    listener = _Halted(analyzer.listener, "encode_stepwise", 0)
    stages, fractions = [], []
    for step in Analyzer(_Replayed(analyzer.transcriber, streamed(path)), listener).stream(path):
        if isinstance(step, Progress):
            stages.append(step.stage)
            fractions.append(step.fraction)
            if step.stage == "student":
                listener.may_go_on.set()
    assert list(dict.fromkeys(stages)) == ["decode", "transcribe", "student", "teacher"] and stages == sorted(
        stages, key=["decode", "transcribe", "student", "teacher"].index
    )
    assert fractions == sorted(fractions)
    assert step.concepts == streamed(path)[-1].concepts != ()


def test_an_audio_only_preview_hears_the_recording_once_and_writes_nothing(analyzer, heard, examples, monkeypatch):
    """What it costs is one pass of the student; `medalign bench` says how long that takes beside a transcription."""
    path, student, seconds = examples["chest-pain"].audio_path, analyzer.listener.student, []
    frames = heard("chest-pain").frames

    def counted(self, waveform, chunks):
        seconds.append(len(waveform) / SAMPLE_RATE_HZ)
        yield frames

    monkeypatch.setattr(type(student), "frames_so_far", counted)
    monkeypatch.setattr(type(analyzer.transcriber), "transcribe", None)
    monkeypatch.setattr(type(analyzer.listener.teacher), "encode", None)
    assert analyzer.listener.preview(path)
    assert seconds == [pytest.approx(load_recording(path).duration_s)]


def test_a_phrase_is_found_where_it_is_said(analyzer, heard, examples, monkeypatch):
    example = examples["upset-stomach"]
    frames = heard(example.slug).frames
    monkeypatch.setattr(type(analyzer.listener.student), "frames_so_far", lambda self, waveform, chunks: iter([frames]))
    for phrase, word in (("pain around the belly button", "belly"), ("allergic to penicillin", "penicillin")):
        said = next(turn for turn in example.turns if word in turn.text)
        hits = analyzer.listener.search(example.audio_path, phrase)
        assert any(hit.start_s < said.end_s and said.start_s < hit.end_s for hit in hits[:2]), phrase
        assert [h.probability for h in hits] == sorted((h.probability for h in hits), reverse=True)
        assert all(a.end_s <= b.start_s or b.end_s <= a.start_s for a in hits for b in hits if a is not b)
    unsaid = analyzer.listener.search(example.audio_path, "stroke")
    assert unsaid and not any(hit.is_likely for hit in unsaid), "somewhere it fits best, and it was said nowhere"


@pytest.mark.parametrize("phrase", ["", "  ", "x" * (MAX_PHRASE + 1)])
def test_a_phrase_that_can_not_be_searched_for_is_refused(analyzer, examples, phrase):
    with pytest.raises(DataError, match="can't be searched for"):
        analyzer.listener.search(examples["upset-stomach"].audio_path, phrase)


def test_swapped_audio_raises_mismatches(analyzer, heard, streamed, examples):
    """Another consultation's sound under this transcript is what the mismatch is for."""
    transcript = streamed(examples["chest-pain"].audio_path)[-2].transcript  # as the recogniser wrote it
    recording = load_recording(examples["low-mood"].audio_path)
    encoded = heard("low-mood")
    rows = align_windows(encoded, analyzer.annotate(transcript, recording, encoded), analyzer.listener.calibration)
    assert np.mean([row.is_mismatch for row in rows if row.percentile is not None]) > 0.5


@some_of_them
def test_sentences_of_another_consultation_are_marked_and_those_around_them_are_not(analyzer, heard, analyses, slugs):
    """One sentence of the next consultation at a time stands in place of what was said."""
    slugs = slugs or sorted(analyses)
    marked, others = [], []
    for slug, other_slug in zip(slugs, np.roll(slugs, -1), strict=True):
        segments = list(analyses[slug].transcript.segments)
        foreign = [s for s in analyses[other_slug].transcript.segments if len(s.words) >= 6]
        audio, text = analyzer.listener.embed_segments(analyses[slug].transcript, heard(slug))
        foreign_text = analyzer.listener.teacher.encode([segment.text for segment in foreign])
        places = [i for i, s in enumerate(segments) if len(s.words) >= 6][1::2]
        for place, other, other_text in zip(places, foreign, foreign_text, strict=False):
            swapped = replace(segments[place], text=other.text, words=other.words)  # in time it stands where the other stood
            changed, changed_text = [*segments], text.copy()
            changed[place], changed_text[place] = swapped, other_text
            checks = analyzer.listener.check_segments(changed, audio, changed_text)
            marked.append(checks[place].reason == "mismatch")
            others += [check.reason for i, check in enumerate(checks) if i != place]
    assert len(marked) >= 5 * len(slugs) and np.mean(marked) >= 0.6, f"{sum(marked)} of {len(marked)}"
    assert np.mean([reason is not None for reason in others]) <= 0.1


def test_no_sign_is_heard_where_people_only_speak(analyses):
    assert all(analysis.sound_events == () for analysis in analyses.values())


@pytest.mark.skipif(not COSWARA.is_dir(), reason="real coughs are not part of this repository")
def test_real_coughs_of_unheard_people_are_heard_between_the_words(analyzer, examples):
    """Laid into the first pauses of a bundled consultation; each is found where it is, and the words stay speech."""
    with open(COSWARA / "manifest.csv", newline="", encoding="utf-8") as file:
        rows = [r for r in csv.DictReader(file) if r["split"] == "test" and r["sound_type"] == "cough-heavy"]
    coughs = [audible_part(load_recording(COSWARA / r["path"]).waveform) for r in rows if r["near_silent"] == "0"][:6]
    example = examples["chest-pain"]
    speech = load_recording(example.audio_path).waveform
    pieces, at, laid_in, length = [], 0, [], 0
    for cough, turn in zip(coughs, example.turns[1:], strict=False):
        begin = round(turn.start_s * SAMPLE_RATE_HZ)
        cough = cough[: 2 * SAMPLE_RATE_HZ] * float(np.std(speech) / np.std(cough[: 2 * SAMPLE_RATE_HZ]))
        pieces += [speech[at:begin], cough]
        length += begin - at
        laid_in.append((length / SAMPLE_RATE_HZ, (length + len(cough)) / SAMPLE_RATE_HZ))
        length, at = length + len(cough), begin
    waveform = np.concatenate([*pieces, speech[at:]]).astype(np.float32)
    signs = analyzer.listener.encode(Recording("coughs", waveform, SAMPLE_RATE_HZ, 1)).sound_events
    found = [any(s.label == "cough" and s.start_s < b and s.end_s > a for s in signs) for a, b in laid_in]
    assert len(found) == 6 and sum(found) >= 4
    assert all(any(s.start_s < b + 0.3 and s.end_s > a - 0.3 for a, b in laid_in) for s in signs)


def test_bad_audio_is_refused_before_anything_is_transcribed(analyzer, tmp_path):
    (tmp_path / "text.wav").write_text("not audio")
    steps = analyzer.stream(tmp_path / "text.wav")
    assert next(steps).stage == "decode"
    with pytest.raises(AudioError):
        next(steps)


def test_a_student_of_another_teacher_is_refused(analyzer):
    class OtherTeacher:
        info = type("Info", (), {"name": "other", "revision": "0" * 12})()

    with pytest.raises(WeightsError, match="was aligned with teacher 'all-MiniLM-L6-v2'.*use --teacher") as refused:
        Listener(OtherTeacher(), analyzer.listener.student, analyzer.listener.calibration, analyzer.listener.bank)
    told = refused.value.for_readers
    assert "--" not in told and "student=FOLDER, teacher=other" in told, "in the page's words: what can be compared, and how"


def test_stored_concept_embeddings_are_those_of_the_shipped_bank(analyzer, monkeypatch):
    """Otherwise each start of the page would embed the bank anew."""

    def refuse(self, texts):
        raise AssertionError("the bank or the wording changed: run `medalign calibrate` and commit concepts.safetensors")

    monkeypatch.setattr(Teacher, "encode", refuse)
    listener = analyzer.listener
    stored = stored_concept_embeddings(listener.student.folder, listener.teacher, listener.bank.concepts)
    assert np.linalg.norm(stored, axis=1) == pytest.approx(1, abs=1e-2)


def test_an_array_is_analysed_with_its_rate_and_a_file_says_its_own(monkeypatch):
    heard = []
    monkeypatch.setattr(Analyzer, "stream", lambda self, source, custom: heard.append(source) or [page_fixtures.analysis()])
    analyzer, waveform = object.__new__(Analyzer), np.sin(np.arange(44_100) / 9)
    analyzer.analyze(waveform, sample_rate_hz=44_100)
    assert heard[0].source_sample_rate_hz == 44_100 and heard[0].duration_s == pytest.approx(1.0)
    for source in (heard[0], b"RIFF"):
        with pytest.raises(AudioError, match="leave it out"):
            analyzer.analyze(source, sample_rate_hz=44_100)


def test_what_decides_an_analysis_has_every_file_that_was_fitted_for_the_student(analyzer, tmp_path):
    """A batch goes on only where all of it is as it was; the student's revision alone is that of its head."""
    folder = tmp_path / "student"
    shutil.copytree(analyzer.listener.student.folder, folder)
    listener = copy.copy(analyzer.listener)
    listener.student = copy.copy(listener.student)
    listener.student.fitted_in = folder
    mine = Analyzer(analyzer.transcriber, listener)
    before = mine.identity
    assert before == analyzer.identity and before["student"] == asdict(analyzer.models.student)
    for name in ("config.json", "fits.json", "distractors.safetensors", "sound_events.safetensors", "calibration.json"):
        (folder / name).write_bytes((folder / name).read_bytes() + b" ")
        changed = mine.identity["student_files"]
        assert [file for file in changed if changed[file] != before["student_files"][file]] == [name]
        before = mine.identity
