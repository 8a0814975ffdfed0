from __future__ import annotations

import pytest

from bundle.model.acceptance import Acceptance, package_and_versions

ENTRY = Acceptance(rule="import-fails", files="*/PIL/*", error="no Tk", reason="known")


def entry(package: str) -> Acceptance:
    return Acceptance(rule="a", package=package, reason="known")


def test_an_acceptance_fits_files_or_modules() -> None:
    assert ENTRY.fits(["lib/python3.12/site-packages/PIL/_imagingtk.so"])
    assert not ENTRY.fits(["lib/PILLOW/a"])
    assert entry("scipy").fits([""])
    modules = Acceptance(rule="a", files="scipy.linalg.*", reason="known")
    assert modules.fits(["lib/scipy/linalg/_a.so", "scipy.linalg._a"])


@pytest.mark.parametrize(
    ("text", "package", "version", "named"),
    [
        ("", "", "", True),
        ("scipy", "scipy", "1.0", True),
        ("SciPy <1.19, >=1.17", "scipy", "1.18.1", True),
        ("scipy<1.19", "scipy", "1.19.0", False),
        ("scipy<1.19", "scipy", "1.19rc1", False),
        ("scipy<2", "scipy", "1.19rc1", True),
        ("scipy<1.19", "scikit-learn", "1.0", False),
        ("nvidia_*", "nvidia-nccl-cu12", "2.2", True),
        ("jupyter*==1.*", "jupyter-core", "1.4", True),
        ("foo<2", "foo", "no version", False),
        ("foo", "foo", "no version", True),
        ("foo", "", "", False),
    ],
)
def test_a_package_has_a_glob_and_versions(text: str, package: str, version: str, named: bool) -> None:
    assert entry(text).names(package, version) is named


def test_what_is_no_package_is_an_error() -> None:
    for text in ("", "<2", "foo<", "foo bar", "foo==1==2"):
        with pytest.raises(ValueError, match=r".*"):
            package_and_versions(text)


def test_what_an_entry_leaves_out_is_no_key() -> None:
    assert list(ENTRY.as_json()) == ["rule", "files", "error", "reason"]
    assert list(Acceptance(rule="a", files="b", reason="c").as_json()) == ["rule", "files", "reason"]
    assert list(entry("b").as_json()) == ["rule", "package", "reason"]
