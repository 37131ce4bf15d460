"""Results of examples that were computed beforehand, as the page shows them."""

from dataclasses import replace

from medalign.cli.serve import offers
from medalign.core.examples import load_examples
from medalign.ui import stored
from medalign.ui.stored import opening, prepare, show


def test_a_stored_result_that_is_missing_is_one_sentence(tmp_path):
    (example, *_) = offers(load_examples(), with_results=True)
    *_, last = show(replace(example, analysis_path=tmp_path / "gone.json"))
    assert "is missing" in last.parts["alert"] and "medalign precompute" in last.parts["alert"]


def test_a_page_opens_with_the_first_example_whose_result_can_be_read(tmp_path):
    first, second, *_ = offers(load_examples(), with_results=True)
    (tmp_path / "broken.json").write_text("{")
    broken, never = replace(first, analysis_path=tmp_path / "broken.json"), replace(first, analysis_path=None)
    shown, parts = opening([never, broken, second])
    assert shown == second and second.title in str(parts["heading"]) and parts["status"] == ""
    assert opening([never, broken]) == (None, {})


def test_examples_are_prepared_before_anybody_presses_them(tmp_path):
    first, *_ = offers(load_examples(), with_results=True)
    (tmp_path / "broken.json").write_text("{")
    prepare([replace(first, analysis_path=tmp_path / "broken.json"), first]).join()
    made = stored._answer.cache_info().misses
    assert len(list(show(first))) == 2 and stored._answer.cache_info().misses == made
