"""A little of `tests/fuzz.py`, which publishes what became of ten thousand files."""

import json
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.slow
def test_damaged_files_become_a_value_or_one_sentence_and_leave_nothing(tmp_path):
    program, report = Path(__file__).with_name("fuzz.py"), tmp_path / "fuzz.json"
    command = [sys.executable, program, "--files", "230", "--seed", "2", "--json", report]
    done = subprocess.run(command, capture_output=True, text=True)
    figures = json.loads(report.read_text())
    assert figures["details"] == [] and done.returncode == 0, done.stderr
    assert figures["decoded"] > 50 and figures["read"] > 0 and figures["refused"] > 100, "not all of it should be rubbish"
    assert figures["decoded"] + figures["read"] + figures["refused"] == 230
