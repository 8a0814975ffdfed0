"""Wheels with mistakes of their publishers, in a build."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

import pytest

from tests.artifacts.wheelmaker import make_wheel
from tests.make.projects import SmallProject, host_python, small_project
from tests.make.registry import Registry, serving

pytestmark = pytest.mark.real

SITE = "lib/python3.12/site-packages"


def project(folder: Path, registry: str, accept: list[dict[str, str]]) -> SmallProject:
    made = small_project(folder, folder.parent / "cache", registry)
    made.configure(
        packages={"dependencies": ["wrong", "linked", "tagged"]},
        verify={"accept": [{**entry, "reason": "looked at"} for entry in accept]},
    )
    return made


def test_flaws_of_wheels_are_told_together_and_can_be_accepted(tmp_path: Path) -> None:
    host_python()
    published = tmp_path / "published"
    make_wheel(published / "wrong", "wrong", files={"wrong.py": "x = 1\n"}, record={"wrong.py": ("sha256=AAAA", "1")})
    links = {"linked/npm": stat.S_IFLNK | 0o777}
    make_wheel(published / "linked", "linked", files={"linked/npm": "../x", "linked/__init__.py": ""}, modes=links)
    sloppy = {"WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-manylinux_2_28_x86_64\n"}
    make_wheel(published / "tagged", "tagged", files={"tagged.py": ""}, dist_info=sloppy)
    with serving(Registry(published)) as registry:
        refused = project(tmp_path / "refused", registry.url, []).run("build", "3.12.1-small")
        assert refused.code == 4
        assert f"{SITE}/wrong.py differs from the RECORD of wrong-1.0" in refused.errors
        assert f"{SITE}/linked/npm is a link in linked-1.0" in refused.errors
        assert "A mistake of its publisher" in refused.errors
        assert "changed it" not in refused.errors
        entries = [
            {"rule": rule, "files": f"*/{name}"} for rule, name in (("wheel-record", "wrong.py"), ("wheel-link", "npm"))
        ]
        accepting = project(tmp_path / "accepting", registry.url, entries)
        accepting.build()
    manifest: dict[str, Any] = json.loads((accepting.tree / "bundle.json").read_text())
    assert {flaw["rule"] for flaw in manifest["flaws"]} == {"wheel-record", "wheel-link", "wheel-tags"}
    assert [entry["rule"] for entry in manifest["accepted"]] == ["wheel-record", "wheel-link"]
    done = accepting.run("--json", "verify", str(accepting.tree))
    findings = done.json["bundles"][0]["findings"] if "bundles" in done.json else done.json["findings"]
    told = {one["rule"]: (one["severity"], one["accepted"]) for one in findings if one["check"] == "wheels"}
    assert told == {
        "wheel-record": ("error", "looked at"),
        "wheel-link": ("error", "looked at"),
        "wheel-tags": ("note", None),
    }
