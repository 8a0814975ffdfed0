from __future__ import annotations

import base64
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from bundle.base.processes.supervised import MARK
from tests.base.processes.children import assert_dies, wait_for
from tests.run.jobs.service.served import Served

pytestmark = [pytest.mark.real, pytest.mark.skipif(os.name == "nt", reason="the jobs here fork")]

SECRET = "hunter2-Xy/7+z"

DETACHED = """
import os, signal, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        time.sleep(10_000)
    os._exit(0)
time.sleep(0.05)
"""

STUBBORN = "import signal, time\nsignal.signal(15, signal.SIG_IGN)\nprint('ready', flush=True)\ntime.sleep(10_000)"


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    service = Served(tmp_path, "--jobs", "8", "--most-upload", "2MB")
    yield service
    if service.process.poll() is None:
        service.end()


def marked() -> list[psutil.Process]:
    """Return the processes of jobs."""
    found = []
    for process in psutil.process_iter():
        try:
            if MARK in process.environ() and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except psutil.Error:
            continue
    return found


def test_two_hundred_jobs_eight_at_a_time(served: Served) -> None:
    kinds: list[tuple[str, dict[str, Any], str]] = [
        ("print('fine')", {}, "finished_ok"),
        ("raise SystemExit(3)", {}, "finished_error"),
        ("raise SystemExit(3)", {"exitCodes": {"3": "finished_ok"}}, "finished_ok"),
        ("import time; time.sleep(10_000)", {"timeout": 0.5, "grace": 0.2}, "finished_error"),
        (DETACHED, {"grace": 0.2}, "finished_ok"),
        ("import os\nfor n in range(500): os.write(1 + n % 2, b'%d\\n' % n)", {}, "finished_ok"),
        ("import os; os.write(1, bytes(range(256)) * 16)", {}, "finished_ok"),
        (STUBBORN, {"grace": 0.2}, "cancelled"),
        ("print('stopped before its start')", {}, "cancelled"),
        ("import os; [os.write(1, b'x' * 99 + b'\\n') for _ in range(500_000)]", {}, "finished_ok"),
    ]
    started: list[tuple[str, int]] = []
    for number in range(200):
        kind = number % 10 if number % 10 != 9 else (9 if number == 9 else 0)
        script, runtime, _ = kinds[kind]
        config = {"jobId": str(number), "runtimeConfig": runtime}
        job = served.upload(script, config=config, start="false" if kind == 8 else "true")
        if kind == 8:
            served.client.post(f"{served.url}/api/jobs/{job['id']}/stop", timeout=30)
        started.append((job["id"], kind))
    for name, kind in started:
        if kind == 7:
            served.wait(name, "running")
            while b"ready" not in served.log(name):
                time.sleep(0.02)
            served.client.post(f"{served.url}/api/jobs/{name}/stop", timeout=30)
    states = {name: served.wait(name, seconds=300)["state"] for name, _ in started}
    assert [(kind, states[name]) for name, kind in started if states[name] != kinds[kind][2]] == []
    for name, kind in started:
        if kind == 5:
            assert served.log(name) == b"".join(b"%d\n" % number for number in range(500))
        elif kind == 6:
            assert served.log(name) == bytes(range(256)) * 16
        elif kind == 9:
            assert len(served.log(name)) == 50_000_000
    mine = [one for one in marked() if served.process.pid in [parent.pid for parent in one.parents()]]
    assert mine == []
    assert psutil.Process(served.process.pid).memory_info().rss < 200 * 2**20


def test_a_service_that_is_killed_leaves_nothing_that_runs(served: Served, tmp_path: Path) -> None:
    note = tmp_path / "pid"
    running = served.upload(f"import os\nopen({str(note)!r}, 'w').write(str(os.getpid()))\n{STUBBORN}")["id"]
    pid = int(wait_for(note))
    busy = [served.upload(STUBBORN)["id"] for _ in range(7)]
    for name in busy:
        served.wait(name, "running")
    queued = [served.upload("print('later')")["id"] for _ in range(3)]
    waiting = served.upload("print()", start="false")["id"]
    served.end(signal.SIGKILL)
    served.start()
    assert_dies(pid)
    assert {served.job(name)["state"] for name in (running, *busy)} == {"aborted"}
    assert "The service ended" in served.job(running)["outcome"]["reason"]
    assert [served.wait(name)["state"] for name in queued] == ["finished_ok"] * 3
    assert served.job(waiting)["state"] == "waiting"


def test_a_service_that_is_asked_to_end_ends_its_jobs(served: Served) -> None:
    job = served.upload(STUBBORN, config={"runtimeConfig": {"grace": 0.2}})["id"]
    served.wait(job, "running")
    served.end()
    served.start()
    assert served.job(job)["state"] == "aborted"


def test_a_second_service_on_the_same_folder_is_refused(served: Served) -> None:
    assert served.launch().wait(60) == 2
    assert "Another service uses" in (served.root / "service.log").read_text()


def test_an_address_that_is_taken_or_not_there_is_refused(served: Served, tmp_path: Path) -> None:
    token = {"BUNDLE_SERVE_TOKEN": "0123456789abcdef0123"}
    for words in (["--port", str(served.port)], ["--host", "192.0.2.1"], ["--host", "no.such.invalid"]):
        command = [sys.executable, "-m", "bundle", "serve", "--python", sys.executable, *words]
        environ = {**served.environ, **token, "BUNDLE_DATA_DIR": str(tmp_path / "other")}
        done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=60, check=False)
        assert (done.returncode, "Nothing can listen" in done.stderr) == (2, True), done.stderr


def test_every_refusal_has_one_form(served: Served) -> None:
    client, url = served.client, f"{served.url}/api/jobs"
    multipart = {"content-type": "multipart/form-data; boundary=y"}
    answers = [
        (404, client.get(f"{served.url}/api/none", timeout=30)),
        (404, client.get(f"{url}/ffffffffffffffffffff/log", timeout=30)),
        (405, client.put(url, timeout=30)),
        (422, client.get(url, params={"limit": "x"}, timeout=30)),
        (422, client.get(url, params={"state": "no"}, timeout=30)),
        (422, client.post(url, timeout=30)),
        (400, client.post(url, data="x", headers=multipart, timeout=30)),
        (413, client.post(url, files={"script": ("app.py", "")}, data={"config": " " * 2**19 + "{}"}, timeout=30)),
        (421, client.get(url, headers={"host": "evil.example"}, timeout=30)),
    ]
    for status, answer in answers:
        assert answer.status_code == status, answer.text
        assert answer.json()["error"]


def test_a_job_gets_the_environment_that_it_asks_for(served: Served) -> None:
    lock = 'lock-version = "1.0"\ncreated-by = "tests"\npackages = []\n'
    asked = {"runtimeConfig": {"environment": lock}}
    script = "import sys; print(sys.prefix)"
    names = [served.upload(script, config=asked)["id"] for _ in range(3)]
    outcomes = [served.wait(name) for name in names]
    logs = [served.log(name) for name in names]
    assert [one["state"] for one in outcomes] == ["finished_ok"] * 3, logs
    assert len({log.splitlines()[-1] for log in logs}) == 1
    missing = served.upload(script, config={"runtimeConfig": {"environment": "pylock.toml"}})["id"]
    assert served.wait(missing)["state"] == "finished_error"
    assert b"pylock.toml cannot be read" in served.log(missing)


def test_a_planted_secret_is_found_nowhere(served: Served) -> None:
    script = (
        "import base64, json, os, urllib.parse\npw = os.environ['PW']\n"
        "print(pw, repr(pw), json.dumps(pw), urllib.parse.quote(pw, safe=''), pw.encode().hex(), flush=True)\n"
        "for ahead in (b'', b'a', b'ab'): print(base64.b64encode(ahead + pw.encode()).decode(), flush=True)\n"
        "json.dump({'pw': pw}, open('/dev/null', 'w'))\nraise ValueError(pw)"
    )
    macros = [{"key": "PW", "value": SECRET, "secure": True}]
    name = served.upload(script, config={"runtimeConfig": {"macros": macros}})["id"]
    served.wait(name)
    log = served.log(name)
    assert log.count(b"***") >= 8
    page = served.client.get(f"{served.url}/jobs/{name}", timeout=30).content
    answers = [
        log,
        page,
        json.dumps(served.job(name)).encode(),
        served.client.get(f"{served.url}/", timeout=30).content,
    ]
    files = [path.read_bytes() for path in served.root.rglob("*") if path.is_file()]
    content = SECRET.encode()
    forms = [content, content.hex().encode(), b"hunter2-Xy%2F7%2Bz"]
    forms += [base64.b64encode(bytes(ahead) + content)[4:16] for ahead in range(3)]
    assert [form for form in forms if any(form in one for one in (*answers, *files))] == []


def test_a_log_is_followed_and_resumed(served: Served) -> None:
    script = "import time\nfor n in range(20):\n    print('line \\u00e9', n, flush=True)\n    time.sleep(0.05)"
    name = served.upload(script)["id"]
    whole = "".join(f"line \u00e9 {number}\n" for number in range(20))
    places: list[tuple[int, str]] = []
    for kind, place, data in served.events(name):
        if kind == "log":
            places.append((place, data["text"]))
        if kind == "end":
            assert data["state"] == "finished_ok"
    assert "".join(text for _, text in places) == whole
    middle = places[len(places) // 2][0]
    rest = "".join(data["text"] for kind, _, data in served.events(name, middle) if kind == "log")
    assert rest == whole.encode()[middle:].decode()


def test_many_follow_one_log(served: Served) -> None:
    name = served.upload("import time\nfor n in range(50):\n    print(n, flush=True)\n    time.sleep(0.02)")["id"]
    got: list[str] = []

    def follow() -> None:
        got.append("".join(data["text"] for kind, _, data in served.events(name) if kind == "log"))

    threads = [threading.Thread(target=follow) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert got == ["".join(f"{number}\n" for number in range(50))] * 10


def test_an_upload_that_is_too_large_is_cut_off(served: Served) -> None:
    def endless() -> Iterator[bytes]:
        head = b'--x\r\ncontent-disposition: form-data; name="script"; filename="app.py"\r\n\r\n'
        yield head
        for _ in range(100):
            yield bytes(2**16)

    headers = {"content-type": "multipart/form-data; boundary=x"}
    try:
        status = served.client.post(f"{served.url}/api/jobs", data=endless(), headers=headers, timeout=60).status_code
    except OSError:
        status = 413  # It closed the connection while there was more.
    assert status == 413
    assert served.client.get(f"{served.url}/api/jobs", timeout=30).json() == []
    assert list((served.data / "jobs" / "service" / "jobs").iterdir()) == []


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"name": "app.sh"}, 422),
        ({"name": "../app.py"}, 422),
        ({"config": {"runtimeConfig": {"environment": "../pylock.toml"}}}, 422),
        ({"files": {"files": ("../../evil", "x")}}, 422),
        ({"files": {"files": ("nul.txt", "x")}}, 422),
        ({"config": "{"}, 422),
        ({"config": "[" * 100_000}, 422),
        ({"config": {"engineType": "dataflow"}}, 422),
        ({"files": {"script": ("", "")}}, 422),
    ],
)
def test_what_is_no_job_is_refused(served: Served, fields: dict[str, Any], status: int) -> None:
    assert "error" in served.upload("print()", status=status, **fields)


def test_jobs_are_listed_started_and_removed(served: Served) -> None:
    name = served.upload("print()", start="false")["id"]
    url = f"{served.url}/api/jobs"
    assert [job["id"] for job in served.client.get(url, params={"state": "waiting"}, timeout=30).json()] == [name]
    assert served.client.post(f"{url}/{name}/start", timeout=30).status_code == 202
    assert served.client.post(f"{url}/{name}/start", timeout=30).status_code == 409
    served.wait(name)
    assert served.client.post(f"{url}/{name}/stop", timeout=30).status_code == 409
    assert 'bundle_jobs{state="finished_ok"} 1' in served.client.get(f"{served.url}/metrics", timeout=30).text
    assert served.client.delete(f"{url}/{name}", timeout=30).status_code == 204
    for wrong in (name, "..", "%2e%2e", "x" * 500):
        assert served.client.get(f"{url}/{wrong}", timeout=30).status_code in (404, 200 if wrong == ".." else 404)


def test_others_need_the_token(tmp_path: Path) -> None:
    token = "0123456789abcdef0123"
    service = Served(tmp_path, environ={"BUNDLE_SERVE_TOKEN": token})
    try:
        assert service.client.get(f"{service.url}/api/jobs", timeout=30).status_code == 401
        answer = service.client.post(f"{service.url}/login", data={"token": "wrong"}, timeout=30)
        assert answer.status_code == 401
        answer = service.client.post(f"{service.url}/login", data={"token": token}, timeout=30)
        assert answer.url == f"{service.url}/"
        assert service.client.get(f"{service.url}/api/jobs", timeout=30).json() == []
        name = service.upload("import os; print(sorted(name for name in os.environ if 'BUNDLE' in name))")["id"]
        service.wait(name)
        assert b"TOKEN" not in service.log(name)
    finally:
        service.end()
