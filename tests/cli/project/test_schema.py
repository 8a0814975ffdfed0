import json

from tests.cli.results import result_of, text_of


def test_the_schema_is_printed_as_it_is_shipped() -> None:
    result = result_of(None, "schema")
    assert json.loads(text_of(result)) == result.data
