"""The list of the files that stand in a folder, for bundles that tests put together by hand."""

from __future__ import annotations

import hashlib
import json
import stat
from dataclasses import replace
from pathlib import Path

from bundle.base.folders import listing
from bundle.base.report import Reporter
from bundle.make.verify.checks.comparison import kind_of
from bundle.make.verify.checks.contents import read_contents
from bundle.make.verify.checks.policy import Policy
from bundle.make.verify.checks.subject import Subject
from bundle.model.file_list import DESCRIPTIONS, FILE_LIST, FileList, ListedEntry, ListedLayer
from bundle.model.manifest import MANIFEST, Manifest


def with_list(root: Path, manifest: Manifest) -> Manifest:
    """List everything in a folder as it stands; return the manifest with the list's hash, and with its one layer."""
    entries = []
    for path, status in sorted(listing(root).items()):
        kind, mode = kind_of(status), stat.S_IMODE(status.st_mode)
        if path in DESCRIPTIONS:
            continue
        if kind == "file":
            content = (root / path).read_bytes()
            entries.append(ListedEntry(path, mode, len(content), hashlib.sha256(content).hexdigest(), None))
        else:
            target = str((root / path).readlink()) if kind == "symlink" else None
            entries.append(ListedEntry(path, 0 if target else mode, 0, None, target))
    layer = ListedLayer(kind="wheel", name="all", version="1.0", digest="", entries=tuple(entries))
    text = FileList(layers=(layer,)).as_text()
    (root / FILE_LIST).write_text(text, encoding="utf-8", newline="\n")
    return replace(manifest, files=hashlib.sha256(text.encode()).hexdigest())


def seal(root: Path) -> Path:
    """List everything in a bundle as it stands, and name the list in its manifest."""
    path = root / MANIFEST
    value = json.loads(path.read_bytes())
    path.write_text(json.dumps(value | {"files": with_list(root, Manifest.from_json(value)).files}))
    return root


def subject_of(root: Path, manifest: Manifest) -> Subject:
    """Return a bundle as checks get it, under a policy of nothing."""
    contents = read_contents(root, python=manifest.python.actual, platform=manifest.target)
    return Subject(contents=contents, manifest=manifest, policy=Policy(), jobs=1, reporter=Reporter())
