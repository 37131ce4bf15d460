"""Two readers and one set of models: what each is told, and when a run that nobody waits for gives its place up."""

import itertools
import threading
from collections.abc import Iterator
from types import SimpleNamespace

import gradio as gr
import page_fixtures
import pytest
from gradio.data_classes import FileData
from page_fixtures import HOLD_S, FakeEngine

from medalign.cli.serve import _find_candidate
from medalign.core.errors import WeightsError
from medalign.feedback.model_names import short_model_names
from medalign.models.device import run_in_batches
from medalign.pipeline.interleave import interleave
from medalign.report.comparison import Candidate, candidates
from medalign.ui import model_queue
from medalign.ui.compared import compared
from medalign.ui.engine import Comparing, LazyEngine, Models
from medalign.ui.files import with_given_names
from medalign.ui.model_queue import ModelQueue
from medalign.ui.presses import Presses
from medalign.ui.run import Run
from medalign.ui.runs import Runs
from medalign.ui.session import Session
from medalign.ui.tabs.compare_tab import CompareTab
from medalign.ui.tabs.results_tab import names_of
from medalign.ui.views.status_view import told as told_to_all
from medalign.ui.wiring import bridge


@pytest.fixture(autouse=True)
def looks_often(monkeypatch):
    monkeypatch.setattr(model_queue, "LOOK_S", 0.01)


def statuses(run: Run) -> Iterator[str]:
    """As the reader sees them."""
    yield from (update.parts["status"] for update in run.updates() if "status" in update.parts)


def test_who_waits_is_told_their_place_while_the_models_are_loaded_for_somebody_else(tone):
    loading, loaded = threading.Event(), threading.Event()

    def load() -> FakeEngine:
        loading.set()
        assert loaded.wait(HOLD_S)
        return FakeEngine(page_fixtures.analysis())

    models = Models(LazyEngine(load))
    first, second = (Run(models, str(tone), is_example=True) for _ in range(2))
    told: list[str] = []
    at_work = threading.Thread(target=lambda: told.extend(statuses(first)), daemon=True)
    at_work.start()
    assert loading.wait(HOLD_S)
    seen = statuses(second)
    assert [next(seen), next(seen)] == ["Waiting: 1 before you."] * 2, "before and after it is decoded"
    loaded.set()
    at_work.join(HOLD_S)
    rest = [status for status in seen if not status.startswith("Waiting: 1 before you")]
    assert told[0].startswith("Preparing the models") and told[-1] == rest[-1] == told_to_all("Finished.")
    assert rest[0] == "Reading the recording", "they are loaded by then"


def test_a_run_that_nobody_waits_for_ends_with_its_next_step_and_nothing_is_learned_from_it(tone):
    models = Models(lambda: FakeEngine(page_fixtures.analysis()))
    left, next_one = (Run(models, str(tone), is_example=True) for _ in range(2))
    told = statuses(left)
    while next(told) != "Writing down what is said":
        pass
    left.place.tell(600.0)
    waiting = statuses(next_one)
    assert next(waiting) == "Waiting: 1 before you, about 10 minutes."
    left.stop()
    assert next(waiting) == "Waiting: 1 before you, less than a minute."
    assert list(told) == []
    assert next(waiting) == "Reading the recording"
    third = statuses(Run(models, str(tone), is_example=True))
    next_one.place.ends_at = None
    assert next(third) == "Waiting: 1 before you."


def test_a_file_that_cannot_be_read_takes_no_result_from_the_reader(tmp_path):
    path = tmp_path / "letter.wav"
    path.write_text("no sound")
    updates = list(Run(Models(lambda: FakeEngine(page_fixtures.analysis())), str(path), acknowledged=True).updates())
    assert not any(update.clears_session or "transcript" in update.parts for update in updates)
    assert "letter.wav" in str(updates[-1].parts["alert"])


def test_a_refusal_names_the_recording_as_its_reader_does(tmp_path):
    path = tmp_path / "it is %22empty%22.wav"
    path.touch()
    run = Run(Models(lambda: FakeEngine(page_fixtures.analysis())), str(path), name='it is "empty".wav', acknowledged=True)
    *_, last = run.updates()
    assert "it is &#34;empty&#34;.wav" in last.parts["alert"] and "%22" not in last.parts["alert"]


@pytest.mark.parametrize(
    ("sent", "name"),
    [
        ('a "b": c?.wav', 'a "b": c?.wav'),
        ("../../etc/two\nlines\u202e.wav", "two\ufffdlines\ufffd.wav"),
        ("ü" * 150 + ".wav", "ü" * 98 + ".wav"),
        ("x." + "y" * 300, "0.wav"),
        (None, "0.wav"),
        ("..", ".."),
    ],
)
def test_a_name_that_is_sent_is_one_line_of_bounded_length_without_a_folder(sent, name):
    file = with_given_names(gr.File()).preprocess(FileData(path="/tmp/0.wav", orig_name=sent))
    assert file == "/tmp/0.wav" and file.given_name == name


class AtOneStep(FakeEngine):
    """Most of an analysis is one step, whose models take one batch after another: in a thread of theirs, too."""

    def stream(self, recording, custom=()) -> Iterator[object]:
        self.batches: list[int] = []
        yield from itertools.islice(super().stream(recording, custom), 3)
        for _ in interleave({"audio": run_in_batches("it", range(1000), 1, self.take, None, lambda: None)}):
            pass

    def take(self, _model: None, batch: range) -> None:
        self.batches += batch
        self.went_on.set()
        if len(self.batches) > 2:
            assert self.go_on.wait(HOLD_S)


def test_a_run_that_nobody_waits_for_ends_with_the_next_batch_of_a_model(tone):
    engine = AtOneStep(page_fixtures.analysis())
    models = Models(lambda: engine)
    run = Run(models, str(tone), is_example=True)
    at_work = threading.Thread(target=list, args=[run.updates()], daemon=True)
    at_work.start()
    assert engine.went_on.wait(HOLD_S)
    run.stop()
    engine.go_on.set()
    at_work.join(HOLD_S)
    assert not at_work.is_alive() and len(engine.batches) <= 3
    with models.analyses.join() as place:
        assert list(place.wait(1.0)) == []


def test_a_comparison_that_nobody_waits_for_ends_so_too(tone):
    engine, queue, reader = AtOneStep(page_fixtures.analysis()), ModelQueue(), SimpleNamespace(session_hash="visit")
    with gr.Blocks():
        tab = CompareTab(
            Comparing(lambda side: (engine, 1), any_model=True), queue, gr.State(), Presses(), (), bridge("delete")
        )
    session, seen = Session(str(tone), "tone", is_example=True), []
    steps = tab._compare(session, "asr=tiny", "asr=base", False, reader)
    at_work = threading.Thread(target=lambda: seen.extend(steps), daemon=True)
    at_work.start()
    assert engine.went_on.wait(HOLD_S)
    tab.left(reader)
    engine.go_on.set()
    at_work.join(HOLD_S)
    assert not at_work.is_alive() and len(engine.batches) <= 3
    assert seen[-2][tab._status] == "First model: writing down what is said." and not queue._places
    assert seen[-1] == {tab._alert: gr.skip()}, "which changes nothing"


def test_the_second_model_is_expected_to_take_as_long_as_its_weights_are_larger():
    sides, run = candidates()[:2], SimpleNamespace(goes_on=True)
    engines = iter([(FakeEngine(page_fixtures.analysis()), 10), (FakeEngine(page_fixtures.analysis()), 30)])
    steps = compared(Comparing(lambda side: next(engines)), sides, None, (), run)
    left = {step.words.partition(":")[0]: step.remaining_s for step in steps if step.remaining_s}
    assert left["First model"] == pytest.approx(12 + 3 * 12, abs=3), "12 s, and three times as long for the second"
    assert left["Second model"] <= 12


def test_a_second_model_that_is_not_there_is_told_before_the_first_runs(tone):
    reader, loaded = SimpleNamespace(session_hash="visit"), []
    with gr.Blocks():
        tab = CompareTab(
            Comparing(loaded.append, any_model=True, check=_find_candidate),
            ModelQueue(),
            gr.State(),
            Presses(),
            (),
            bridge("delete"),
        )
    own = {"asr": "base, tiny.en", "teacher": "all-MiniLM-L6-v2, minilm-medical", "student": "default, unaligned"}
    for role, offered in own.items():
        with pytest.raises(WeightsError, match=f"model 'foo' is neither a folder nor a known name; use one of {offered}"):
            list(tab._compare(Session(str(tone), "tone", is_example=True), "asr=tiny.en", f"{role}=foo", False, reader))
    assert not loaded


@pytest.mark.parametrize("teacher", ["minilm-medical", "all-MiniLM-L6-v2"])
@pytest.mark.parametrize("student", ["default", "whisper-tiny.en-minilm", "body-sounds-heart", "unaligned"])
def test_every_checkpoint_that_ships_is_found_by_its_name(teacher, student):
    _find_candidate(Candidate("any", teacher=teacher, student=student))


def test_a_model_has_one_name_in_comparisons_and_in_results():
    shipped, unaligned, own = (
        f"tiny.en 11 | all-MiniLM-L6-v2 22 | {student}"
        for student in ("whisper-tiny.en-minilm 33", "unaligned u-44", "first 55")
    )
    assert names_of([shipped, unaligned, own]) == {
        shipped: "shipped (tiny.en)", unaligned: "unaligned encoder", own: "first"
    }  # fmt: skip
    again = shipped.replace("33", "34")
    assert names_of([shipped, again]) == short_model_names([shipped, again]), "two revisions are not one"


def test_an_abandoned_place_tells_nothing_of_how_long_others_take():
    queue = ModelQueue(clock=lambda: 0.0)
    with queue.join() as left:
        assert list(left.wait(60.0)) == []
        left.tell(5.0)
        left.is_left = True
        with queue.join() as other:
            assert next(other.wait(60.0)).seconds == 0.0
            assert queue._usual() == (None, 0.0)
    assert queue._usual() == (None, 0.0)


def test_of_a_visit_the_run_begun_last_goes_on():
    runs, told = Runs(), []
    with runs.begin("visit", lambda: told.append("first")) as first:
        assert first.goes_on and runs.go_on("visit") and not runs.go_on("other")
        with runs.begin("visit", lambda: told.append("second")) as second:
            assert told == ["first"] and not first.goes_on and second.goes_on
            runs.stop("other", {})
            assert second.goes_on
        assert not first.goes_on, "it was overtaken for good"
        assert not runs.go_on("visit")
    with runs.begin("visit", lambda: told.append("third")) as third:
        runs.stop("visit", {"status": "Cancelled."})
        assert told == ["first", "third"] and third.is_newest and not third.goes_on and not runs.go_on("visit")
    runs.stop("visit", {})
