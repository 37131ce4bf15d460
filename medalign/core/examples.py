"""The example consultations that ship with MedAlign, read: invented, spoken by synthetic voices, with the truth beside them.

Each one is `assets/examples/<slug>.json`, written by hand: who says what, in which voice, and which concepts a clinician
would note. `tests/make_examples.py` made the recordings from them.
"""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from medalign.core.assets import EXAMPLES
from medalign.core.errors import DataError
from medalign.core.files import read_json, reading, typed

COMPARED = "chest-pain"  # the example on which the page shows what the alignment adds
_REMEDY = "write it anew with `python tests/make_examples.py`, in a checkout"


@dataclass(frozen=True)
class Turn:
    """One speaker's words until the other begins; the times enclose the voice, without the pause around it."""

    speaker: str
    text: str
    start_s: float
    end_s: float


@dataclass(frozen=True)
class ExpectedConcept:
    """What a clinician would note; each concept has one status in a consultation.

    As in `medalign.concepts.context`, "hypothetical" includes what is advised or newly prescribed.
    """

    label: str  # as a clinician would say it, not necessarily the ontology's name
    system: str  # HPO, ICD-10-CM or DRUG
    code: str  # "HP:0012735", "J45.909"; a medicine's generic name in lower case
    status: str  # one of analysis.Status


@dataclass(frozen=True)
class Noise:
    """Background noise added to a second version of a consultation."""

    kind: str  # "pink+babble": equal powers of pink noise and of four people talking
    snr_db: float  # power while somebody speaks over the power of the noise


@dataclass(frozen=True)
class Example:
    """One consultation with its recording and its truth."""

    slug: str
    title: str
    summary: str
    voices: dict[str, str]  # speaker -> name in `voices.VOICES`
    turns: tuple[Turn, ...]
    expected_concepts: tuple[ExpectedConcept, ...]
    noise: Noise | None
    audio_path: Path
    noisy_audio_path: Path | None  # None without noise
    duration_s: float

    @property
    def text(self) -> str:
        return " ".join(turn.text for turn in self.turns)


def load_examples(folder: Path = EXAMPLES) -> tuple[Example, ...]:
    """All consultations with their recordings, sorted by slug.

    Raises:
        DataError: if there are none, or a file is missing or malformed.
    """
    return tuple(_load_example(path) for path in script_paths(folder))


def analysis_path(audio_path: Path) -> Path:
    """Where `medalign precompute` keeps the result of an example's recording."""
    return audio_path.parent / "analyses" / f"{audio_path.stem}.json"


def unaligned_path(audio_path: Path) -> Path:
    """Where it keeps what the encoder hears there before its alignment; of `COMPARED` alone."""
    return audio_path.parent / "unaligned" / f"{audio_path.stem}.json"


def _load_example(script_path: Path) -> Example:
    stem, folder = script_path.stem, script_path.parent
    script, timing = read_script(script_path), read_script(folder / f"{stem}.timing.json")
    with reading(f"{script_path.name} or its timing is not as expected", error=DataError, remedy=_REMEDY):
        if timing["script"] != script_fingerprint(script):
            raise DataError(f"{script_path.name} was changed after it was spoken; {_REMEDY}")
        turns = [spoken | when for spoken, when in zip(script["turns"], timing["turns"], strict=True)]
        noisy = f"{folder / stem}-noisy.flac" if script["noise"] else None
        files = {"audio_path": f"{folder / stem}.flac", "noisy_audio_path": noisy}
        example = typed({**script, "turns": turns, "duration_s": timing["duration_s"], **files}, Example)
    for path in filter(None, (example.audio_path, example.noisy_audio_path)):
        if not path.is_file():
            raise DataError(f"the recording {path.name} is missing in {folder}; {_REMEDY}")
    return example


def script_paths(folder: Path) -> list[Path]:
    paths = sorted(path for path in folder.glob("*.json") if not path.name.endswith(".timing.json"))
    if not paths:
        raise DataError(f"no example consultations in {folder}; run MedAlign from a checkout that has its assets folder")
    return paths


def read_script(path: Path) -> dict:
    return read_json(path, dict, error=DataError, remedy=_REMEDY)


def script_fingerprint(script: dict) -> str:
    """Of everything that can be heard, so that an edited script can't be taken for what its recording says."""
    audible = json.dumps([script["voices"], script["turns"], script["noise"]], sort_keys=True)
    return hashlib.sha256(audible.encode()).hexdigest()[:16]
