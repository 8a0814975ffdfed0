"""Build backends that attack the machine, the tool, or the results of others; all local, in temporary folders."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import stat
import sys
import tempfile
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from textwrap import dedent, indent

import psutil
import pytest

from bundle.base.errors import BundleError, IntegrityError, WorkError
from bundle.base.folders import remove_tree
from bundle.base.processes import run as running
from bundle.base.processes.bubblewrap import View, enclosed, unusable
from bundle.base.report import Reporter
from bundle.make.sources.answers import read_answer
from bundle.make.sources.backend import BuildSpec, backend_requires, build_wheel, prepare_metadata
from bundle.make.sources.environment import Environment, SourceBuildTools, make_environment
from bundle.make.sources.isolation import Isolation, isolation_of
from bundle.make.sources.sdist import unpack_source
from bundle.model.platforms import PLATFORMS
from tests.base.processes.children import assert_dies
from tests.make import sdistmaker

DEMO = BuildSpec(name="demo", version="1.0")

SECRET = "c0rrect-h0rse"

WAYS = ("bubblewrap", "none")


@dataclass
class Machine:
    """What a build may attack: a home, a project, a store with the build's own folder in it, a victim's folder."""

    root: Path
    isolation: Isolation
    timeout: float = 60
    network: bool = False

    def __post_init__(self) -> None:
        for name in ("home", "project", "store", "store/files", "victim", "victim/bench"):
            (self.root / name).mkdir(parents=True, exist_ok=True)
            (self.root / name / "secret").write_text(SECRET)

    @property
    def work(self) -> Path:
        return self.root / "store" / "work" / "demo"

    def tools(self) -> SourceBuildTools:
        return SourceBuildTools(
            python=Path(sys.base_prefix, "bin", f"python3.{sys.version_info.minor}"),
            machine=PLATFORMS["linux-x64"],
            timeout=self.timeout,
            log=self.root / "logs" / "build.log",
            reporter=Reporter(),
            work=self.work,
            epoch=315532800,
            isolation=self.isolation,
            network=self.network,
        )

    def prepared(self, hooks: str) -> tuple[Path, Environment, SourceBuildTools]:
        tools = self.tools()
        (self.root / "sdists").mkdir(exist_ok=True)
        known = f"ROOT = {str(self.root)!r}\nWORK = {str(self.work)!r}\n"
        sdist = sdistmaker.in_tree(self.root / "sdists", known + dedent(hooks))
        remove_tree(self.root / "store" / "source")
        source = unpack_source(sdist, self.root / "store" / "source")
        return source, make_environment(tools, []), tools

    def attack(self, hooks: str) -> Path:
        """Build a wheel whose backend has the given hooks."""
        source, environment, tools = self.prepared(hooks)
        return build_wheel(source, environment, DEMO, tools)

    def said(self, lines: str) -> dict[str, object]:
        """Return the dictionary `told` that a backend fills with the given lines."""
        hooks = f"""
            def build_wheel(folder, config_settings=None, metadata_directory=None):
                told = {{}}
                {indent(dedent(lines).strip(), " " * 16).strip()}
                return write_wheel(folder, {{"told.json": json.dumps(told)}})
        """
        with zipfile.ZipFile(self.attack(hooks)) as wheel:
            told = json.loads(wheel.read("told.json"))
        assert isinstance(told, dict)
        return told

    @property
    def log(self) -> str:
        return (self.root / "logs" / "build.log").read_text(errors="replace")

    def files(self) -> dict[str, int]:
        """All paths but those of the build, and when the files among them were changed."""
        own = (self.work, self.root / "logs", self.root / "sdists", self.root / "store" / "source")
        return {
            str(path): 0 if path.is_dir() else path.lstat().st_mtime_ns
            for path in self.root.rglob("*")
            if not any(place in (path, *path.parents) for place in own) and path.name != "work"
        }


def isolation(way: str, root: Path) -> Isolation:
    if way == "none":
        return Isolation(lacking="the test")
    environ = {"PATH": os.environ["PATH"], "HOME": str(root / "home")}
    found = isolation_of("strict", PLATFORMS["linux-x64"], environ, (root / "project", root / "store"))
    assert found.name == way
    return found


@pytest.fixture
def root() -> Iterator[Path]:
    """A folder that is not below /tmp, of which isolated builds have their own."""
    folder = Path(tempfile.mkdtemp(prefix="bundle-hostile-", dir="/var/tmp"))
    yield folder
    remove_tree(folder)


@pytest.fixture(params=WAYS)
def machine(request: pytest.FixtureRequest, root: Path) -> Machine:
    return Machine(root, isolation(request.param, root))


@pytest.fixture
def isolated(root: Path) -> Machine:
    return Machine(root, isolation("bubblewrap", root))


@pytest.fixture
def open_machine(root: Path) -> Machine:
    return Machine(root, isolation("none", root))


def processes_of(mark: str) -> list[psutil.Process]:
    """Every process of this machine that carries a mark in its arguments."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if mark in process.cmdline() and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


@contextmanager
def listening(family: int, address: tuple[str, int] | str) -> Iterator[list[bytes]]:
    """A server that keeps what it is told."""
    told: list[bytes] = []
    with socket.socket(family) as server:
        server.bind(address)
        server.listen()

        def serve() -> None:
            with suppress(OSError):
                while True:
                    with server.accept()[0] as client:
                        told.append(client.recv(100))
                        client.sendall(b"heard")

        threading.Thread(target=serve, daemon=True).start()
        yield told


@pytest.mark.real
class TestAnIsolatedBuild:
    def test_changes_nothing_but_its_own_folder(self, isolated: Machine) -> None:
        source, environment, tools = isolated.prepared("")
        files = isolated.files()
        hooks = source / "in_tree" / "backend.py"
        places = [
            *(isolated.root / name for name in ("home", "project", "store", "store/files", "victim", "logs")),
            *(tools.work, environment.root, environment.root / "bin", source, tools.python.parent),
            *map(Path, ("/usr/lib", "/etc", "/opt", "/var/tmp", "/run", "/")),
        ]
        hooks.write_text(
            hooks.read_text()
            + dedent(f"""
            def build_wheel(folder, config_settings=None, metadata_directory=None):
                for place in {[str(place) for place in places]!r}:
                    for change in (
                        lambda: os.makedirs(place, exist_ok=True),
                        lambda: open(place + "/poison", "w").write("x"),
                        lambda: os.remove(place + "/secret"),
                        lambda: os.rename(place, place + ".gone"),
                        lambda: os.chmod(place, 0o777),
                        lambda: os.symlink("/etc", place + "/link"),
                    ):
                        try:
                            change()
                        except OSError:
                            pass
                return write_wheel(folder, {{"demo.py": ""}})
            """)
        )
        build_wheel(source, environment, DEMO, tools)
        assert isolated.files() == files
        for place in places:
            assert not (place / "poison").exists()
            assert not os.path.lexists(place / "link")
            assert place.is_dir()

    def test_reads_nothing_of_the_user_the_project_or_the_store(self, isolated: Machine) -> None:
        told = isolated.said(
            f"            USERS = {os.fspath(Path.home() / '.ssh')!r}"
            """
            places = [ROOT + f"/{name}/secret" for name in ("home", "project", "store/files", "victim")]
            for path in (*places, USERS, "/etc/shadow", "/etc/ssh", "/etc/machine-id", "/home", "/var/lib"):
                told[path] = os.path.exists(path)
            seen = []
            for inside, _, names in os.walk(os.path.dirname(ROOT)):
                seen += [os.path.join(inside, name) for name in names if name == "secret"]
            told["seen"] = seen
            """
        )
        assert told.pop("seen") == []
        assert set(told.values()) == {False}

    @pytest.mark.parametrize("place", ["home", "project", "store"])
    def test_does_not_see_these_folders_even_in_one_of_the_system(self, tmp_path: Path, place: str) -> None:
        root = Path("/opt") / f"hostile-{os.getpid()}-{place}"
        if not os.access("/opt", os.W_OK):
            pytest.skip("/opt cannot be written here")
        try:
            machine = Machine(root, isolation("bubblewrap", root))
            told = machine.said(f'told["seen"] = os.path.exists(ROOT + "/{place}/secret")')
            assert told == {"seen": False}
        finally:
            shutil.rmtree(root)

    def test_knows_no_process_but_its_own(self, isolated: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("DEMO_TOKEN", SECRET)
        told = isolated.said(
            """
            pids = [name for name in os.listdir("/proc") if name.isdigit()]
            told["count"] = len(pids)
            told["environ"] = ""
            for pid in (*pids, os.getppid()):
                with open(f"/proc/{pid}/environ", "rb") as file:
                    told["environ"] += file.read().decode(errors="replace")
            """
        )
        assert SECRET not in str(told["environ"])
        assert "HOME=" in str(told["environ"])
        assert isinstance(told["count"], int)
        assert told["count"] < 8

    def test_has_no_rights_over_the_machine(self, isolated: Machine) -> None:
        told = isolated.said(
            """
            status = open("/proc/self/status").read()
            told["capabilities"] = [line.split()[1] for line in status.splitlines() if line.startswith("Cap")]
            told["user"] = os.getuid()
            told["root"] = [os.path.isdir(os.path.join("/proc", str(pid), "root", "home")) for pid in (1, "self")]
            """
        )
        assert told["capabilities"] == ["0" * 16] * 5
        assert told["user"] != 0
        assert told["root"] == [False, False]

    def test_has_temporary_folders_of_its_own(self, isolated: Machine) -> None:
        mark = f"left-{os.getpid()}"
        isolated.said(f'[open(place + "/{mark}", "w").close() for place in ("/tmp", "/dev/shm")]')
        assert not [place for place in ("/tmp", "/dev/shm") if Path(place, mark).exists()]

    def test_reaches_no_network(self, isolated: Machine) -> None:
        name = f"\0hostile-{os.getpid()}"
        inet, inet6, unix = socket.AF_INET, socket.AF_INET6, socket.AF_UNIX
        with listening(inet, ("127.0.0.1", 0)) as first, listening(unix, name) as second:
            port = free_port_of(first)
            told = isolated.said(
                f"""
                import socket
                goals = [({inet}, ("127.0.0.1", {port})), ({inet6}, ("::1", {port})), ({unix}, {name!r}),
                         ({inet}, ("192.0.2.1", 80)), ({inet}, ("example.org", 80))]
                for number, (family, goal) in enumerate(goals):
                    try:
                        with socket.socket(family) as one:
                            one.settimeout(5)
                            one.connect(goal)
                            one.sendall(b"secrets")
                        told[number] = "reached"
                    except OSError as error:
                        told[number] = "refused"
                """
            )
        assert set(told.values()) == {"refused"}
        assert (first, second) == ([], [])

    def test_reaches_it_where_the_configuration_says_why(self, isolated: Machine) -> None:
        isolated.network = True
        with listening(socket.AF_INET, ("127.0.0.1", 0)) as heard:
            told = isolated.said(
                f"""
                import socket
                with socket.create_connection(("127.0.0.1", {free_port_of(heard)}), 10) as one:
                    one.sendall(b"hello")
                    told["answer"] = one.recv(10).decode()
                """
            )
        assert (told, heard) == ({"answer": "heard"}, [b"hello"])

    def test_cannot_replace_its_own_folder(self, isolated: Machine) -> None:
        told = isolated.said(
            """
            for path in (WORK, WORK + "/bench"):
                try:
                    os.rename(path, path + ".old")
                    told[path] = "renamed"
                except OSError:
                    told[path] = "kept"
            """
        )
        assert set(told.values()) == {"kept"}

    def test_is_for_users_without_rights_too(self, root: Path) -> None:
        if os.geteuid() != 0:
            pytest.skip("this run is an unprivileged user's already")
        root.chmod(0o777)
        inside = enclosed(["/bin/sh", "-c", f"touch {root}/x; id -u"], View(shown=(), writable=root), "/usr/bin")
        setpriv = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", "--"]
        done = running.run([*setpriv, *inside], env={})
        assert (done.code, done.output) == (0, "1000\n"), done.errors
        assert (root / "x").stat().st_uid == 65534


def free_port_of(told: list[bytes]) -> int:
    """Return the port of the newest server of this process."""
    (port,) = [
        one.laddr.port
        for one in psutil.Process().net_connections("tcp4")
        if one.status == psutil.CONN_LISTEN and not told
    ][-1:]
    return int(port)


DAEMON = """
    def daemon(mark, stubborn=False):
        if os.fork():
            return
        os.setsid()
        if os.fork():
            os._exit(0)
        os.chdir("/")
        null = os.open("/dev/null", os.O_RDWR)
        [os.dup2(null, number) for number in range(3)]
        lines = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"
        os.execv(sys.executable, [sys.executable, "-c", lines, mark])
"""


@pytest.mark.real
class TestProcesses:
    def mark(self, machine: Machine) -> str:
        return f"daemon of {machine.root.name}"

    def test_daemons_end_with_the_hook(self, machine: Machine) -> None:
        machine.attack(
            DAEMON
            + f"""
    def build_wheel(folder, config_settings=None, metadata_directory=None):
        for _ in range(3):
            daemon({self.mark(machine)!r})
        time.sleep(0.5)
        return write_wheel(folder, {{"demo.py": ""}})
        """
        )
        assert processes_of(self.mark(machine)) == []

    def test_daemons_end_with_a_hook_that_fails(self, machine: Machine) -> None:
        hooks = (
            DAEMON
            + f"""
    def build_wheel(folder, config_settings=None, metadata_directory=None):
        daemon({self.mark(machine)!r})
        time.sleep(0.5)
        sys.exit(1)
        """
        )
        with pytest.raises(WorkError, match="failed"):
            machine.attack(hooks)
        assert processes_of(self.mark(machine)) == []

    def test_daemons_end_with_a_hook_that_hangs_and_ignores_requests(self, machine: Machine) -> None:
        hooks = (
            DAEMON
            + f"""
    def build_wheel(folder, config_settings=None, metadata_directory=None):
        import signal
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        daemon({self.mark(machine)!r})
        while True:
            time.sleep(600)
        """
        )
        source, environment, tools = machine.prepared(hooks)
        with pytest.raises(WorkError) as caught:
            build_wheel(source, environment, DEMO, replace(tools, timeout=3))
        assert "build.timeout" in (caught.value.cause or "")
        assert processes_of(self.mark(machine)) == []

    def test_many_processes_end(self, machine: Machine) -> None:
        hooks = (
            DAEMON
            + f"""
    def build_wheel(folder, config_settings=None, metadata_directory=None):
        for _ in range(40):
            daemon({self.mark(machine)!r})
        os._exit(3)
        """
        )
        with pytest.raises(WorkError, match="failed"):
            machine.attack(hooks)
        assert processes_of(self.mark(machine)) == []

    def test_a_killed_run_leaves_no_build(self, machine: Machine) -> None:
        """The tool itself is killed, and can end nothing any more."""
        mark = self.mark(machine)
        lines = "import sys, time; time.sleep(600)"
        command = machine.isolation.command(
            [f"{sys.base_prefix}/bin/python3", "-c", lines, mark],
            writable=machine.root / "victim",
            shown=(Path(sys.base_prefix),),
            network=False,
        )
        code = "import sys; from bundle.base.processes.run import run; run(sys.argv[1:], trusted=False)"
        process = psutil.Popen([sys.executable, "-c", code, *map(str, command)], start_new_session=True)
        started = False
        for _ in range(600):
            started = any(one.cmdline()[-1:] == [mark] and "bwrap" not in one.name() for one in processes_of(mark))
            if started:
                break
            threading.Event().wait(0.05)
        assert started
        left = processes_of(mark)
        process.kill()
        process.wait()
        for one in left:
            assert_dies(one.pid)


WHEELS = {
    "pipe": ("os.mkfifo(target)", "a pipe"),
    "socket": ("import socket; os.chdir(folder); socket.socket(socket.AF_UNIX).bind(name)", "a socket"),
    "link to a secret": ("os.symlink('/etc/passwd', target)", "a link"),
    "link to a device": ("os.symlink('/dev/zero', target)", "a link"),
    "link to nothing": ("os.symlink('/nowhere', target)", "a link"),
    "link to itself": ("os.symlink(name, target)", "a link"),
    "link to a wheel": (
        "os.rename(write_wheel(folder, {}) and target, folder + '/x'); os.symlink('x', target)",
        "a link",
    ),
    "folder": ("os.mkdir(target)", "a folder"),
    "nothing": ("pass", "not there"),
    "more than a disk": ("open(target, 'wb').truncate(2**40)", "larger than"),
    "linked folder": ("os.rmdir(folder); os.symlink('/etc', folder); name = 'passwd'", "behind a link"),
    "empty": ("open(target, 'wb').close()", "cannot be unpacked"),
    "text": ("open(target, 'w').write('x' * 1000)", "cannot be unpacked"),
    "way out": ("name = '../demo.py'", "not in the output folder"),
    "way up": ("name = '..'", "not in the output folder"),
    "absolute way": ("name = '/etc/passwd'", "not in the output folder"),
    "no name": ("name = ''", "not in the output folder"),
    "number": ("name = 7", "not valid"),
    "list": ("name = ['x']", "not valid"),
    "null": ("name = None", "not valid"),
    "name of ten thousand letters": ("name = 'x' * 20000", "not valid"),
}


@pytest.mark.real
@pytest.mark.parametrize(("make", "complaint"), WHEELS.values(), ids=WHEELS)
def test_a_result_that_is_no_wheel_is_refused(machine: Machine, make: str, complaint: str) -> None:
    hooks = f"""
        def build_wheel(folder, config_settings=None, metadata_directory=None):
            name = "demo-1.0-py3-none-any.whl"
            target = folder + "/" + name
            {make}
            return name
    """
    with pytest.raises(BundleError, match=complaint) as caught:
        machine.attack(hooks)
    assert isinstance(caught.value, IntegrityError | WorkError)
    assert not (machine.work / "bench").exists()
    assert SECRET not in str(caught.value)


METADATA = {
    "pipe": "os.mkfifo(target)",
    "link": "os.symlink('/etc/passwd', target)",
    "folder": "os.mkdir(target)",
    "large": "open(target, 'wb').truncate(2**40)",
    "linked folder": "os.rmdir(inner); os.symlink('/etc', inner)",
}


@pytest.mark.real
@pytest.mark.parametrize("make", METADATA.values(), ids=METADATA)
def test_metadata_that_are_no_file_are_refused(machine: Machine, make: str) -> None:
    hooks = f"""
        def prepare_metadata_for_build_wheel(folder, config_settings=None):
            inner = folder + "/demo-1.0.dist-info"
            os.mkdir(inner)
            target = inner + "/METADATA"
            {make}
            return "demo-1.0.dist-info"

        def build_wheel(folder, config_settings=None, metadata_directory=None):
            raise SystemExit("not asked for")
    """
    source, environment, tools = machine.prepared(hooks)
    if make == METADATA["linked folder"]:
        # Of the folder that it leads to nothing is read, there being no METADATA or not.
        with pytest.raises(BundleError):
            prepare_metadata(source, environment, DEMO, tools)
        return
    with pytest.raises(IntegrityError, match=r"is (a|larger)"):
        prepare_metadata(source, environment, DEMO, tools)


ANSWERS = {
    "pipe": ("os.mkfifo(target)", "a pipe"),
    "link": ("os.symlink('/etc/passwd', target)", "a link"),
    "endless": ("os.symlink('/dev/zero', target)", "a link"),
    "folder": ("os.mkdir(target)", "a folder"),
    "large": ("open(target, 'wb').truncate(2**40)", "larger than"),
    "none": ("pass", "failed"),
    "text": ("open(target, 'w').write('hello')", "not valid"),
    "list": ("open(target, 'w').write('[1]')", "not valid"),
    "nothing": ("open(target, 'w').write('{}')", "not valid"),
    "deep": ("open(target, 'w').write('[' * 100000)", "not valid"),
    "long number": ("open(target, 'w').write('9' * 5000)", "not valid"),
    "folder linked": ("os.rename(control, control + 'x'); os.symlink(control + 'x', control)", "behind a link|a link"),
}


@pytest.mark.real
@pytest.mark.parametrize(("make", "complaint"), ANSWERS.values(), ids=ANSWERS)
def test_an_answer_that_is_none_is_refused(machine: Machine, make: str, complaint: str) -> None:
    hooks = f"""
        def get_requires_for_build_wheel(config_settings=None):
            control = sys.argv[-1]
            target = control + "/output.json"
            {make}
            sys.stdout.flush()
            os._exit(0)
    """
    source, environment, tools = machine.prepared(hooks)
    with pytest.raises(BundleError, match=complaint):
        backend_requires(source, environment, DEMO, tools)


@pytest.mark.parametrize(
    "told",
    [
        {"return_val": {}},
        {"return_val": "wheel"},
        {"return_val": [7]},
        {"return_val": [["x"]]},
        {"return_val": ["x" * 20_000]},
        {"return_val": ["x"] * 20_000},
        {"return_val": [], "warnings": 5},
        {"return_val": [], "warnings": [{}]},
        {"return_val": [], "warnings": [["message"]]},
    ],
)
def test_an_answer_of_the_wrong_types_is_refused(told: dict[str, object]) -> None:
    with pytest.raises(IntegrityError, match="not valid"):
        read_answer(json.dumps(told).encode(), "get_requires_for_build_wheel")


def test_the_fault_that_an_answer_reports_is_kept_short() -> None:
    told = {"no_backend": True, "traceback": "x" * 10**6, "backend_error": {"a": 1}, "foreign": "x", "warnings": []}
    answer, _ = read_answer(json.dumps(told).encode(), "build_wheel")
    assert answer == {"no_backend": True, "traceback": "x" * 10_000, "backend_error": "{'a': 1}"}


@pytest.mark.real
class TestOutput:
    def test_that_steers_the_terminal_is_stripped(self, machine: Machine) -> None:
        hooks = r"""
            def build_wheel(folder, config_settings=None, metadata_directory=None):
                print("\x1b[2J\x1b[1;31mred\x1b[0m \x1b]0;title\x07text \x9b31m \x1bP1$r\x1b\\ \x08\x08 back\u202e")
                print("\x1b]8;;http://evil\x1b\\link\x1b]8;;\x1b\\ bell\x07\rover")
                print("fatal error: \x1b[31mzlib.h: No such file")
                sys.stderr.write("\x1bc\x1b(0 last \0 words\n")
                sys.exit(1)
        """
        with pytest.raises(WorkError) as caught:
            machine.attack(hooks)
        error = caught.value
        shown = "\n".join([str(error), error.what, error.cause or "", error.remedy, *error.details])
        assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e]", shown)
        assert {"red text 31m   back", "link bell", "over", "last  words"} <= {line.strip() for line in error.details}
        assert "zlib.h is missing" in (error.cause or "")

    def test_of_gigabytes_is_cut_in_the_log(self, machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(running, "MOST_OUTPUT", 2**20)
        machine.attack(
            """
            def build_wheel(folder, config_settings=None, metadata_directory=None):
                for _ in range(160):
                    os.write(1, b"x" * 2**16)
                return write_wheel(folder, {"demo.py": ""})
            """
        )
        assert "(the output exceeds 1,048,576 bytes; the rest is left out)" in machine.log
        assert 2**20 < len(machine.log) < 2**20 + 20_000

    @pytest.mark.parametrize("text", ["/", "a/", "command '", "command '/", "fatal error: ", "\\x1b[", "\\x1b]", "a"])
    def test_of_one_endless_line_is_searched_quickly(self, open_machine: Machine, text: str) -> None:
        hooks = f"""
            def build_wheel(folder, config_settings=None, metadata_directory=None):
                os.write(1, b"{text}" * {2**20 // len(text)})
                sys.exit(1)
        """
        with pytest.raises(WorkError) as caught:
            open_machine.attack(hooks)
        assert all(len(line) < 1000 for line in caught.value.details)


LINKED = {
    "its own folder": ("WORK", "victim"),
    "the bench": ("WORK + '/bench'", "victim/bench"),
    "the folder above": ("os.path.dirname(WORK)", "victims"),
}


@pytest.mark.real
@pytest.mark.parametrize(("place", "goal"), LINKED.values(), ids=LINKED)
def test_a_folder_replaced_by_a_link_is_not_followed(open_machine: Machine, place: str, goal: str) -> None:
    """Without isolation a build can do so; what the link leads to must survive."""
    shutil.copytree(open_machine.root / "victim", open_machine.root / "victims" / "demo")
    before = open_machine.files()
    hooks = f"""
        def build_wheel(folder, config_settings=None, metadata_directory=None):
            name = write_wheel(folder, {{"demo.py": ""}})
            os.rename({place}, ROOT + "/store/source/moved")
            os.symlink(ROOT + "/{goal}", {place})
            return name
    """
    with pytest.raises(BundleError):
        open_machine.attack(hooks)
    assert open_machine.files() == before
    assert (open_machine.root / "victim" / "bench" / "secret").read_text() == SECRET
    assert (open_machine.root / "victims" / "demo" / "bench" / "secret").read_text() == SECRET


@pytest.mark.real
@pytest.mark.parametrize("make", ["os.mkfifo(log)", "os.symlink(ROOT + '/home/secret', log)", "os.mkdir(log)"])
def test_a_log_that_is_replaced_is_not_written(open_machine: Machine, make: str) -> None:
    hooks = f"""
        def build_wheel(folder, config_settings=None, metadata_directory=None):
            log = ROOT + "/logs/build.log"
            os.remove(log)
            {make}
            return write_wheel(folder, {{"demo.py": ""}})
    """
    with pytest.raises(IntegrityError, match="log"):
        open_machine.attack(hooks)
    assert (open_machine.root / "home" / "secret").read_text() == SECRET


@pytest.mark.real
@pytest.mark.parametrize(
    "lines",
    [
        "for _ in range(3000): os.mkdir('d'); os.chdir('d')",
        "os.mkdir('locked'); open('locked/file', 'w'); os.chmod('locked', 0)",
        "[os.mkfifo(f'pipe{n}') for n in range(50)]",
        "os.symlink(ROOT + '/victim', 'victim'); os.symlink('.', 'round')",
        "open('\\udcff\\n\\x1b[31m', 'w')",
    ],
    ids=["deep", "locked", "pipes", "links", "names"],
)
def test_what_a_build_leaves_in_its_folder_is_removed(machine: Machine, lines: str) -> None:
    hooks = f"""
        def build_wheel(folder, config_settings=None, metadata_directory=None):
            name = write_wheel(folder, {{"demo.py": ""}})
            os.chdir(WORK + "/bench")
            {lines}
            return name
    """
    assert machine.attack(hooks).is_file()
    assert not (machine.work / "bench").exists()
    assert not (machine.work / "finishing").exists()
    assert (machine.root / "victim" / "secret").exists()


@pytest.mark.real
def test_a_build_sees_no_secret_of_the_environment(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    names = (
        *("PYPI_TOKEN", "GITHUB_TOKEN", "AWS_SECRET_ACCESS_KEY", "TWINE_PASSWORD", "UV_INDEX_CORP_PASSWORD"),
        *("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "PIP_INDEX_URL", "UV_DEFAULT_INDEX", "NETRC", "SSH_AUTH_SOCK"),
        *("BUNDLE_CUDA_INDEX", "BUNDLE_CACHE_DIR", "XDG_CONFIG_HOME", "DBUS_SESSION_BUS_ADDRESS", "GIT_ASKPASS"),
    )
    for name in names:
        monkeypatch.setenv(name, f"https://user:{SECRET}@host")
    told = machine.said('told["environ"] = dict(os.environ); told["home"] = os.path.expanduser("~")')
    assert isinstance(told["environ"], dict)
    assert told["environ"].keys().isdisjoint(names)
    assert SECRET not in str(told)
    assert told["home"] == str(machine.work / "bench" / "home")


class TestAMachineWithoutIsolation:
    def test_is_refused_if_it_must_be_strict(self) -> None:
        for key in ("macosx-aarch64", "windows-x64"):
            with pytest.raises(WorkError, match=f"none for {key}") as caught:
                isolation_of("strict", PLATFORMS[key], {}, ())
            assert "build.isolation" in caught.value.remedy

    def test_builds_without_otherwise_and_says_why(self, tmp_path: Path) -> None:
        assert isolation_of("auto", PLATFORMS["linux-x64"], {"PATH": str(tmp_path)}, ()) == Isolation(
            lacking="bwrap is not on PATH"
        )
        assert isolation_of("none", PLATFORMS["linux-x64"], {}, ()).name == "none"

    @pytest.mark.real
    @pytest.mark.parametrize(
        ("script", "reason"),
        [
            ("echo 'bwrap: No permissions to create new namespace' >&2; exit 1", "No permissions"),
            ("kill -9 $$", "exit code -9"),
            ("printf '\\033[31mred\\n' >&2; exit 1", "red"),
        ],
    )
    def test_has_a_program_that_does_not_work_there(self, tmp_path: Path, script: str, reason: str) -> None:
        program = tmp_path / "bwrap"
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
        assert reason in (unusable(str(tmp_path)) or "")
        with pytest.raises(WorkError, match=reason) as caught:
            isolation_of("strict", PLATFORMS["linux-x64"], {"PATH": str(tmp_path)}, ())
        assert "bubblewrap" in caught.value.remedy
        assert "\x1b" not in str(caught.value)
