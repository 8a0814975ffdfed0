from __future__ import annotations

import hashlib
import os
import socket
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from bundle.base.errors import ConfigError, IntegrityError, NetworkError
from bundle.base.http.client import Conditional, Downloader, NotFoundError, UnreachableError
from bundle.base.report import Reporter
from tests.base.server import Site, serving
from tests.reporters import Told

CONTENT = bytes(range(256)) * 4096
SHA256 = hashlib.sha256(CONTENT).hexdigest()

REAL = pytest.mark.real


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Site]:
    monkeypatch.setenv("NETRC", str(tmp_path / "no-netrc"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
    with serving() as site:
        site.files["/file"] = CONTENT
        yield site


def downloader(*, timeout: float = 5.0, retries: int = 2, environ: Mapping[str, str] | None = None) -> Downloader:
    return Downloader(
        reporter=Reporter(), environ=environ or {}, timeout=timeout, retries=retries, backoff=0.01, parallel=4
    )


def offline() -> Downloader:
    return Downloader(reporter=Reporter(), offline=True, environ={})


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("url", ["ftp://a.example/x", "simple/x", "https:///x", "file://host/x", "https://[x/"])
def test_an_address_of_another_kind_is_a_mistake_in_the_configuration(url: str) -> None:
    with pytest.raises(ConfigError):
        downloader().get(url)


class TestLocalFiles:
    def test_a_file_is_read_like_any_other(self, tmp_path: Path) -> None:
        (tmp_path / "a b").write_bytes(CONTENT)
        url = (tmp_path / "a b").as_uri()
        for any_downloader in (downloader(), offline()):
            assert any_downloader.get(url).content == CONTENT
            assert any_downloader.size(url) == len(CONTENT)
            with any_downloader.open(url) as file:
                assert file.size == len(CONTENT)
                file.seek(-3, os.SEEK_END)
                assert file.read() == CONTENT[-3:]
            assert any_downloader.fetch(url, tmp_path / "out" / "copy", sha256=SHA256, size=len(CONTENT)) == SHA256
            assert (tmp_path / "out" / "copy").read_bytes() == CONTENT
            assert names(tmp_path / "out") == ["copy"]

    def test_a_file_that_is_absent_or_a_folder_is_not_found(self, tmp_path: Path) -> None:
        for url in ((tmp_path / "absent").as_uri(), tmp_path.as_uri()):
            with pytest.raises(NotFoundError):
                downloader().get(url)
            with pytest.raises(NotFoundError):
                downloader().open(url)
            with pytest.raises(NotFoundError):
                downloader().size(url)
            with pytest.raises(NotFoundError):
                downloader().fetch(url, tmp_path / "copy", sha256=None)

    def test_a_file_with_other_bytes_than_promised_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_bytes(CONTENT)
        url = (tmp_path / "file").as_uri()
        with pytest.raises(IntegrityError, match=SHA256):
            downloader().fetch(url, tmp_path / "copy", sha256="0" * 64)
        with pytest.raises(IntegrityError, match="not 5"):
            downloader().fetch(url, tmp_path / "copy", sha256=None, size=5)
        assert names(tmp_path) == ["file"]


def test_offline_nothing_of_the_web_is_touched(tmp_path: Path) -> None:
    url = "https://user:pa55@index.example/simple/"
    for call in (
        lambda: offline().get(url),
        lambda: offline().size(url),
        lambda: offline().open(url),
        lambda: offline().fetch(url, tmp_path / "file", sha256=None),
    ):
        with pytest.raises(NetworkError, match="--offline") as refused:
            call()
        assert "pa55" not in str(refused.value.as_json())
    assert names(tmp_path) == []


@REAL
class TestGet:
    def test_an_answer_tells_its_address_its_headers_and_its_content(self, site: Site) -> None:
        site.behaviours = [f"to {site.url}/file"]
        answer = downloader().get(f"{site.url}/elsewhere", accept="application/json")
        assert (answer.url, answer.status, answer.content) == (f"{site.url}/file", 200, CONTENT)
        assert answer.headers["content-length"] == str(len(CONTENT))
        assert site.seen[0].headers["accept"] == "application/json"

    def test_what_is_at_hand_is_not_sent_again(self, site: Site) -> None:
        cached = Conditional(etag=downloader().get(f"{site.url}/file").headers["etag"])
        again = downloader().get(f"{site.url}/file", cached=cached)
        assert (again.status, again.content) == (304, b"")
        site.files["/file"] = b"new"
        assert downloader().get(f"{site.url}/file", cached=cached).content == b"new"
        downloader().get(f"{site.url}/file", cached=Conditional(modified="Sat, 01 Jan 2000 00:00:00 GMT"))
        assert site.seen[-1].headers["if-modified-since"] == "Sat, 01 Jan 2000 00:00:00 GMT"

    @pytest.mark.parametrize("status", ["404", "410"])
    def test_what_is_not_there_is_not_asked_for_again(self, site: Site, status: str) -> None:
        site.behaviours = [status]
        with pytest.raises(NotFoundError, match=status):
            downloader().get(f"{site.url}/file")
        assert len(site.seen) == 1

    @pytest.mark.parametrize(
        "behaviours",
        [["503", "503"], ["429", "500"], ["reset 0", "reset"], ["stall", "ok"], ["truncate", "truncate"], ["stall 0"]],
        ids=str,
    )
    def test_a_failure_that_passes_is_waited_out(self, site: Site, behaviours: list[str]) -> None:
        site.behaviours = list(behaviours)
        assert downloader(timeout=0.3).get(f"{site.url}/file").content == CONTENT

    @pytest.mark.parametrize(
        ("behaviour", "why"),
        [("503", "503"), ("reset", "reset"), ("stall", "no byte for 0.3 s"), ("stall 0", "no byte for 0.3 s")],
    )
    def test_a_failure_that_stays_is_told_without_secrets(self, site: Site, behaviour: str, why: str) -> None:
        site.behaviours = [behaviour] * 3
        url = site.url.replace("//", "//user:pa55@") + "/file?token=s3cr3t"
        told = Told()
        impatient = Downloader(reporter=told, environ={}, timeout=0.3, retries=1, backoff=0.01)
        with pytest.raises(NetworkError, match=why) as failed:
            impatient.get(url)
        assert not isinstance(failed.value, NotFoundError)
        assert len(site.seen) == 2
        assert len(told.messages) == 1
        for text in (str(failed.value.as_json()), *told.messages):
            assert f"{site.url}/file" in text
            assert "pa55" not in text
            assert "s3cr3t" not in text

    def test_a_server_may_say_when_to_come_back(self, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
        pauses: list[float] = []
        monkeypatch.setattr(time, "sleep", pauses.append)
        site.behaviours = ["429"]
        site.extra = {"Retry-After": "7"}
        assert downloader().get(f"{site.url}/file").content == CONTENT
        assert pauses == [7.0]

    def test_a_refusal_is_not_argued_with_and_tells_how_to_give_credentials(self, site: Site) -> None:
        site.behaviours = ["401", "400"]
        with pytest.raises(NetworkError, match="401") as refused:
            downloader().get(f"{site.url}/file")
        assert refused.value.remedy is not None
        assert "BUNDLE_INDEX_127_0_0_1_USERNAME" in refused.value.remedy
        with pytest.raises(NetworkError, match="400"):
            downloader().get(f"{site.url}/file")
        assert len(site.seen) == 2

    def test_a_server_that_sends_in_a_circle_is_given_up(self, site: Site) -> None:
        site.behaviours = [f"to {site.url}/file"] * 100
        with pytest.raises(NetworkError, match="redirects"):
            downloader().get(f"{site.url}/file")

    def test_a_server_that_is_not_there_is_told_from_one_that_fails(self, site: Site) -> None:
        with serving() as gone:
            url = gone.url
        told = Told()
        patient = Downloader(reporter=told, environ={}, retries=4, backoff=0.01)
        with pytest.raises(UnreachableError, match="refused"):
            patient.get(f"{url}/file")
        assert told.messages == [], "a host that never answered, and refuses, is not tried again"

    def test_a_server_that_is_silent_and_never_answered_is_tried_once_more(self) -> None:
        told = Told()
        patient = Downloader(reporter=told, environ={}, timeout=0.1, retries=4, backoff=0.01)
        with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
            address = full.getsockname()
            # Fill the queue of connections, so that further ones get no answer.
            waiting = [socket.socket() for _ in range(4)]
            for one in waiting:
                one.setblocking(False)
                one.connect_ex(address)
            with pytest.raises(UnreachableError, match="no connection"):
                patient.get(f"http://127.0.0.1:{address[1]}/file")
            for one in waiting:
                one.close()
        assert len(told.messages) == 1

    def test_a_server_that_answered_before_is_waited_for(self) -> None:
        told = Told()
        patient = Downloader(reporter=told, environ={}, retries=4, backoff=0.01)
        with serving() as site:
            site.files["/file"] = CONTENT
            site.extra = {"Connection": "close"}
            patient.get(f"{site.url}/file")
        with pytest.raises(UnreachableError):
            patient.get(f"{site.url}/file")
        assert len(told.messages) == 4


@REAL
class TestCredentials:
    def test_credentials_of_the_url_are_sent_and_not_shown(self, site: Site) -> None:
        source = downloader()
        answer = source.get(site.url.replace("//", "//us%40er:pa55@") + "/file")
        assert site.seen[0].credentials == "us@er:pa55"
        assert answer.url == f"{site.url}/file"
        source.get(f"{site.url}/file")
        assert site.seen[1].credentials == "us@er:pa55", "links of a page are of the same host"

    def test_credentials_of_the_environment_are_sent_to_their_host(self, site: Site) -> None:
        environ = {"BUNDLE_INDEX_127_0_0_1_USERNAME": "user", "BUNDLE_INDEX_127_0_0_1_PASSWORD": "pa55"}
        downloader(environ=environ).get(f"{site.url}/file")
        downloader(environ={"BUNDLE_INDEX_OTHER_EXAMPLE_PASSWORD": "pa55"}).get(f"{site.url}/file")
        assert [seen.credentials for seen in site.seen] == ["user:pa55", None]

    def test_credentials_of_a_netrc_file_are_sent(self, site: Site, tmp_path: Path) -> None:
        (tmp_path / "no-netrc").write_text("machine 127.0.0.1 login user password pa55")
        downloader().get(f"{site.url}/file")
        assert site.seen[0].credentials == "user:pa55"

    def test_credentials_do_not_follow_to_another_host(self, site: Site) -> None:
        with serving() as other:
            other.files["/file"] = CONTENT
            site.behaviours = [f"to {other.url}/file", f"to {site.url}/file"]
            source = downloader()
            assert source.get(site.url.replace("//", "//user:pa55@") + "/file").content == CONTENT
            source.get(site.url.replace("//", "//user:pa55@") + "/file")
            assert [seen.credentials for seen in other.seen] == [None]
            assert [seen.credentials for seen in site.seen] == ["user:pa55"] * 3


@REAL
class TestFetch:
    def test_a_file_arrives_whole_and_verified_with_nothing_beside_it(self, site: Site, tmp_path: Path) -> None:
        target = tmp_path / "new" / "file"
        assert downloader().fetch(f"{site.url}/file", target, sha256=SHA256.upper(), size=len(CONTENT)) == SHA256
        assert target.read_bytes() == CONTENT
        assert names(target.parent) == ["file"]

    def test_a_file_that_is_there_is_not_loaded_again(self, site: Site, tmp_path: Path) -> None:
        (tmp_path / "file").write_bytes(CONTENT)
        assert downloader().fetch(f"{site.url}/file", tmp_path / "file", sha256=SHA256) == SHA256
        assert site.seen == []
        (tmp_path / "file").write_bytes(b"damaged")
        downloader().fetch(f"{site.url}/file", tmp_path / "file", sha256=SHA256)
        assert (tmp_path / "file").read_bytes() == CONTENT

    def test_without_a_hash_the_hash_is_returned(self, site: Site, tmp_path: Path) -> None:
        (tmp_path / "file.part").write_bytes(b"of some other day")
        assert downloader().fetch(f"{site.url}/file", tmp_path / "file", sha256=None) == SHA256

    @pytest.mark.parametrize("behaviour", ["stall", "reset", "truncate"])
    @pytest.mark.parametrize("etags", [True, False], ids=["etags", "no etags"])
    def test_what_breaks_off_goes_on_where_it_broke_off(
        self, site: Site, tmp_path: Path, behaviour: str, etags: bool
    ) -> None:
        site.behaviours = [behaviour]
        site.etags = etags
        downloader(timeout=0.3).fetch(f"{site.url}/file", tmp_path / "file", sha256=SHA256)
        assert (tmp_path / "file").read_bytes() == CONTENT
        assert len(site.seen) == 2
        start = int(site.seen[1].headers["range"].removeprefix("bytes=").removesuffix("-"))
        # A reset takes along what was on its way.
        assert (1 if behaviour == "reset" else len(CONTENT) // 2 - 2**17) <= start <= len(CONTENT) // 2
        assert ("if-range" in site.seen[1].headers) == etags

    def test_a_connection_that_breaks_again_and_again_but_brings_something_is_not_given_up(
        self, site: Site, tmp_path: Path
    ) -> None:
        content = CONTENT * 32
        site.files["/file"] = content
        site.behaviours = ["truncate"] * 4
        digest = hashlib.sha256(content).hexdigest()
        downloader(retries=1).fetch(f"{site.url}/file", tmp_path / "file", sha256=digest)
        assert len(site.seen) == 5

    def test_a_failed_download_is_resumed_by_the_next_run(self, site: Site, tmp_path: Path) -> None:
        site.behaviours = ["truncate", "503"]
        with pytest.raises(NetworkError):
            downloader(retries=0).fetch(f"{site.url}/file", tmp_path / "file", sha256=SHA256)
        assert (tmp_path / "file.part").read_bytes() == CONTENT[: len(CONTENT) // 2]
        with pytest.raises(NetworkError):
            downloader(retries=0).fetch(f"{site.url}/file", tmp_path / "file", sha256=SHA256)
        downloader().fetch(f"{site.url}/file", tmp_path / "file", sha256=SHA256)
        assert site.seen[-1].headers["range"] == f"bytes={len(CONTENT) // 2}-"
        assert names(tmp_path) == ["file"]

    def test_a_part_that_is_already_everything_is_enough(self, site: Site, tmp_path: Path) -> None:
        (tmp_path / "file.part").write_bytes(CONTENT)
        downloader().fetch(f"{site.url}/file", tmp_path / "file", sha256=SHA256)
        assert names(tmp_path) == ["file"]

    @pytest.mark.parametrize(
        "part", [b"other bytes", CONTENT + b"and more", CONTENT[:-1] + b"?"], ids=["other", "longer", "last"]
    )
    def test_a_part_that_does_not_fit_is_loaded_anew(self, site: Site, tmp_path: Path, part: bytes) -> None:
        (tmp_path / "file.part").write_bytes(part)
        downloader().fetch(f"{site.url}/file", tmp_path / "file", sha256=SHA256)
        assert (tmp_path / "file").read_bytes() == CONTENT

    @pytest.mark.parametrize("behaviour", ["whole", "shift"])
    def test_a_server_that_does_not_do_ranges_starts_over(self, site: Site, tmp_path: Path, behaviour: str) -> None:
        site.behaviours = ["truncate", behaviour]
        downloader().fetch(f"{site.url}/file", tmp_path / "file", sha256=SHA256)
        assert (tmp_path / "file").read_bytes() == CONTENT

    def test_a_file_that_changes_under_way_is_not_stitched_together(self, site: Site, tmp_path: Path) -> None:
        site.behaviours = ["truncate"]
        new = CONTENT[::-1]

        class Changing(Reporter):
            def detail(self, message: str) -> None:
                site.files["/file"] = new

        changing = Downloader(reporter=Changing(), environ={}, backoff=0.01)
        assert changing.fetch(f"{site.url}/file", tmp_path / "file", sha256=None) == hashlib.sha256(new).hexdigest()

    def test_wrong_bytes_are_refused_and_not_kept(self, site: Site, tmp_path: Path) -> None:
        site.behaviours = ["lie"]
        with pytest.raises(IntegrityError, match=SHA256):
            downloader().fetch(f"{site.url}/file", tmp_path / "file", sha256=SHA256)
        assert [name for name in names(tmp_path) if not name.startswith(".")] == []
        assert len(site.seen) == 1

    def test_wrong_bytes_behind_an_old_part_are_loaded_once_more(self, site: Site, tmp_path: Path) -> None:
        (tmp_path / "file.part").write_bytes(b"old")
        site.behaviours = ["ok", "lie"]
        with pytest.raises(IntegrityError):
            downloader().fetch(f"{site.url}/file", tmp_path / "file", sha256=SHA256)
        assert len(site.seen) == 2

    def test_more_bytes_than_promised_are_not_even_loaded(self, site: Site, tmp_path: Path) -> None:
        site.behaviours = ["chunked"]
        with pytest.raises(IntegrityError, match="longer than the 10 bytes"):
            downloader().fetch(f"{site.url}/file", tmp_path / "file", sha256=SHA256, size=10)
        assert not (tmp_path / "file.part").exists()

    def test_a_file_of_unknown_length_arrives_as_well(self, site: Site, tmp_path: Path) -> None:
        site.behaviours = ["chunked"]
        downloader().fetch(f"{site.url}/file", tmp_path / "file", sha256=SHA256)
        assert (tmp_path / "file").read_bytes() == CONTENT

    def test_what_the_server_calls_compressed_is_stored_as_it_is(self, site: Site, tmp_path: Path) -> None:
        site.extra = {"Content-Encoding": "gzip"}
        downloader().fetch(f"{site.url}/file", tmp_path / "file", sha256=SHA256, size=len(CONTENT))
        assert site.seen[0].headers["accept-encoding"] == "identity"

    def test_a_missing_file_leaves_nothing_that_looks_like_one(self, site: Site, tmp_path: Path) -> None:
        with pytest.raises(NotFoundError):
            downloader().fetch(f"{site.url}/absent", tmp_path / "file", sha256=SHA256)
        assert not (tmp_path / "file").exists()

    def test_threads_that_want_the_same_file_share_one_download(self, site: Site, tmp_path: Path) -> None:
        site.behaviours = ["truncate"]
        source = downloader()
        with ThreadPoolExecutor(4) as pool:
            fetched = [
                pool.submit(source.fetch, f"{site.url}/file", tmp_path / "file", sha256=SHA256) for _ in range(4)
            ]
            assert {future.result() for future in fetched} == {SHA256}
        assert len(site.seen) == 2
        assert names(tmp_path) == ["file"]

    def test_a_process_that_is_killed_under_way_is_continued_by_the_next(self, site: Site, tmp_path: Path) -> None:
        code = (
            "import sys; from pathlib import Path; from bundle.base.http.client import Downloader\n"
            "from bundle.base.report import Reporter\n"
            "Downloader(reporter=Reporter(), environ={}).fetch(sys.argv[1], Path(sys.argv[2]), sha256=sys.argv[3])"
        )
        site.behaviours = ["stall"]
        target = tmp_path / "file"
        part = tmp_path / "file.part"
        command = [sys.executable, "-c", code, f"{site.url}/file", str(target), SHA256]
        with subprocess.Popen(command) as process:
            deadline = time.monotonic() + 20
            while not part.exists() or part.stat().st_size < len(CONTENT) // 4:
                assert time.monotonic() < deadline
                time.sleep(0.01)
            process.kill()
        downloader().fetch(f"{site.url}/file", target, sha256=SHA256)
        assert target.read_bytes() == CONTENT
        assert "range" in site.seen[1].headers
        assert names(tmp_path) == ["file"]


@REAL
class TestOpen:
    @pytest.fixture
    def wheel(self, site: Site, tmp_path: Path) -> bytes:
        with zipfile.ZipFile(tmp_path / "wheel", "w") as pack:
            for number in range(30):
                pack.writestr(f"module{number}.py", os.urandom(20_000))
            pack.writestr("a.dist-info/METADATA", "Name: a")
        site.files["/wheel"] = (tmp_path / "wheel").read_bytes()
        return site.files["/wheel"]

    def test_the_metadata_of_a_wheel_costs_one_request(self, site: Site, wheel: bytes) -> None:
        with downloader().open(f"{site.url}/wheel") as file, zipfile.ZipFile(file) as pack:
            assert file.size == len(wheel)
            assert pack.read("a.dist-info/METADATA") == b"Name: a"
            assert len(site.seen) == 1
            assert len(pack.read("module0.py")) == 20_000
            assert len(site.seen) <= 3

    @pytest.mark.parametrize("behaviours", [["no-suffix"], ["whole"] * 9, ["503", "truncate", "stall"]], ids=str)
    def test_a_server_of_any_kind_will_do(self, site: Site, wheel: bytes, behaviours: list[str]) -> None:
        site.behaviours = list(behaviours)
        with downloader(timeout=0.3, retries=3).open(f"{site.url}/wheel") as file:
            assert file.read() == wheel
            file.seek(100)
            assert file.read(5) == wheel[100:105]
            assert file.tell() == 105
            assert file.seek(3, os.SEEK_END) == len(wheel) + 3
            assert file.read() == b""

    def test_an_empty_file_can_be_opened(self, site: Site) -> None:
        site.files["/empty"] = b""
        with downloader().open(f"{site.url}/empty") as file:
            assert (file.size, file.read()) == (0, b"")

    def test_a_file_that_changes_while_it_is_read_is_an_error(self, site: Site, wheel: bytes) -> None:
        with downloader().open(f"{site.url}/wheel") as file:
            site.files["/wheel"] = wheel[::-1]
            with pytest.raises(NetworkError, match="changed"):
                file.read()

    def test_a_missing_file_is_not_found(self, site: Site) -> None:
        with pytest.raises(NotFoundError):
            downloader().open(f"{site.url}/absent")


@REAL
class TestSize:
    def test_the_size_is_asked_for_not_loaded(self, site: Site) -> None:
        assert downloader().size(f"{site.url}/file") == len(CONTENT)
        assert site.seen[0].method == "HEAD"

    def test_a_server_that_does_not_tell_is_no_error(self, site: Site) -> None:
        site.behaviours = ["405", "chunked"]
        assert downloader().size(f"{site.url}/file") is None
        assert downloader().size(f"{site.url}/file") is None

    def test_a_missing_file_is_not_found(self, site: Site) -> None:
        with pytest.raises(NotFoundError):
            downloader().size(f"{site.url}/absent")


@REAL
def test_no_more_requests_run_at_once_than_allowed(site: Site) -> None:
    site.behaviours = ["stall 0"] * 6
    source = Downloader(reporter=Reporter(), environ={}, retries=0, timeout=5, parallel=2)
    with ThreadPoolExecutor(6) as pool:
        answers = [pool.submit(source.get, f"{site.url}/file") for _ in range(6)]
        time.sleep(0.5)
        assert len(site.seen) == 2
        site.released.set()
        assert all(isinstance(answer.exception(), NetworkError) for answer in answers)
    assert len(site.seen) == 6
