from __future__ import annotations

import pytest

from bundle.base.errors import IntegrityError
from bundle.make.verify.wheels import require_sound_wheels
from bundle.model.acceptance import Acceptance
from bundle.model.manifest import Manifest, PythonRecord
from bundle.model.wheel_flaws import WheelFlaw

RECORD = WheelFlaw(rule="wheel-record", file="site/cv2/WHEEL", message="differs from the RECORD of cv2.whl.")
LINK = WheelFlaw(rule="wheel-link", file="site/nodejs/npm", message="is a link in nodejs.whl.")
TAGS = WheelFlaw(rule="wheel-tags", file="site/comp/WHEEL", message="has a tag that is none.")


def manifest(*flaws: WheelFlaw) -> Manifest:
    return Manifest(version="3.12.10", platform="linux-x64", python=PythonRecord(actual="3.12.10"), flaws=flaws)


def accepting(flaw: WheelFlaw) -> Acceptance:
    return Acceptance(rule=flaw.rule, files=flaw.file, reason="looked at")


def test_all_flaws_are_told_at_once_with_entries_that_accept_them() -> None:
    with pytest.raises(IntegrityError) as caught:
        require_sound_wheels(manifest(RECORD, LINK, TAGS), ())
    text = caught.value.as_text()
    assert "2 files of wheels" in text
    assert "site/cv2/WHEEL differs from" in text
    assert "A mistake of its publisher" in text
    assert '{"rule": "wheel-link", "files": "site/nodejs/npm", "reason": ""}' in text


def test_accepted_flaws_and_notes_pass() -> None:
    require_sound_wheels(manifest(RECORD, LINK, TAGS), (accepting(RECORD), accepting(LINK)))
    with pytest.raises(IntegrityError, match="nodejs/npm"):
        require_sound_wheels(manifest(RECORD, LINK), (accepting(RECORD),))


def test_flaws_survive_the_manifest() -> None:
    written = manifest(RECORD, TAGS)
    assert Manifest.from_json(written.as_json()) == written
