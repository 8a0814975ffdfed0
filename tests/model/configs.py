"""Configurations for tests: as hypothesis draws them, and as files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from bundle.base.errors import Problems
from bundle.model.config.json_source import Table, parse
from bundle.model.platforms import PLATFORMS

NAMES = st.sampled_from(["torch", "numpy", "foo-bar", "zlib-ng"])
REASON = st.sampled_from(["no wheel there", "too large", "ünsupported"])
PLATFORM = st.sampled_from(list(PLATFORMS))
LIST_OF_NAMES = st.lists(NAMES, unique=True, max_size=4)
REASONS = st.dictionaries(NAMES, st.dictionaries(PLATFORM, REASON, min_size=1, max_size=4), max_size=3)
OVERRIDES = st.dictionaries(NAMES, st.sampled_from(["1.0", "2.0.1"]), max_size=3)
REQUIREMENTS = st.lists(st.sampled_from(["numpy==2.2.6", "torch~=2.7", "foo[bar]>=1"]), unique=True, max_size=3)
COPY_FILES = st.lists(
    st.fixed_dictionaries({"from": st.sampled_from(["bin", "etc/x"]), "to": st.just("bin")}), max_size=2
)
RESOLUTION = st.fixed_dictionaries(
    {},
    optional={
        "allowSourceAll": st.booleans(),
        "strictMissing": st.booleans(),
        "allowSourceList": LIST_OF_NAMES,
        "forceNoBinaryList": LIST_OF_NAMES,
        "onlyBinaryList": LIST_OF_NAMES,
    },
)
BUILD_WHEEL = st.fixed_dictionaries(
    {"reason": REASON},
    optional={
        "buildRequires": st.lists(st.sampled_from(["cmake", "ninja>=1.11"]), unique=True, max_size=2),
        "configSettings": st.dictionaries(
            st.sampled_from(["cmake.args", "--global-option"]), st.just("-O2") | st.just(["a", "b"]), max_size=2
        ),
        "network": REASON,
    },
)
PACKAGES = st.fixed_dictionaries(
    {},
    optional={
        "dependencies": REQUIREMENTS,
        "constraints": REQUIREMENTS,
        "hashes": st.dictionaries(NAMES, st.lists(st.just(f"sha256:{'0' * 64}"), max_size=2), max_size=2),
        "overrides": OVERRIDES,
        "skip": REASONS,
        "forceSource": REASONS,
        "buildWheel": st.dictionaries(NAMES, st.dictionaries(PLATFORM, BUILD_WHEEL, max_size=3), max_size=2),
        "noDeps": LIST_OF_NAMES,
        "resolution": RESOLUTION,
        "copyFiles": COPY_FILES,
        "sets": st.dictionaries(
            st.sampled_from(["gpu", "old-numpy", "1"]),
            st.fixed_dictionaries({"dependencies": REQUIREMENTS}, optional={"overrides": OVERRIDES}),
            max_size=2,
        ),
        "platformSpecific": st.dictionaries(
            PLATFORM,
            st.fixed_dictionaries(
                {},
                optional={
                    "dependencies": REQUIREMENTS,
                    "copyFiles": COPY_FILES,
                    "resolution": RESOLUTION,
                    "overrides": OVERRIDES,
                    "noDeps": LIST_OF_NAMES,
                },
            ),
            max_size=3,
        ),
    },
)
URLS = ["https://a.example/simple", "https://b.example/simple", "https://c.example/simple"]
REGISTRIES = st.fixed_dictionaries(
    {},
    optional={
        "default": st.sampled_from(URLS),
        "additional": st.lists(
            st.sampled_from(URLS)
            | st.fixed_dictionaries(
                {"url": st.sampled_from(URLS), "packages": st.lists(NAMES, unique=True, min_size=1, max_size=3)}
            ),
            unique_by=lambda one: one if isinstance(one, str) else str(one["url"]),
            max_size=3,
        ),
    },
)
BUILD = st.fixed_dictionaries(
    {},
    optional={
        "enableLogging": st.booleans(),
        "parallelDownloads": st.booleans() | st.integers(1, 64),
        "timeout": st.integers(1, 7200),
        "layout": st.sampled_from(["installed", "wheelhouse", "both"]),
        "archives": st.dictionaries(
            PLATFORM, st.lists(st.sampled_from(["tar.zst", "tar.gz", "zip"]), unique=True, min_size=1), max_size=3
        ),
        "bytecode": st.booleans(),
        "glibc": st.sampled_from(["2.17", "2.28"]),
        "macos": st.sampled_from(["11.0", "13.0"]),
    },
)
CONFIGS: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {},
    optional={
        "registries": REGISTRIES,
        "interpreter": st.fixed_dictionaries(
            {},
            optional={
                "sources": st.lists(st.sampled_from(["host", "archive"]), unique=True, min_size=1),
                "mirror": st.just("https://mirror.example"),
                "substitute": st.sampled_from(["never", "patch"]),
            },
        ),
        "platforms": st.lists(PLATFORM, unique=True, min_size=1),
        "packages": PACKAGES,
        "build": BUILD,
    },
)
"""Configurations that the schema takes, with normalised names and without `null`."""


def table(value: dict[str, Any], file: str = "shared-config.json") -> Table:
    """Return a configuration as if read from a file with one value per line."""
    node = parse(json.dumps(value, indent=1), file, Problems())
    assert isinstance(node, Table)
    return node


def write_project(root: Path, shared: Any, **versions: Any) -> Path:
    """Write a project; a version `3.12.10-x` is given as `**{"3.12.10-x": {...}}`."""
    (root / "shared-config.json").write_text(json.dumps(shared, indent=2), encoding="utf-8")
    for name, value in versions.items():
        folder = root / "versions" / name
        folder.mkdir(parents=True)
        (folder / "config.json").write_text(json.dumps(value, indent=2), encoding="utf-8")
    return root
