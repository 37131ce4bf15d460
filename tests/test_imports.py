"""The map of the package: a wing imports only wings to its left, and each heavy library has one wing."""

import ast
import functools
import subprocess
import sys
import tomllib
from pathlib import Path

from setuptools import find_packages

PACKAGE = Path(__file__).parents[1] / "medalign"

# core < concepts, evaluation < models, feedback < pipeline, report < training, batch; the doors import what they open.
LEFT_TO_RIGHT = (
    {"core"}, {"concepts", "evaluation"}, {"models", "feedback"}, {"pipeline", "report"}, {"training", "batch"},
    {"ui"}, {"cli"},
)  # fmt: skip
RANK = {wing: rank for rank, wings in enumerate(LEFT_TO_RIGHT) for wing in wings}
LIBRARIES = {  # library -> wings that may import it
    "faster_whisper": {"models"},
    "sentence_transformers": {"models", "training"},  # it reads; its trainer adapts
    "datasets": {"training"},
    "transformers": {"models", "training", "evaluation"},
    "peft": {"models"},
    "torch": {"models", "pipeline", "training"},
    "plotly": {"report"},
    "gradio": {"ui"},
    "sqlalchemy": {"feedback"},
    "choix": {"feedback"},
    "nltk": {"feedback"},
    "huggingface_hub": {"core"},
    "av": {"core", "training"},
    "accelerate": {"training"},
    "jiwer": {"evaluation"},
    "ray": {"batch"},
}


@functools.cache
def imports() -> list[tuple[str, str, str, bool]]:
    """Every import: wing, module, what it imports, and whether it stands at the top level of the module."""
    found = []
    for path in PACKAGE.rglob("*.py"):
        parts = path.relative_to(PACKAGE).parts
        if len(parts) == 1:
            continue  # `__init__` and `__main__`, the front door
        tree = ast.parse(path.read_text(encoding="utf-8"))
        top = {id(node) for node in tree.body}
        for node in ast.walk(tree):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            names += [node.module] if isinstance(node, ast.ImportFrom) and node.module else []
            found += [(parts[0], "/".join(parts), name, id(node) in top) for name in names]
    return found


def test_a_wing_imports_only_wings_to_its_left():
    wrong = []
    for wing, module, name, _ in imports():
        target = name.split(".")[1] if name.startswith("medalign.") else None
        if target in RANK and target != wing and RANK[target] >= RANK[wing]:
            wrong.append(f"{module} imports {name}")
    assert not wrong, wrong


def test_the_page_knows_models_by_a_protocol_and_training_is_for_training():
    wrong = [
        f"{module} imports {name}"
        for wing, module, name, at_top in imports()
        if (wing == "ui" and at_top and name.startswith(("medalign.models", "medalign.pipeline", "medalign.training")))
        or (wing not in ("training", "cli") and name.startswith("medalign.training"))
    ]
    assert not wrong, wrong


def test_each_heavy_library_has_its_wing():
    wrong = [
        f"{module} imports {name}"
        for wing, module, name, _ in imports()
        if wing not in LIBRARIES.get(name.split(".")[0], {wing})
    ]
    assert not wrong, wrong


def test_importing_the_package_or_the_page_loads_no_model_library():
    heavy = ("torch", "transformers", "sentence_transformers", "faster_whisper")
    for code, absent in (
        ("import medalign, medalign.__main__", (*heavy, "gradio", "plotly")),
        ("import medalign.ui.page", heavy),
    ):
        code = f"import sys; {code}; print([m for m in {absent} if m in sys.modules])"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert done.stdout.strip() == "[]"


def test_the_public_names_load_on_first_use_and_are_those_of_their_modules():
    import medalign

    for name in medalign.__all__:
        assert getattr(medalign, name) is not None
    assert medalign.load_recording.__module__ == "medalign.core.audio"
    code = "import sys, medalign; print([m for m in ('numpy', 'av', 'pydantic', 'torch') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_every_package_is_listed():
    """Automatic discovery takes no mapped folder, so the list in pyproject.toml is written by hand."""
    listed = set(
        tomllib.loads((PACKAGE.parent / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]["packages"]
    )
    assert listed == {*find_packages(str(PACKAGE.parent), include=["medalign*"]), "medalign.assets"}
