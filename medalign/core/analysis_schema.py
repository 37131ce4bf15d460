"""The JSON Schema (draft 2020-12) of `Analysis.to_dict()`, made from the types.

After a change of the types: `medalign schema > medalign/core/analysis.schema.json`.
"""

from pathlib import Path
from typing import Any

from medalign.core.analysis import DISCLAIMER, SCHEMA_VERSION, Analysis

SCHEMA_FILE = Path(__file__).with_name("analysis.schema.json")  # what `analysis_schema` gave, for other programs


def analysis_schema() -> dict[str, Any]:
    """The schema, as plain dicts. Every key is required and no other is allowed, since `to_dict` writes every field."""
    from pydantic import TypeAdapter

    schema = TypeAdapter(Analysis).json_schema(mode="serialization")
    definitions = schema.pop("$defs")
    # What `to_dict` adds to the fields.
    definitions["Transcript"]["properties"]["text"] = {"type": "string"}
    schema["properties"] = {
        "schema_version": {"const": SCHEMA_VERSION},
        **schema["properties"],
        "disclaimer": {"const": DISCLAIMER},
    }
    for value in (schema, *definitions.values()):
        value["required"] = list(value["properties"])
        value["additionalProperties"] = False
        for field in value["properties"].values():
            for key in ("default", "title"):
                field.pop(key, None)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "$defs": definitions}
