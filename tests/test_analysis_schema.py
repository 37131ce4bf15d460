"""The published JSON Schema is what the types say, and what MedAlign writes follows it."""

import json

import pytest
from jsonschema import Draft202012Validator
from page_fixtures import analysis, hostile_analysis, silent_analysis

from medalign.cli import main
from medalign.core.analysis_schema import SCHEMA_FILE, analysis_schema
from medalign.core.assets import EXAMPLES


@pytest.fixture(scope="module")
def validator():
    schema = json.loads(SCHEMA_FILE.read_text(encoding="utf-8"))
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


def test_the_committed_schema_is_what_the_command_prints_from_the_types(capsys):
    assert main(["schema"]) == 0
    assert capsys.readouterr().out == SCHEMA_FILE.read_text(encoding="utf-8"), "run `medalign schema > " + SCHEMA_FILE.name
    assert analysis_schema()["properties"]["schema_version"] == {"const": "2.4"}


def test_the_analyses_of_the_examples_follow_it(validator):
    paths = sorted(EXAMPLES.glob("analyses/*.json"))
    assert len(paths) == 6
    for path in paths:
        validator.validate(json.loads(path.read_text(encoding="utf-8")))


@pytest.mark.parametrize("make", [analysis, hostile_analysis, silent_analysis])
def test_what_is_written_follows_it(validator, make):
    validator.validate(json.loads(json.dumps(make().to_dict())))


@pytest.mark.parametrize(
    "spoil",
    [
        lambda body: body.pop("concepts"),
        lambda body: body.update(unknown=1),
        lambda body: body.update(schema_version="1.0"),
        lambda body: body["transcript"].pop("text"),
        lambda body: body["concepts"][0].update(status="maybe"),
        lambda body: body["recording"].update(duration_s="12"),
        lambda body: body["alignment"]["windows"][0].pop("score"),
    ],
)
def test_what_is_not_an_analysis_does_not(validator, spoil):
    body = json.loads(json.dumps(analysis().to_dict()))
    spoil(body)
    assert not validator.is_valid(body)
