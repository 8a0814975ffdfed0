from __future__ import annotations

import threading
from pathlib import Path

from bundle.run.jobs.log import JobLog, read_log


def test_followers_get_all_from_their_place_on(tmp_path: Path) -> None:
    log = JobLog(tmp_path / "log")
    log(b"begin ")
    got: dict[int, bytes] = {}

    def follow(place: int) -> None:
        got[place] = b"".join(part for _, part in log.follow(place))

    threads = [threading.Thread(target=follow, args=(place,)) for place in (0, 3, 6, 100)]
    for thread in threads:
        thread.start()
    for number in range(200):
        log(b"%d " % number)
    log.close()
    for thread in threads:
        thread.join(20)
    whole = b"begin " + b"".join(b"%d " % number for number in range(200))
    assert got == {place: whole[place:] for place in (0, 3, 6, 100)}


def test_a_follower_resumes_at_the_place_that_it_was_told(tmp_path: Path) -> None:
    log = JobLog(tmp_path / "log")
    log(b"first")
    ((place, part),) = log.follow(0, seconds=0)
    assert (place, part) == (5, b"first")
    log(b"second")
    log.close()
    assert list(log.follow(place)) == [(11, b"second")]


def test_a_log_is_cut_at_its_limit_and_says_so(tmp_path: Path) -> None:
    log = JobLog(tmp_path / "log", most=10)
    log(b"123456")
    log(b"7890ab")
    log(b"cd")
    log.close()
    content = (tmp_path / "log").read_bytes()
    assert content.startswith(b"1234567890\n(the output exceeds 10 bytes")
    assert b"ab" not in content


def test_a_log_that_is_not_there_is_empty(tmp_path: Path) -> None:
    assert list(read_log(tmp_path / "log")) == []


def test_parts_are_small(tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(bytes(200_000))
    parts = list(read_log(tmp_path / "log", 100))
    assert max(len(part) for _, part in parts) <= 2**16
    assert parts[-1][0] == 200_000
