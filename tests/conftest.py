"""Shared fixtures: models are loaded once a session, and no test may reach a model hub.

Markers come from what a test uses (see `pytest_collection_modifyitems`), so that nobody has to keep them by hand: `browser`
and `models` by fixture or by file, `unit` for all others. Workers share the tests by group: what shares a costly fixture runs
on one worker.
"""

import copy
import functools
import gc
import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"  # before any library reads it: everything must work without a hub
os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
if "PYTEST_XDIST_WORKER" in os.environ:  # a core each: libraries that take all cores would wait for each other
    os.environ["OMP_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"

import numpy as np
import page_fixtures
import pytest
import soundfile
from browser import FOLDS, VIEWPORT, chromium, hearing, new_context, unfold, visit, wait_for_result
from databases import OwnDatabase, PostgreSQL
from playwright.sync_api import sync_playwright
from shared_page import Shown, shared_server, show_live

from medalign.core.analysis import Analysis
from medalign.core.audio import SAMPLE_RATE_HZ, recording_of
from medalign.core.examples import analysis_path, load_examples
from medalign.core.model_options import ModelOptions

gc.disable()  # until all tests are imported, see `pytest_collection_finish`
FAILED = pytest.StashKey[bool]()
BROWSER_FIXTURES = {"browser", "gradio_folder"}
DATABASE_FIXTURES = {"database", "postgresql"}
MODEL_FIXTURES = {"analyzer", "heard", "live", "streamed", "transcriber", "student"}
MODEL_FILES = {  # they load shipped models, train, or run whole commands
    "test_cli", "test_fit_misheard_names", "test_page_end_to_end", "test_distributed", "test_encoders", "test_student_metrics",
    "test_readme", "test_speech_models", "test_student", "test_teacher", "test_train_command", "test_training", "test_batch",
}  # fmt: skip
BROWSERS = ("browser", "second browser")
SECOND_BROWSER = {"test_page_compare", "test_page_review"}  # half of the page's tests, by their time
MEASURED_PAGE_FILES = ("test_page", "test_page_compare")  # the first of their group: a server's threads can't be measured later
# Measuring what they reach doubles their time, and other tests reach it, too.
UNMEASURED_FILES = {"test_analyzer", "test_student_metrics", "test_vocabulary"}
SLOW_FIRST = (
    "browser", "second browser", "models", "test_student_metrics", "test_train_command", "test_batch",
    "wheel", "test_extras", "test_isolation", "test_student", "test_transcription", "test_cli", "test_encoders",
    "test_sound_events", "test_serve", "test_distributed", "databases",
)  # fmt: skip


@pytest.hookimpl(tryfirst=True)  # before xdist reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark each test by what it needs, give it a group, and begin with the groups that take longest."""
    for item in items:
        used, file = set(getattr(item, "fixturenames", ())), item.path.stem
        if used & BROWSER_FIXTURES:
            kind, group = "browser", BROWSERS[file in SECOND_BROWSER]
        elif used & MODEL_FIXTURES:
            kind, group = "models", "models"
        elif used & DATABASE_FIXTURES:
            kind, group = "unit", "databases"
        else:
            kind, group = "models" if file in MODEL_FILES else "unit", file
        if item.get_closest_marker("xdist_group") is None:
            item.add_marker(pytest.mark.xdist_group(group))
        if item.get_closest_marker("models") is None:
            item.add_marker(getattr(pytest.mark, kind))
    order = {group: place for place, group in enumerate(SLOW_FIRST)}
    items.sort(key=lambda item: order.get(item.get_closest_marker("xdist_group").args[0], len(order)))


def pytest_collection_finish() -> None:
    """What was imported stays to the end: to look through all of it for garbage, again and again, would take seconds."""
    gc.freeze()
    gc.enable()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_node_collection_finished(node, ids: list[str]) -> None:
    """Stop if xdist does not see the groups: every worker would load every model, which costs minutes and is easily missed."""
    if node.config.getoption("dist") == "loadgroup" and not all("@" in name for name in ids):
        pytest.exit("pytest-xdist sees no groups of tests; see the bound of pytest in requirements/dev.txt", returncode=1)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item):
    """Of the tests of the page, two files show what they reach: all would take half as long again."""
    measured = getattr(item.config.pluginmanager.get_plugin("_cov"), "cov_controller", None)
    of_the_page, file = item.get_closest_marker("browser") is not None, item.path.stem
    if measured is None or not (file in UNMEASURED_FILES or (of_the_page and file not in MEASURED_PAGE_FILES)):
        return (yield)
    measured.pause()
    try:
        return (yield)
    finally:
        measured.resume()


@pytest.fixture(scope="session")
def examples():
    return {example.slug: example for example in load_examples()}


@pytest.fixture(scope="session")
def analyzer():
    from medalign.pipeline.analyzer import Analyzer

    analyzer = Analyzer.default()
    encoder = analyzer.listener.student.encoder
    encoder.forward = _once(encoder.forward)
    return analyzer


def _once(forward: Callable) -> Callable:
    """A frozen encoder's forward pass, which runs once for equal input. `forgetful` takes it away."""
    hidden_states: dict[bytes, object] = {}

    def forward_once(features):
        key = hashlib.sha256(features.values.numpy().tobytes()).digest()
        if key not in hidden_states:
            hidden_states[key] = forward(features)
        return hidden_states[key]

    return forward_once


@pytest.fixture
def forgetful(analyzer, monkeypatch):
    """The encoder computes each time, for tests of what is computed twice."""
    monkeypatch.delattr(analyzer.listener.student.encoder, "forward")


@pytest.fixture(scope="session")
def transcriber(analyzer):
    return analyzer.transcriber


@pytest.fixture(scope="session")
def student(analyzer):
    return analyzer.listener.student


@pytest.fixture(scope="session")
def analyses(examples):
    """The stored analysis of each clean example, by slug; `test_examples` compares them with what the models say today."""
    paths = {slug: analysis_path(example.audio_path) for slug, example in examples.items()}
    return {slug: Analysis.from_dict(json.loads(path.read_text(encoding="utf-8"))) for slug, path in paths.items()}


@pytest.fixture(scope="session")
def streamed(analyzer):
    """Today's steps of an analysis, and the analysis; what sounds the same and has the same name is analysed once."""
    done: dict[tuple[str, bytes], list] = {}

    def stream(source) -> list:
        recording = recording_of(source)
        key = recording.name, recording.waveform.tobytes()
        if key not in done:
            done[key] = list(analyzer.stream(source))
        return done[key]

    return stream


@pytest.fixture(scope="session")
def heard(analyzer, examples):
    """The clean example with a slug as the student hears it today: a tenth of the work of `live`."""
    return functools.cache(lambda slug: analyzer.listener.encode(recording_of(examples[slug].audio_path)))


@pytest.fixture(scope="session")
def live(streamed, examples):
    """Today's analysis of the clean example with a slug."""
    return lambda slug: streamed(examples[slug].audio_path)[-1]


@pytest.fixture
def models_at_hand(analyzer, streamed, analyses, examples, monkeypatch):
    """What loads the default models gets this session's; a recording that was analysed, or ships so, is not analysed again."""
    from medalign.models import transcription
    from medalign.models.device import choose_device
    from medalign.pipeline.analyzer import Analyzer
    from medalign.pipeline.listener import Listener

    kept = copy.copy(analyzer)
    slugs = {example.audio_path.name: slug for slug, example in examples.items()}

    def stream(source, custom=()):
        if custom:
            return analyzer.stream(source, custom)
        recording = recording_of(source)
        slug = slugs.get(recording.name)
        if slug and np.array_equal(recording.waveform, recording_of(examples[slug].audio_path).waveform):
            return iter([analyses[slug]])
        return iter(streamed(source))

    kept.stream = stream

    def instead(door: object, name: str, model: object) -> None:
        def load(*names: str, **options: str) -> object:
            asked = ModelOptions(*names, **options)
            assert asked in (ModelOptions(), ModelOptions(device=choose_device("auto"))), "only the defaults are at hand"
            return model

        monkeypatch.setattr(door, name, load)

    instead(Analyzer, "default", kept)
    instead(Listener, "default", analyzer.listener)
    instead(transcription, "load_transcriber", analyzer.transcriber)


@pytest.fixture(scope="session")
def training_cache(tmp_path_factory):
    """Where training and measuring keep encoded recordings and texts, by their content: each is encoded once a session."""
    with pytest.MonkeyPatch.context() as patch:
        from medalign.training import align

        patch.setattr(align, "Teacher", functools.cache(align.Teacher))  # nobody changes a teacher
        yield tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="session")
def untrained_whisper(tmp_path_factory):
    """A folder with a tiny Whisper that has learnt nothing."""
    import torch
    import transformers

    config = transformers.WhisperConfig(
        d_model=32, encoder_layers=2, decoder_layers=1, encoder_attention_heads=2, decoder_attention_heads=2,
        encoder_ffn_dim=48, decoder_ffn_dim=48, vocab_size=8, pad_token_id=0, bos_token_id=1, eos_token_id=2,
        decoder_start_token_id=3,
    )  # fmt: skip
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("whisper")
    transformers.AutoModel.from_config(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def cut(examples, tmp_path_factory):
    """Writes some seconds of an example to a WAV file, and returns its path: where a whole consultation says no more."""
    folder = tmp_path_factory.mktemp("cuts")

    def write(slug: str, start_s: float, end_s: float) -> Path:
        path = folder / f"{slug} {start_s:g}-{end_s:g}.wav"
        if not path.exists():
            first, last = round(start_s * SAMPLE_RATE_HZ), round(end_s * SAMPLE_RATE_HZ)
            samples, rate_hz = soundfile.read(examples[slug].audio_path, start=first, stop=last, dtype="int16")
            soundfile.write(path, samples, rate_hz, subtype="PCM_16")
        return path

    return write


@pytest.fixture
def write_wav(tmp_path):
    """Writes a waveform to a WAV file and returns its path."""

    def write(name: str, waveform: np.ndarray, sample_rate_hz: int = SAMPLE_RATE_HZ, subtype: str = "PCM_16") -> str:
        path = tmp_path / name
        soundfile.write(path, waveform, sample_rate_hz, subtype=subtype)
        return str(path)

    return write


@pytest.fixture(scope="session")
def not_speech():
    """Ten seconds each of what a recogniser likes to hallucinate over, by name."""
    rng = np.random.default_rng(0)
    n = 10 * SAMPLE_RATE_HZ
    spectrum = np.fft.rfft(rng.standard_normal(n)) / np.sqrt(np.arange(1, n // 2 + 2))
    pink = np.fft.irfft(spectrum, n)
    return {
        "silence": np.zeros(n),
        "pink noise": 0.1 * pink / np.sqrt(np.mean(pink**2)),
        "a 440 Hz tone": 0.3 * np.sin(2 * np.pi * 440 * np.arange(n) / SAMPLE_RATE_HZ),
    }


@pytest.fixture
def closed_folder(tmp_path):
    """A folder that this process may not enter, even where the tests run as root."""
    folder = tmp_path / "closed"
    folder.mkdir()
    folder.chmod(0)
    was_root = os.geteuid() == 0
    if was_root:
        os.seteuid(65534)  # nobody; root enters everywhere
    try:
        yield folder
    finally:
        if was_root:
            os.seteuid(0)
        folder.chmod(0o700)


# For the tests of feedback, which run on both kinds of databases.


@pytest.fixture(scope="session")
def postgresql():
    with PostgreSQL() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request, tmp_path) -> OwnDatabase:
    if request.param == "postgresql":
        return request.getfixturevalue("postgresql").new_database()
    path = tmp_path / "kept" / "feedback.sqlite3"
    return OwnDatabase(str(path), path)


# For the page's tests. All share one server, one browser and two of its tabs (see `shared_page`); a test that needs a server
# or a reader of its own makes them with `fake_server` and `watched_page`.


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    item.stash[FAILED] = item.stash.get(FAILED, False) or report.failed
    return report


@pytest.fixture(scope="session")
def gradio_folder(tmp_path_factory):
    """Gradio's uploads of these tests, away from those of anything else on this machine."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("gradio")
        patch.setenv("GRADIO_TEMP_DIR", str(folder))
        yield folder


@pytest.fixture(scope="session")
def playwright():
    with sync_playwright() as started:  # there can be one only in a process
        yield started


@pytest.fixture(scope="session")
def tone(tmp_path_factory):
    return page_fixtures.write_tone(tmp_path_factory.mktemp("audio") / "tone.wav")


@pytest.fixture(scope="session")
def browser(playwright, tone):
    """Its microphone, which a context must be permitted to use, hears the tone."""
    with chromium(playwright, *hearing(tone)) as launched:
        yield launched


@pytest.fixture(scope="session")
def session_server(gradio_folder, tmp_path_factory, tone):
    with shared_server(tmp_path_factory.mktemp("shared"), tone) as started:
        yield started


@pytest.fixture
def server(session_server):
    """The shared server as a test finds it: nothing exchanged, nothing in its store."""
    session_server.reset()
    return session_server


@pytest.fixture
def store(server):
    """The shared server's."""
    return server.store


@pytest.fixture(scope="session")
def context(browser):
    return new_context(browser)


@pytest.fixture(scope="session")
def session_tab(context):
    return context.new_page()


@pytest.fixture
def tab(session_tab):
    """Empty, of the usual size, and on a screen, whatever the test before has left."""
    session_tab.set_viewport_size(VIEWPORT)
    session_tab.emulate_media(media="screen")
    return session_tab


@pytest.fixture
def page(tab, server):
    """The page as a reader finds it; what a test does there is gone with the test."""
    with visit(tab, server.url) as opened:
        yield opened


@pytest.fixture
def microphone(context, server):
    """The shared server's page may use it, as long as the test lasts."""
    context.grant_permissions(["microphone"], origin=server.url)
    yield
    context.clear_permissions()


@pytest.fixture
def result(page):
    """The page with the result that it opens with, analysed beforehand; all but its figures open, to do with as one likes."""
    wait_for_result(page)
    unfold(page, *(fold for fold in FOLDS if fold != "depth"))  # whose figures take as long as all else
    return page


@pytest.fixture(scope="session")
def shown_result(session_tab, session_server):
    return Shown(session_tab, session_server.url, show_live)


@pytest.fixture
def shown(request, shown_result, server):
    """A page with a result that is there already, for a test that only reads it or puts back what it changes.

    Answers to questions (why, search, comparison) may stay: the next question replaces them.
    """
    yield from _read(request, shown_result)


@pytest.fixture(scope="session")
def opened_page(session_tab, session_server):
    return Shown(session_tab, session_server.url)


@pytest.fixture
def opened(request, opened_page, server):
    """A page as it opens, where nothing was pressed, for a test that leaves it so."""
    yield from _read(request, opened_page)


def _read(request, shared: Shown):
    try:
        with shared.reading() as page:
            yield page
    finally:
        if request.node.stash[FAILED]:
            shared.discard()


@pytest.fixture
def stored_example(tone, tmp_path):
    """An example with its result beside it, for servers of a test's own."""
    return page_fixtures.write_stored(tmp_path, tone)
