"""The map of the package: who may import whom, and who is the door to which heavy library.

When the design changes, this table changes in the same commit.
"""

import ast
import subprocess
import sys
from pathlib import Path

PACKAGE = Path(__file__).parents[1] / "medalign"

# An import points to a lower number, or stays inside the same folder.
LAYERS = {
    "medalign": 0,
    "medalign.errors": 0,
    "medalign.arrivals": 0,
    "medalign.transcript": 0,
    "medalign.analysis": 1,
    "medalign.audio": 1,
    "medalign.alignment": 1,
    "medalign.weights": 1,
    "medalign.whisper_encoder": 1,
    "medalign.head": 2,
    "medalign.encoders": 2,
    "medalign.voice_encoder": 2,
    "medalign.speakers": 3,
    "medalign.adapters": 3,
    "medalign.concepts": 2,
    "medalign.teacher": 2,
    "medalign.log_mel": 1,
    "medalign.transcription": 2,
    "medalign.student": 4,
    "medalign.zero_shot": 3,
    "medalign.words": 2,
    "medalign.testimony": 4,
    "medalign.alarm": 2,
    "medalign.signs": 2,
    "medalign.fusion": 5,
    "medalign.second_pass": 3,
    "medalign.correction": 5,
    "medalign.evaluation": 4,
    "medalign.training": 5,
    "medalign.training.observation": 7,
    "medalign.training.corrections": 8,
    "medalign.training.alarm": 8,
    "medalign.training.fusion": 8,
    "medalign.training.augmentation": 2,
    "medalign.training.large_batch": 1,
    "medalign.training.distributed": 1,
    "medalign.listener": 6,
    "medalign.analyzer": 7,
    "medalign.figures": 4,
    "medalign.passage_figures": 7,
    "medalign.summary": 3,
    "medalign.comparison": 3,
    "medalign.standings": 3,
    "medalign.agreement": 4,
    "medalign.checks": 2,
    "medalign.passage": 1,
    "medalign.reliability": 4,
    "medalign.result_figures": 5,
    "medalign.footprint": 7.5,  # the engine weighed
    "medalign.editing": 2,
    "medalign.shared_space": 2,
    "medalign.explanation": 6.5,  # between the ear and the engine
    "medalign.export": 3,
    "medalign.fhir_observation": 2,
    "medalign.fhir": 4,
    "medalign.printable": 4,
    "medalign.feedback": 6,
    "medalign.ui": 8,
    "medalign.benchmark": 8,
    "medalign.cli": 9,
    "medalign.__main__": 10,
}
DOORS = {
    "faster_whisper": {"medalign.transcription", "medalign.log_mel"},
    "sentence_transformers": {"medalign.teacher"},
    "transformers": {
        "medalign.training",
        "medalign.whisper_encoder",
        "medalign.encoders",
        "medalign.teacher",
        "medalign.voice_encoder",
    },
    "peft": {"medalign.adapters"},
    "plotly": {"medalign.figures", "medalign.result_figures", "medalign.passage_figures"},
    "choix": {"medalign.standings"},
    "nltk": {"medalign.agreement"},
    "av": {"medalign.audio", "medalign.training.augmentation"},
    "huggingface_hub": {"medalign.weights"},
    "gradio": {"medalign.ui"},
    "sklearn": {"medalign.training", "medalign.training.corrections", "medalign.training.alarm", "medalign.training.fusion"},
    "jiwer": {"medalign.evaluation"},
    "pydantic": {"medalign.analysis"},
    "sqlalchemy": {"medalign.feedback"},
    "accelerate": {"medalign.training", "medalign.training.distributed"},
}


def modules() -> dict[str, ast.Module]:
    found = {}
    for path in PACKAGE.rglob("*.py"):
        parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        found[name] = ast.parse(path.read_text(encoding="utf-8"))
    return found


def imported(tree: ast.Module) -> set[str]:
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
    return names


def room(module: str) -> str:
    """The entry of `LAYERS` that a module belongs to: itself, or its folder."""
    return module if module in LAYERS else module.rsplit(".", 1)[0]


def test_imports_point_downwards():
    wrong = []
    for module, tree in modules().items():
        for target in imported(tree):
            if target.split(".")[0] != "medalign" or room(target) == room(module):
                continue
            if LAYERS[room(target)] >= LAYERS[room(module)]:
                wrong.append(f"{module} (layer {LAYERS[room(module)]}) imports {target} (layer {LAYERS[room(target)]})")
    assert not wrong, wrong


def test_each_heavy_library_has_one_door():
    wrong = [
        f"{module} imports {target}; its door is {sorted(DOORS[target.split('.')[0]])}"
        for module, tree in modules().items()
        for target in imported(tree)
        if target.split(".")[0] in DOORS and room(module) not in DOORS[target.split(".")[0]]
    ]
    assert not wrong, wrong


def test_the_page_is_up_before_any_model_library():
    code = (
        "import sys, medalign.ui.page; "
        "print([m for m in ('torch', 'transformers', 'sentence_transformers', 'faster_whisper') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_importing_the_package_loads_nothing_heavy():
    code = (
        "import sys, medalign, medalign.__main__; "
        "print([m for m in ('torch', 'transformers', 'faster_whisper', 'gradio', 'plotly') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
