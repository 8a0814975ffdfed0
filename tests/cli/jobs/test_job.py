from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.base.processes.children import assert_dies, wait_for

pytestmark = pytest.mark.real


class Bundle:
    """The command line in processes of its own."""

    def __init__(self, root: Path) -> None:
        self.environ = {**os.environ, "BUNDLE_DATA_DIR": str(root / "data"), "BUNDLE_CACHE_DIR": str(root / "cache")}
        self.code = "import sys; from bundle.cli.main import main; main(sys.argv[1:])"

    def __call__(self, *words: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", self.code, *words]
        return subprocess.run(
            command, input=stdin, env=self.environ, capture_output=True, text=True, timeout=120, check=False
        )

    def start(self, *words: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen([sys.executable, "-c", self.code, *words], env=self.environ, stdout=subprocess.DEVNULL)


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    return Bundle(tmp_path)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "job").mkdir()
    (tmp_path / "job" / "app.py").write_text("print('hello')")
    return tmp_path / "job"


def configured(folder: Path, *macros: dict[str, Any], **runtime: Any) -> None:
    document = {"jobId": "7", "engineType": "python", "packageName": "app.py"}
    (folder / "job.json").write_text(json.dumps({**document, "runtimeConfig": {"macros": macros, **runtime}}))


def test_a_script_runs_by_itself(bundle: Bundle, folder: Path) -> None:
    for target in (folder, folder / "app.py"):
        done = bundle("job", "run", str(target))
        assert (done.returncode, done.stdout) == (0, "hello\n"), done.stderr
        assert "finished_ok" in done.stderr


def test_the_result_is_one_document(bundle: Bundle, folder: Path) -> None:
    (folder / "app.py").write_text("import sys; print('out'); print(sys.argv[1:]); sys.exit(3)")
    done = bundle("job", "run", "--json", str(folder), "--", "-a", "b")
    assert done.returncode == 1
    document = json.loads(done.stdout)
    assert (document["state"], document["exitCode"]) == ("finished_error", 3)
    assert "out\n['-a', 'b']" in done.stderr


def test_a_secure_value_reaches_the_script_alone(bundle: Bundle, folder: Path, tmp_path: Path) -> None:
    token = bundle("job", "encrypt", stdin="hunter2hunter2\n").stdout.strip()
    again = bundle("job", "encrypt", "--json", stdin="hunter2hunter2").stdout
    assert token != json.loads(again)["token"]
    configured(folder, {"key": "PW", "value": token, "secure": True}, {"key": "X", "value": "x", "secure": True})
    (folder / "app.py").write_text(
        "import os; print(os.environ['PW'], len(os.environ['PW']), os.environ.get('X'), os.environ['JOB_ID'])"
    )
    done = bundle("job", "run", str(folder), "--log", str(tmp_path / "log"))
    assert done.stdout == "*** 14 None 7\n"
    assert (tmp_path / "log").read_text() == done.stdout
    assert "The macro X is skipped" in done.stderr
    assert [str(path) for path in tmp_path.rglob("*") if path.is_file() and b"hunter2" in path.read_bytes()] == []


def test_keys_are_rotated(bundle: Bundle, folder: Path) -> None:
    token = bundle("job", "encrypt", stdin="hunter2hunter2").stdout.strip()
    configured(folder, {"key": "PW", "value": token, "secure": True})
    assert bundle("job", "rotate", str(folder / "job.json"), "--forget-old").returncode == 0
    assert token not in (folder / "job.json").read_text()
    (folder / "app.py").write_text("import os; print(len(os.environ['PW']))")
    assert bundle("job", "run", str(folder)).stdout == "14\n"


def test_an_empty_value_is_refused(bundle: Bundle) -> None:
    assert bundle("job", "encrypt").returncode == 2


@pytest.mark.parametrize(
    ("properties", "words"),
    [
        ("python.installPath=", "is blank"),
        ("python.installPath=/nowhere", "/nowhere"),
        ("python.enabled=false", "python.enabled"),
        ("python.installPath=bundle:3.12.10-none", "not installed"),
    ],
)
def test_a_wrong_python_fails_the_job_before_it_starts(
    bundle: Bundle, folder: Path, properties: str, words: str
) -> None:
    (folder / "application.properties").write_text(properties)
    done = bundle("job", "run", str(folder))
    assert (done.returncode, done.stdout) == (2, "")
    assert words in done.stderr


def test_a_python_is_named_by_the_properties(bundle: Bundle, folder: Path) -> None:
    (folder / "application.properties").write_text(f"python.enabled=true\npython.installPath={sys.prefix}  \n")
    (folder / "app.py").write_text("import sys; print(sys.prefix)")
    done = bundle("job", "run", str(folder))
    assert done.stdout == f"{sys.prefix}\n"
    assert "blanks at the end" in done.stderr


def test_the_published_example_runs(bundle: Bundle, folder: Path) -> None:
    (folder / "app.py").write_text(
        "import os\nfrom dotenv import load_dotenv\nload_dotenv(override=True)\n"
        "print(os.getenv('APP_NAME', 'none'), os.getenv('APP_VERSION', 'none'))\n"
    )
    (folder / ".env").write_text("APP_NAME=HelloWorld Demo\nAPP_VERSION=1.0.0\n")
    configured(folder, {"key": "APP_VERSION", "value": "2.0.0"})
    done = bundle("job", "run", str(folder), "--python", sys.executable)
    assert done.stdout == "HelloWorld Demo 1.0.0\n"
    assert "load_dotenv(override=True)" in done.stderr
    (folder / "app.py").write_text("import os\nprint(os.getenv('APP_NAME'), os.getenv('APP_VERSION'))")
    assert bundle("job", "run", str(folder), "--env-file-as-macros").stdout == "HelloWorld Demo 2.0.0\n"
    assert bundle("job", "run", str(folder)).stdout == "None 2.0.0\n"


@pytest.mark.skipif(os.name == "nt", reason="signals are POSIX")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_an_interrupt_leaves_no_process(bundle: Bundle, folder: Path, tmp_path: Path, number: int) -> None:
    note = tmp_path / "pid"
    (folder / "app.py").write_text(
        "import os, signal, time\nif os.fork() == 0:\n    os.setsid()\n    signal.signal(15, signal.SIG_IGN)\n"
        f"    open({str(note)!r}, 'w').write(str(os.getpid()))\ntime.sleep(10_000)"
    )
    process = bundle.start("job", "run", str(folder), "--grace", "0.3")
    pid = int(wait_for(note))
    process.send_signal(number)
    assert process.wait(60) == (130 if number != signal.SIGKILL else -9)
    assert_dies(pid)


@pytest.mark.skipif(os.name == "nt", reason="signals are POSIX")
def test_a_job_goes_on_when_the_reader_of_its_output_leaves(bundle: Bundle, folder: Path, tmp_path: Path) -> None:
    (folder / "app.py").write_text(
        f"for _ in range(20_000): print('x' * 100)\nopen({str(tmp_path / 'done')!r}, 'w').write('done')"
    )
    command = [sys.executable, "-c", bundle.code, "job", "run", str(folder)]
    process = subprocess.Popen(command, env=bundle.environ, stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.read(10)
    process.stdout.close()
    assert process.wait(60) == 0
    assert wait_for(tmp_path / "done") == "done"


def test_options_limit_a_job(bundle: Bundle, folder: Path) -> None:
    (folder / "app.py").write_text("import time\nx = b'x' * 2**28\ntime.sleep(10_000)")
    done = bundle("job", "run", "--json", str(folder), "--memory", "100 MiB")
    assert "memory limit" in json.loads(done.stdout)["reason"]
    done = bundle("job", "run", "--json", str(folder), "--timeout", "0.5")
    assert "time limit" in json.loads(done.stdout)["reason"]
    assert bundle("job", "run", str(folder), "--memory", "much").returncode == 2


@pytest.mark.parametrize(
    ("files", "words"),
    [({}, "no script"), ({"a.py": "", "b.py": ""}, "several scripts"), ({"job.json": "{"}, "not JSON")],
)
def test_a_folder_that_is_no_job_is_refused(bundle: Bundle, tmp_path: Path, files: dict[str, str], words: str) -> None:
    (tmp_path / "other").mkdir()
    for name, content in files.items():
        (tmp_path / "other" / name).write_text(content)
    done = bundle("job", "run", str(tmp_path / "other"))
    assert done.returncode == 2
    assert words in done.stderr
