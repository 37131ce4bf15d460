"""Clinical reports from structured metadata: what the teacher reads about a heart, lung or cough recording.

The default is a template: sentences in several wordings, drawn by a seeded generator, which say what the metadata say and
nothing else. A causal language model by name may write in its place; what it writes is checked, and a report that fails is
a row with a status and no text. Labels that are to be predicted later can be withheld from the text.

Source: AcuLa (arXiv 2512.04847) has reports written by GPT-4o; its published prompt is for heart sounds only. Nothing of it
is used here.
"""

import hashlib
import os
import re
import tomllib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from medalign.core.errors import DataError, WeightsError
from medalign.core.files import reading
from medalign.core.tables import read_rows, write_rows
from medalign.core.weights import resolve
from medalign.models.pretrained import load_whole
from medalign.training.data.manifest import WITHHELD

COLUMNS = ("path", "text", "group", "subset", "split", "labels", "report_id", "kind", "status", WITHHELD)
# The first of these that a table has; the last is no person.
GROUPS = ("group", "patient_id", "participant_id", "subject_id", "recording_id")
UNKNOWN = {"", "nan", "none", "unknown", "na", "n/a", "not reported"}
# The labels of covid19_cough contradict themselves in one recording of twelve; what is learnt from them is not COVID.
UNRELIABLE = {"covid_status", "reported_covid_status", "pcr_verified", "asymptomatic"}
N_EXAMPLES = 3  # of missing files, in a message
YES, NO = {"1", "true", "yes", "present", "1.0"}, {"0", "false", "no", "absent", "0.0"}

MAX_WORDS = 80  # of a language model's report
MAX_NEW_TOKENS = 120
PROMPT = (
    "Write a clinical note of two or three sentences about a sound recording. State only what the following findings say, "
    "add nothing, advise nothing.\nFindings: {}\nNote:"
)
# Words a report may use only if its metadata do.
FINDINGS = (
    "murmur", "systolic", "diastolic", "crackle", "wheez", "rhonch", "stridor", "pneumonia", "asthma", "copd", "bronch",
    "covid", "fibrosis", "tuberculosis", "stenosis", "regurgitation", "abnormal", "normal", "healthy", "cough", "fever",
    "infection", "male", "female", "shallow", "heavy", "deep", "fast",
)  # fmt: skip


@dataclass(frozen=True)
class Field:
    """One column and the sentences that tell it; `{}` is the value. With `otherwise` the column is yes or no."""

    column: str
    wordings: tuple[str, ...]
    otherwise: tuple[str, ...] = ()

    def sentences(self, value: str) -> tuple[str, ...]:
        if not self.otherwise:
            return tuple(wording.format(value.replace("_", " ").replace("+", ", ")) for wording in self.wordings)
        if value.lower() in YES:
            return self.wordings
        return self.otherwise if value.lower() in NO else ()


def _fields(kind: dict[str, Any]) -> tuple[Field, ...]:
    """The sentences of one kind of sound, as `reports.toml` has them."""
    both = {column: told if isinstance(told, dict) else {"yes": told, "no": ()} for column, told in kind.items()}
    return tuple(Field(column, tuple(told["yes"]), tuple(told["no"])) for column, told in both.items())


_SENTENCES = tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))
KINDS = {kind: _fields(told) for kind, told in _SENTENCES.items()}
WITHOUT_FIELDS = {"cough": "A cough is heard."}  # what the kind itself says where a table has nothing more


def write_reports(
    metadata: Path,
    kind: str,
    out: Path,
    *,
    audio_root: Path = Path(),
    withhold: Sequence[str] = (),
    llm: str | None = None,
    seed: int = 0,
) -> Counter[str]:
    """Write a manifest with one report per recording; how many rows have which status ("template", "llm", "failed").

    Args:
        metadata: CSV with a column `path`, such as `medalign sounds` writes.
        audio_root: the folder that `path` starts from, itself relative to the table's folder.
        withhold: columns that the text must not tell.
        llm: folder or Hub name of a causal language model; None uses the templates.

    Raises:
        DataError: unknown kind, no rows, files that don't exist, a column to withhold that the kind doesn't tell, or one that
            can't be trusted.
        WeightsError: the language model can't be loaded.
    """
    fields, rows = _read(metadata, kind, withhold)
    paths = _found(rows, metadata.parent / audio_root)
    write = _language_model(llm) if llm else None
    group = next((column for column in GROUPS if column in rows[0]), "path")
    labels = [field.column for field in KINDS[kind] if field.column in rows[0]]
    written = []
    for i, (row, path) in enumerate(zip(rows, paths, strict=True)):
        known = {f.column: row[f.column].strip() for f in fields if row[f.column].strip().lower() not in UNKNOWN}
        text, status = _report(kind, fields, known, write, np.random.default_rng([seed, i]))
        about = {
            "path": Path(os.path.relpath(path, out.parent)).as_posix(),
            "text": text,
            "group": row[group] or row["path"],
            "subset": row.get("subset", ""),
            "split": "valid" if row.get("split") == "test" else row.get("split", ""),  # a manifest knows no split "test"
            "labels": (known.get("label") or known.get("sound_type") or "").lower().replace(" ", "_"),
            "report_id": hashlib.sha256(repr((kind, sorted(known.items()))).encode()).hexdigest()[:12],
            "kind": kind,
            "status": status,
            WITHHELD: " ".join(withhold),
        }
        written.append(about | {column: row[column] for column in labels})
    write_rows(out, [*COLUMNS, *labels], written)
    return Counter(row["status"].split(":")[0] for row in written)


def _found(rows: Sequence[dict[str, str]], root: Path) -> list[Path]:
    """The files of the rows. Raises DataError if some don't exist."""
    paths = [root / row["path"] for row in rows]
    if missing := [path for path in paths if not path.is_file()]:
        examples = ", ".join(str(path) for path in missing[:N_EXAMPLES])
        raise DataError(
            f"{len(missing)} of {len(paths)} recordings don't exist, such as {examples}; paths are looked for in "
            f"{root.resolve()}, the table's folder unless --audio-root names another"
        )
    return paths


def _read(metadata: Path, kind: str, withhold: Sequence[str]) -> tuple[list[Field], list[dict[str, str]]]:
    if kind not in KINDS:
        raise DataError(f"kind '{kind}' is unknown; use one of {', '.join(KINDS)}")
    rows = read_rows(metadata, ("path",), remedy="give a table with one row per recording")
    if not rows:
        raise DataError(f"{metadata} has no rows; give one per recording")
    known = [field for field in KINDS[kind] if field.column in rows[0]]
    if unreliable := set(withhold) & UNRELIABLE:
        raise DataError(f"{min(unreliable)} is never reported: its labels contradict themselves; leave --withhold out")
    if unknown := set(withhold) - {field.column for field in known}:
        raise DataError(
            f"{min(unknown)} can't be withheld: of {metadata.name}, {kind} reports tell "
            f"{', '.join(field.column for field in known) or 'nothing'}"
        )
    fields = [field for field in known if field.column not in withhold]
    if not fields and kind not in WITHOUT_FIELDS:
        expected = ", ".join(field.column for field in KINDS[kind])
        raise DataError(f"{metadata} leaves nothing to tell about {kind} sounds; expected some of {expected}")
    return fields, rows


def _report(
    kind: str, fields: Sequence[Field], known: dict[str, str], write: Callable[[str], str] | None, rng: np.random.Generator
) -> tuple[str, str]:
    """Text and status; the text is empty where the status says "failed"."""
    wordings = [found for field in fields if field.column in known and (found := field.sentences(known[field.column]))]
    if not wordings and kind in WITHOUT_FIELDS:
        wordings = [(WITHOUT_FIELDS[kind],)]
    if not wordings:
        return "", "failed: the metadata of this row are empty"
    sentences = [str(rng.choice(found)) for found in wordings]
    text = " ".join(sentence[0].upper() + sentence[1:] for sentence in sentences)
    if write is None:
        return text, "template"
    findings = "; ".join(found[0] for found in wordings)
    written = write(findings)
    fault = fault_of(written, findings)
    return ("", f"failed: {fault}") if fault else (written, "llm")


def fault_of(text: str, findings: str) -> str | None:
    """What is wrong with a generated report, or None: empty, too long, or asserting what the findings don't."""
    words = text.split()
    if not any(c.isalpha() for c in text):
        return "empty"
    if len(words) > MAX_WORDS:
        return f"{len(words)} words, at most {MAX_WORDS}"
    known = findings.lower()
    if numbers := sorted(set(re.findall(r"\d+", text)) - set(re.findall(r"\d+", known))):
        return f"the number {numbers[0]} is not in the metadata"
    # Whole beginnings of words, so that "abnormal" doesn't vouch for "normal".
    for finding in FINDINGS:
        pattern = rf"\b{finding}"
        if re.search(pattern, text.lower()) and not re.search(pattern, known):
            return f"'{finding}' is not in the metadata"
    return None


def _language_model(name: str) -> Callable[[str], str]:
    """Greedy generation by a causal language model, from findings to a report."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    weights = resolve(name, weight_files=("model.safetensors", "pytorch_model.bin", "model.safetensors.index.json"))
    with reading(f"'{name}' can't be loaded as a causal language model", error=WeightsError, remedy="give another --llm"):
        tokenizer = AutoTokenizer.from_pretrained(weights.folder, trust_remote_code=False)
        model = load_whole(AutoModelForCausalLM, weights.folder).eval()

    def write(findings: str) -> str:
        prompt = PROMPT.format(findings)
        if tokenizer.chat_template:
            messages = [{"role": "user", "content": prompt}]
            prompt = str(tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True))
        tokens = tokenizer(prompt, return_tensors="pt").to(model.device)
        how = {"max_new_tokens": MAX_NEW_TOKENS, "do_sample": False, "pad_token_id": tokenizer.eos_token_id}
        written = model.generate(input_ids=tokens.input_ids, attention_mask=tokens.attention_mask, **how)
        return str(tokenizer.decode(written[0, tokens.input_ids.shape[1] :], skip_special_tokens=True)).strip()

    return write
