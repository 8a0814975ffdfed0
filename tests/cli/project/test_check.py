import json
from pathlib import Path

import pytest

from tests.cli.results import result_of, text_of


def test_check_tells_all_and_exits_with_2(root: Path) -> None:
    (root / "shared-config.json").write_text('{"bild": {}}')
    (root / "versions" / "3.12.10-a").mkdir()
    result = result_of(root, "check")
    assert result.exit_code == 2
    a, x = result.data["versions"]
    assert (a["version"], x["version"]) == ("3.12.10-a", "3.12.10-x")
    assert [len(a["problems"]), len(x["problems"])] == [2, 1]
    assert text_of(result).count('unknown key "bild"') == 1
    assert text_of(result).endswith("2 versions, 2 errors, 0 warnings.\n")


@pytest.mark.filterwarnings("ignore:open_text is deprecated:DeprecationWarning")  # pbs-installer's matter
def test_check_of_a_project_in_order_exits_with_0(root: Path) -> None:
    own = root / "versions" / "3.12.10-x" / "config.json"
    value = json.loads(own.read_text())
    own.write_text(json.dumps({**value, "registries": {}}))
    result = result_of(root, "check", "3.12.10-x")
    assert result.exit_code == 0
    assert result.data == {
        "versions": [{"version": "3.12.10-x", "problems": (), "warnings": ()}],
        "notes": [],
        "unusedExceptions": [],
    }
    assert text_of(result) == "3.12.10-x: ok\n1 version, 0 errors, 0 warnings.\n"
