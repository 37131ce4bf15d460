"""Two models side by side: what differs is found, what doesn't is not, and the order of the two changes nothing."""

import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from counting import calls_of
from page_fixtures import analysis

from medalign.cli import main
from medalign.core.audio import SAMPLE_RATE_HZ, Recording, load_recording
from medalign.core.errors import MedAlignError
from medalign.core.model_options import ModelOptions
from medalign.core.transcript import Segment, Transcript, Word
from medalign.core.weights import n_bytes
from medalign.evaluation.retrieval import ranks
from medalign.models.student import DEFAULT_STUDENT, Student
from medalign.models.student_config import UNALIGNED
from medalign.models.teacher import DEFAULT_TEACHER
from medalign.models.transcription import DEFAULT_ASR
from medalign.pipeline.footprint import Footprint, footprint
from medalign.report.comparison import BlindOrder, Candidate, candidates, compare, compare_concepts, parse_candidate, second

MIRRORED = {"only_a": "only_b", "only_b": "only_a"}


def spoken(text: str, word_s: float = 0.4, start_s: float = 0.0) -> Transcript:
    words = tuple(
        Word(round(start_s + i * word_s, 3), round(start_s + (i + 1) * word_s, 3), word, 0.9)
        for i, word in enumerate(text.split())
    )
    return Transcript((Segment(words[0].start_s, words[-1].end_s, text, words),) if words else (), "en")


def compare_words(a: str, b: str):
    one = replace(analysis(), concepts=())
    return compare(replace(one, transcript=spoken(a)), replace(one, transcript=spoken(b)))


def shifted(concept, by: float):
    """The same concept with a student who is surer or less sure."""
    return replace(concept, student=replace(concept.student, probability=concept.student.probability + by))


def altered():
    """Another model's view of the same recording: one row of each kind of difference, two words other."""
    first = analysis()
    cough, dyspnea, fever, asthma, pneumonia, amoxicillin, wheezing, hip = first.concepts
    concepts = (
        shifted(cough, -0.4),
        replace(dyspnea, status="present", trigger=None),
        fever,
        pneumonia,
        replace(amoxicillin, agreement="both"),
        replace(asthma, concept_id="HP:1", label="Rash"),
        wheezing,
        shifted(hip, 0.04),
    )
    last = first.transcript.segments[-1]
    words = tuple(replace(word, text={"amoxicillin.": "a moxy."}.get(word.text, word.text)) for word in last.words)
    segments = (*first.transcript.segments[:-1], replace(last, words=words))
    return replace(first, concepts=concepts, transcript=replace(first.transcript, segments=segments))


def test_an_analysis_does_not_differ_from_itself():
    comparison = compare(analysis(), analysis())
    assert comparison.are_equal and comparison.n_words_differing == 0
    assert [row.kind for row in comparison.concepts] == ["same"] * len(analysis().concepts)
    assert [row.a for row in comparison.concepts] == list(analysis().concepts), "the order of importance is kept"
    (everything,) = comparison.stretches
    assert everything.same and everything.a == everything.b == analysis().transcript.text


def test_each_kind_of_difference_is_found_and_the_weightiest_stands_first():
    comparison = compare(analysis(), altered())
    assert [(row.label, row.kind) for row in comparison.concepts] == [
        ("Dyspnea", "status"),
        ("Asthma", "only_a"),
        ("Rash", "only_b"),
        ("Amoxicillin", "source"),
        ("Cough", "certainty"),
        ("Fever", "same"),
        ("Pneumonia", "same"),
        ("Wheezing", "same"),
        ("Hip pain", "same"),
    ]
    assert not comparison.are_equal
    asthma, rash = comparison.concepts[1:3]
    assert asthma.b is None and asthma.a.label == "Asthma" and rash.a is None and rash.b.label == "Rash"


def test_swapping_the_two_mirrors_everything():
    one, other = compare(analysis(), altered()), compare(altered(), analysis())
    mirrored = [replace(row, kind=MIRRORED.get(row.kind, row.kind), a=row.b, b=row.a) for row in other.concepts]
    assert sorted(map(repr, mirrored)) == sorted(map(repr, one.concepts))
    assert [replace(s, a=s.b, b=s.a) for s in other.stretches] == list(one.stretches)
    assert one.n_words_differing == other.n_words_differing > 0


def test_a_status_that_changes_is_one_row_and_an_agreed_status_beside_it_is_another():
    cough = analysis().concepts[0]
    denied = replace(cough, status="negated")
    (changed,) = compare_concepts((cough,), (denied,))
    assert (changed.kind, changed.a, changed.b) == ("status", cough, denied)
    conflict = compare_concepts((cough, denied), (cough,))
    assert [(row.kind, row.a.status) for row in conflict] == [("only_a", "negated"), ("same", "present")]
    (unwritten,) = compare_concepts((cough,), (replace(cough, status=None, teacher=None, agreement="student_only"),))
    assert unwritten.kind == "status", "heard without words, a concept has no status to agree on"


def test_odds_differ_as_they_are_displayed():
    cough = analysis().concepts[0]

    def kind(p: float, q: float) -> str:
        (row,) = compare_concepts((replace(cough, probability=p),), (replace(cough, probability=q),))
        return row.kind

    assert kind(0.56, 0.74) == "same", "about 6 and about 7 in 10"
    assert kind(0.64, 0.76) == "certainty", "about 6 and about 8 in 10, though only 0.12 apart"
    assert kind(0.9, 0.9) == "same"


def test_case_and_punctuation_are_no_difference_but_a_decimal_point_is():
    assert compare_words("Take it, twice - a day.", "take it twice a day").are_equal
    assert compare_words("“It’s” fine (98%)", "it's fine, 98%").are_equal
    assert compare_words("- Yes, well", "Yes - well").are_equal
    for a, b in (("1.5 mg", "15 mg"), (".5 mg", "5 mg"), ("-2 dioptres", "2 dioptres"), ("98%", "98"), ("120/80", "12080")):
        assert compare_words(a, b).n_words_differing == 1, f"{a} against {b}"


def test_other_words_are_shown_side_by_side_with_the_time_to_hear_them():
    comparison = compare_words("she takes a tour of a statin at night", "she takes atorvastatin at night please")
    told = [(s.a, s.b, s.same) for s in comparison.stretches]
    assert told == [
        ("she takes", "she takes", True),
        ("a tour of a statin", "atorvastatin", False),
        ("at night", "at night", True),
        ("", "please", False),
    ]
    assert comparison.n_words_differing == 6
    garbled = comparison.stretches[1]
    assert garbled.start_s == pytest.approx(0.8) and garbled.end_s == pytest.approx(2.8)


@pytest.mark.parametrize(("a", "b"), [("", ""), ("", "a few words"), ("a few words", "")])
def test_a_transcript_without_words_can_be_compared(a, b):
    comparison = compare_words(a, b)
    assert comparison.n_words_differing == (0 if a == b else 3)
    assert comparison.are_equal == (a == b)
    assert (" ".join(s.a for s in comparison.stretches), " ".join(s.b for s in comparison.stretches)) == (a, b)


def test_times_never_run_backwards_whatever_either_recogniser_timed():
    rng = np.random.default_rng(0)
    one = replace(analysis(), concepts=())
    for _ in range(20):
        a, b = (" ".join(rng.choice(["yes", "no", "well", "pain", "here"], 60)) for _ in range(2))
        late = replace(one, transcript=spoken(b, word_s=0.37, start_s=1.3))
        comparison = compare(replace(one, transcript=spoken(a)), late)
        assert len(comparison.stretches) > 3
        starts = [s.start_s for s in comparison.stretches]
        assert starts == sorted(starts) and all(s.start_s <= s.end_s for s in comparison.stretches)
        assert " ".join(s.a for s in comparison.stretches if s.a) == a
        assert " ".join(s.b for s in comparison.stretches if s.b) == b


def test_an_hour_of_speech_takes_no_time():
    """Twice the words cost about twice the work, not four times."""

    def said_and_garbled(n_words: int) -> tuple[str, str]:
        rng = np.random.default_rng(0)
        said = rng.choice(["the", "and", "of", "i", "you", *(f"word{i}" for i in range(3000))], n_words)
        garbled = np.where(rng.random(n_words) < 0.2, rng.choice(["the", "uh", "other"], n_words), said)
        return " ".join(said), " ".join(garbled)

    half, hour = said_and_garbled(4500), said_and_garbled(9000)
    compare_words("a", "b")  # what is loaded once is not counted
    assert calls_of(lambda: compare_words(*hour)) < 3 * calls_of(lambda: compare_words(*half))
    assert 0.1 * 9000 < compare_words(*hour).n_words_differing < 0.3 * 9000


def test_different_recordings_are_refused_in_one_sentence():
    one = analysis()
    longer = replace(one, recording=replace(one.recording, duration_s=one.recording.duration_s + 0.2))
    other = replace(one, recording=replace(one.recording, name="ward.wav"))
    for wrong in (longer, other):
        with pytest.raises(MedAlignError, match="different recordings; compare two analyses of the same one"):
            compare(one, wrong)
    compare(one, replace(one, recording=replace(one.recording, duration_s=one.recording.duration_s + 0.05)))


def test_the_blind_order_is_fair_repeatable_and_logged(caplog):
    orders = [BlindOrder.draw(seed) for seed in range(4000)]
    assert orders == [BlindOrder.draw(order.seed) for order in orders]
    share = np.mean([order.left == "a" for order in orders])
    assert abs(share - 0.5) < 4 * np.sqrt(0.25 / 4000), "four standard errors"
    assert all({order.left, order.right} == {"a", "b"} for order in orders)
    with caplog.at_level("INFO", "medalign.report.comparison"):
        fresh = {BlindOrder.draw().seed for _ in range(20)}
    assert len(fresh) == 20 and all(str(seed) in caplog.text for seed in fresh)


def test_the_first_candidate_is_what_is_used_everywhere_else():
    first = candidates()[0]
    assert (first.asr, first.teacher, first.student) == (DEFAULT_ASR, DEFAULT_TEACHER, "default")
    assert Student.from_pretrained(first.student).info.name == DEFAULT_STUDENT
    assert UNALIGNED in {candidate.student for candidate in candidates()}
    assert len({candidate.name for candidate in candidates()}) == len(candidates())
    for in_use in (ModelOptions(asr="base"), ModelOptions(student=UNALIGNED)):
        models = [(candidate.asr, candidate.student) for candidate in candidates(in_use)]
        assert len(set(models)) == len(models), "nobody is offered to compare a model with itself"


def test_unless_somebody_chooses_the_alignment_is_what_a_vote_judges():
    listed = candidates()
    assert second(listed).student == UNALIGNED and second(listed).asr == listed[0].asr, "nothing that is not there already"
    assert second(candidates(ModelOptions(student=UNALIGNED))).asr == "base"


def test_candidates_are_read_by_name_or_by_their_models():
    for candidate in candidates():
        assert parse_candidate(f" {candidate.name} ") == candidate
    assert parse_candidate("student = runs/first, asr=base") == Candidate(
        "asr base, student runs/first", asr="base", student="runs/first"
    )
    assert parse_candidate("student=owner/name").name == "student owner/name"
    hidden = parse_candidate("student=/home/somebody/runs/first/")
    assert hidden.name == "student first" and hidden.student == "/home/somebody/runs/first/"
    assert parse_candidate("teacher=../mine").name == "teacher mine"


@pytest.mark.parametrize("wrong", ["", "tiny", "asr=", "asr=base,asr=tiny.en", "voice=base", "asr=base,", "a" * 501])
def test_a_candidate_that_cannot_be_read_says_what_can(wrong):
    with pytest.raises(MedAlignError, match=r"give 'shipped \(tiny.en\)'.*or models such as 'asr=base,student=FOLDER'") as told:
        parse_candidate(wrong)
    assert "\n" not in str(told.value) and len(str(told.value)) < 300


def test_an_unaligned_student_hears_as_well_and_understands_nothing(analyzer, examples):
    """Recall of a turn's own text among all of the consultation: the alignment is all that tells the two students apart."""
    aligned, unaligned, example = analyzer.listener.student, Student.from_pretrained(UNALIGNED), examples["chest-pain"]
    waveform = load_recording(example.audio_path).waveform
    clip = waveform[: 5 * SAMPLE_RATE_HZ]
    assert np.allclose(unaligned.frames(clip), aligned.frames(clip)), "one encoder"
    times, texts = zip(*(((turn.start_s, turn.end_s), turn.text) for turn in example.turns), strict=True)
    text, frames = analyzer.listener.teacher.encode(texts), aligned.frames(waveform)

    def recall(student: Student) -> float:
        return float((ranks(student.embed(frames, times) @ text.T, texts) == 1).mean())

    chance = 1 / len(texts)
    assert recall(unaligned) < chance + 3 * np.sqrt(chance * (1 - chance) / len(texts)), "three standard errors"
    assert recall(aligned) > 0.7


def test_an_unaligned_student_is_the_same_each_time_and_cannot_be_published():
    first, second = Student.unaligned(), Student.unaligned()
    assert first.info == second.info and first.info.name == UNALIGNED and first.info.revision.startswith("unaligned-")
    assert all(torch.equal(p, q) for p, q in zip(first.head.parameters(), second.head.parameters(), strict=True))
    torch.manual_seed(7)
    Student.unaligned()
    after_seven = torch.rand(1)
    torch.manual_seed(8)
    Student.unaligned()
    assert after_seven != torch.rand(1), "nobody else's random numbers are set"
    with pytest.raises(MedAlignError, match="lies in no folder that a fit could be written to"):
        first.writable_folder()  # the shipped student's is not its own
    with pytest.raises(MedAlignError, match="is in no folder yet"):
        first.push_to_hub("somebody/unaligned")


def test_weights_are_weighed_split_files_too(analyzer, tmp_path):
    weighed = footprint(analyzer)
    trained = (analyzer.listener.student.folder / "model.safetensors").stat().st_size
    assert weighed.student == weighed.asr + trained, "the student's encoder is the recogniser's"
    assert weighed.total == weighed.asr + weighed.teacher + weighed.student
    assert 85e6 < weighed.teacher < 95e6, "22.7 million parameters of four bytes"
    (tmp_path / "one.safetensors").write_bytes(b"x" * 70)
    (tmp_path / "two.safetensors").write_bytes(b"x" * 30)
    index = {"weight_map": {"a": "one.safetensors", "b": "two.safetensors", "c": "one.safetensors"}}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index))
    assert n_bytes(str(tmp_path), weight_files=("model.safetensors", "model.safetensors.index.json")) == 100


@pytest.mark.slow
def test_the_command_compares_two_models_on_one_recording(capsys, examples, write_wav, tmp_path):
    waveform = load_recording(examples["cough-and-wheeze"].audio_path).waveform
    audio, out = write_wav("part.wav", waveform[: 15 * SAMPLE_RATE_HZ]), tmp_path / "out.json"
    assert main(["compare", audio, "--b", "unaligned encoder", "--json", str(out)]) == 0
    told, body = capsys.readouterr().out, json.loads(out.read_text())
    assert "a: shipped (tiny.en): " in told and "MB of weights" in told and "Words that differ: 0" in told
    assert body["a"]["models"]["asr"] == body["b"]["models"]["asr"]
    assert body["b"]["models"]["student"]["revision"].startswith("unaligned-")
    assert body["a"]["weights_bytes"]["student"] > body["b"]["weights_bytes"]["student"]
    assert not body["are_equal"] and {row["kind"] for row in body["concepts"]} - {"same"}
    assert [s["same"] for s in body["stretches"]] == [True], "one recogniser writes one transcript"


def test_the_command_compares_with_the_operators_models(capsys, write_wav, monkeypatch):
    """A candidate that names no model of its own has the operator's; the recording is decoded once, for both."""
    loaded, decoded = [], []

    class Loaded(SimpleNamespace):
        @classmethod
        def default(cls, **models):
            loaded.append(models)
            return cls()

        def stream(self, recording, custom):
            decoded.append(recording)
            yield analysis()

    monkeypatch.setattr("medalign.pipeline.analyzer.Analyzer", Loaded)
    monkeypatch.setattr("medalign.pipeline.footprint.footprint", lambda analyzer: Footprint(1, 1, 1))
    audio = write_wav("part.wav", np.zeros(SAMPLE_RATE_HZ))
    assert main(["compare", audio, "--asr", "small.en", "--student", "runs/first", "--b", "asr=base"]) == 0
    assert [(m["asr"], m["student"]) for m in loaded] == [("small.en", "runs/first"), ("base", "runs/first")]
    assert decoded[0] is decoded[1] and isinstance(decoded[0], Recording)
    assert "a: in use (small.en): " in capsys.readouterr().out


def test_the_command_refuses_what_it_cannot_read_before_it_loads_a_model(capsys, tmp_path, monkeypatch):
    monkeypatch.setattr("medalign.pipeline.analyzer.Analyzer.default", None)
    for arguments, message in (
        (["nowhere.wav", "--b", "voice=x"], "is no candidate"),
        (["nowhere.wav", "--b", "asr=base"], "nowhere.wav"),
    ):
        assert main(["compare", *arguments]) == 2
        error = capsys.readouterr().err
        assert message in error and error.count("\n") == 1
