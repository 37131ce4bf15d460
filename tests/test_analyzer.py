"""One recording in, one honest answer out: the JSON contract, the two witnesses, and what they point to."""

import json

import numpy as np
import pytest

from medalign.analysis import Analysis
from medalign.analyzer import Analyzer, Progress
from medalign.audio import SAMPLE_RATE_HZ, load_recording
from medalign.errors import AudioError, WeightsError
from medalign.teacher import Teacher
from medalign.transcript import Transcript
from medalign.zero_shot import stored_concept_embeddings

# A share of what a clinician would note, found in the transcript that tiny.en writes of a synthetic voice.
MIN_CONCEPT_RECALL = 0.75


def test_the_json_contract_holds(analyses):
    body = json.loads(json.dumps(analyses["chest-pain"].to_dict()))  # JSON all the way down: no NaN, no NumPy
    assert list(body)[0] == "schema_version"
    assert set(body) == {
        "schema_version", "recording", "models", "transcript", "concepts", "signs", "alignment", "warnings", "timings_s",
        "disclaimer",
    }  # fmt: skip
    assert set(body["recording"]) == {"name", "duration_s", "sample_rate_hz", "channels"}
    assert set(body["models"]) == {"asr", "teacher", "student"}
    assert set(body["transcript"]["segments"][0]) == {"start_s", "end_s", "speaker", "text", "words"}
    assert set(body["transcript"]["segments"][0]["words"][0]) == {"start_s", "end_s", "text", "probability"}
    assert {
        "concept_id", "system", "code", "label", "category", "status", "trigger", "teacher", "student", "agreement"
    } <= set(body["concepts"][0])  # fmt: skip
    assert {"start_s", "end_s", "score", "percentile", "transcript_text", "alarm"} <= set(body["alignment"]["windows"][0])
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


def test_no_negated_or_family_concept_is_called_present(analyses, examples):
    for slug, analysis in analyses.items():
        guarded = {(e.system, e.code) for e in examples[slug].expected_concepts if e.status in ("negated", "family")}
        present = {(row.system, row.code) for row in analysis.concepts if row.status == "present"}
        assert not guarded & present, slug


def test_evidence_lies_in_the_recording_and_quotes_the_transcript(analyses):
    for analysis in analyses.values():
        words = analysis.transcript.words
        for row in analysis.concepts:
            witnesses = [witness for witness in (row.teacher, row.student) if witness is not None]
            for evidence in (e for witness in witnesses for e in witness.evidence):
                assert 0 <= evidence.start_s < evidence.end_s <= analysis.recording.duration_s + 1e-3
            for evidence in row.teacher.evidence if row.teacher else ():
                said = " ".join(w.text for w in words if w.end_s > evidence.start_s and w.start_s < evidence.end_s)
                assert evidence.text.split()[0].strip(".,?!").lower() in said.lower()


def test_agreement_says_which_witness_found_it(analyses):
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


def test_audio_fits_its_own_transcript_better_than_another_recordings(analyzer, analyses, examples):
    """The per-window score sees the pairing: the same windows under another recording's words fall in percentile."""
    slugs = list(analyses)
    own, other = [], []
    for slug, other_slug in zip(slugs, slugs[1:] + slugs[:1], strict=True):
        windows = [w for w in analyses[slug].alignment.windows if w.transcript_text]
        foreign = [w.transcript_text for w in analyses[other_slug].alignment.windows if w.transcript_text]
        waveform = load_recording(examples[slug].audio_path).waveform
        audio = analyzer.student.embed(analyzer.student.frames(waveform), [(w.start_s, w.end_s) for w in windows])
        n = min(len(windows), len(foreign))
        own += [w.percentile for w in windows]
        other += analyzer.reference.percentile(audio[:n], analyzer.teacher.encode(foreign[:n])).tolist()
    assert np.median(own) > 90
    assert np.median(own) > np.median(other) + 30


def test_the_same_recording_gives_the_same_analysis(analyzer, analyses, examples):
    again = analyzer.analyze(examples["low-mood"].audio_path).to_dict()
    before = analyses["low-mood"].to_dict()
    for body in (again, before):
        body.pop("timings_s")
    assert again == before


def test_progress_only_grows_and_carries_the_transcript_so_far(analyzer, examples):
    *steps, last = analyzer.stream(examples["chest-pain"].audio_path)
    assert isinstance(last, Analysis) and all(isinstance(step, Progress) for step in steps)
    fractions = [step.fraction for step in steps]
    assert fractions == sorted(fractions) and fractions[0] >= 0 and fractions[-1] <= 1
    lengths = [len(step.transcript.segments) for step in steps if step.transcript is not None]
    assert lengths == sorted(lengths) and len(set(lengths)) > 3
    assert any(step.remaining_s for step in steps)


def test_swapped_audio_raises_alarms(analyzer, examples):
    """Another consultation's sound under this transcript is what the alarm is for."""
    waveform = load_recording(examples["low-mood"].audio_path).waveform
    windows_s = analyzer.student.windows(len(waveform) / SAMPLE_RATE_HZ)
    transcript = Transcript(analyzer.analyze(examples["chest-pain"].audio_path).transcript.segments)
    texts = [transcript.text_between(*window_s) for window_s in windows_s]
    audio = analyzer.student.embed(analyzer.student.frames(waveform), windows_s)
    speech = np.array([[0.0, len(waveform) / SAMPLE_RATE_HZ]])
    rows = analyzer._align(windows_s, texts, analyzer._embed_texts(texts), audio, speech)
    assert np.mean([row.alarm for row in rows]) > 0.5


def test_bad_audio_is_refused_before_anything_is_transcribed(analyzer, tmp_path):
    (tmp_path / "text.wav").write_text("not audio")
    steps = analyzer.stream(tmp_path / "text.wav")
    assert next(steps).stage == "decode"
    with pytest.raises(AudioError):
        next(steps)


def test_a_student_of_another_teacher_is_refused(analyzer):
    class OtherTeacher:
        info = type("Info", (), {"name": "other", "revision": "0" * 12})()

    with pytest.raises(WeightsError, match="was aligned with teacher 'all-MiniLM-L6-v2'.*use --teacher"):
        Analyzer(analyzer.transcriber, OtherTeacher(), analyzer.student, analyzer.reference, analyzer.bank)


def test_stored_concept_embeddings_are_those_of_the_shipped_bank(analyzer, monkeypatch):
    """Otherwise each start of the page would embed the bank anew."""

    def refuse(self, texts):
        raise AssertionError("the bank or the wording changed: run `medalign calibrate` and commit concepts.safetensors")

    monkeypatch.setattr(Teacher, "encode", refuse)
    stored = stored_concept_embeddings(analyzer.student.folder, analyzer.teacher, analyzer.bank.concepts)
    assert np.linalg.norm(stored, axis=1) == pytest.approx(1, abs=1e-2)
