"""A program that starts another one, watches its limits, and ends all that it leaves behind; run as a script.

Its streams: the first line of standard input is what to start (JSON), each further line asks for an end, and the end of
the stream means that the program that started this one is gone. Standard output is that of the supervised program, its
standard error included. The last line of standard error is the report (JSON).

On Linux it adopts every descendant whose parent has ended (a child subreaper), in any session and process group. On
Windows a job object holds all of them. Elsewhere it remembers each descendant that it has seen, and finds others by a
variable.
"""

from __future__ import annotations

import ctypes
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any, NamedTuple, NoReturn

_SUBREAPER = 36
"""Of prctl(2)."""

_POLL = 0.1
"""Seconds between two looks at the processes; more where a look takes long."""

_COST = 20
"""The processes are looked at for at most one part of so many of the time."""

_LEFTOVER = 1.0
"""Seconds that background processes have to end once the program itself has ended."""

_PATIENCE = 20.0
"""Seconds to kill what is left; a process that may not be killed, such as another user's, outlives them."""

_MANY = 64
"""Processes from which on their memory is added up without a look at what they share."""

_events: queue.SimpleQueue[str] = queue.SimpleQueue()
"""What the loop waits for. Module state, because handlers of signals fill it; a `SimpleQueue` permits that."""


class Member(NamedTuple):
    """One process of the tree."""

    pid: int
    group: int
    """The process group; 0 where there is none."""
    resident: int
    """Bytes of memory."""


class Tree:
    """All descendants of this process.

    Args:
        mark: a variable with its value that the supervised program and its descendants have.
    """

    def __init__(self, mark: str) -> None:
        self._mark = mark
        self._seen: set[Any] = set()
        if sys.platform == "linux":
            ctypes.CDLL(None).prctl(_SUBREAPER, 1, 0, 0, 0)
        elif sys.platform == "win32":
            self._job = _job_object()

    def members(self, *, thorough: bool = False) -> list[Member]:
        """Return what lives.

        Args:
            thorough: whether to look at every process of the machine where the system does not tell descendants.
        """
        if sys.platform == "linux":
            return list(_linux_members())
        import psutil

        with suppress(psutil.Error):
            self._seen.update(psutil.Process().children(recursive=True))
        if sys.platform == "win32":
            for pid in _job_members(self._job):
                with suppress(psutil.Error):
                    self._seen.add(psutil.Process(pid))
        elif thorough:
            self._seen.update(_marked(self._mark))
        return [one for process in tuple(self._seen) for one in self._alive(process)]

    def ask(self) -> None:
        """Ask all to end."""
        for member in self.members(thorough=True):
            with suppress(OSError):
                os.kill(member.pid, signal.SIGTERM)

    def kill(self) -> None:
        """Kill what lives; what appears meanwhile lives on."""
        members = self.members(thorough=True)
        for group in {member.group for member in members} - {0, _own_group()}:
            # All at once: none of a group can start another meanwhile.
            with suppress(OSError):
                os.killpg(group, signal.SIGKILL)
        for member in members:
            _kill(member.pid)

    def _alive(self, process: Any) -> Iterator[Member]:
        import psutil

        try:
            if process.pid != os.getpid() and process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
                group = 0 if sys.platform == "win32" else os.getpgid(process.pid)
                yield Member(process.pid, group, process.memory_info().rss)
                return
        except (psutil.Error, OSError):
            pass
        self._seen.discard(process)


def _linux_members() -> Iterator[Member]:
    children: dict[int, list[Member]] = defaultdict(list)
    page = os.sysconf("SC_PAGE_SIZE")
    for name in os.listdir("/proc"):  # noqa: PTH208 - paths would cost more than the rest
        if not name.isdigit():
            continue
        with suppress(OSError), open(f"/proc/{name}/stat", "rb") as file:  # noqa: PTH123
            # The name of the program may hold anything, also blanks and brackets.
            fields = file.read().rpartition(b")")[2].split()
            children[int(fields[1])].append(Member(int(name), int(fields[2]), int(fields[21]) * page))
    ahead = [os.getpid()]
    while ahead:
        for member in children.pop(ahead.pop(), ()):
            ahead.append(member.pid)
            yield member


def memory_of(members: list[Member]) -> int:
    """Return the bytes of memory that processes use together; what they share counts once where the system tells it."""
    if len(members) < 2 or len(members) > _MANY or sys.platform != "linux":
        return sum(member.resident for member in members)
    return sum(map(_own_part, members))


def _own_part(member: Member) -> int:
    with suppress(OSError), open(f"/proc/{member.pid}/smaps_rollup", "rb") as file:  # noqa: PTH123
        for line in file:
            if line.startswith(b"Pss:"):
                return int(line.split()[1]) * 1024
    return member.resident


class Supervised:
    """The program, its limits, and its end.

    Args:
        spec: what `supervised.py` beside this module writes.
    """

    def __init__(self, spec: Mapping[str, Any]) -> None:
        self._spec = spec
        self._tree = Tree(spec["mark"])
        self._own = self._most = self._peak = 0
        self.code: int | None = None
        flags = 0
        if sys.platform == "win32":
            flags = subprocess.CREATE_NEW_PROCESS_GROUP
        else:
            import resource

            # A dump of the program would hold its secrets.
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            self._own = _most_memory(resource.getrusage(resource.RUSAGE_SELF))
        self._process = subprocess.Popen(
            spec["command"],
            env=spec["env"],
            cwd=spec["cwd"],
            stdin=subprocess.DEVNULL,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            creationflags=flags,
        )

    def run(self) -> dict[str, Any]:
        """Wait for the end of the program, bring it about where a limit or a request demands it, and report."""
        started = time.monotonic()
        reason = self._watch(started)
        if reason in ("memory", "processes"):
            self._end(0.0)
        elif reason is None:
            self._end(min(_LEFTOVER, self._spec["grace"]))
        else:
            self._end(self._spec["grace"])
        left = [] if self._reap() else [member.pid for member in self._tree.members()]
        return {
            "code": self.code,
            "reason": reason,
            "peak": max(self._peak, self._most),
            "left": left,
            "seconds": time.monotonic() - started,
        }

    def _watch(self, started: float) -> str | None:
        """Return why the program has to end, None if it has ended by itself."""
        limit = self._spec["timeout"]
        pause = 0.0
        while True:
            wait = pause if limit is None else min(pause, max(0.0, started + limit - time.monotonic()))
            events = _drained(wait)
            if "kill" in events:
                _events.put("kill")
            if not {"stop", "kill", "gone"}.isdisjoint(events):
                return "stopped"
            self._reap()
            if self.code is not None:
                # It may have used more than was seen. What the system recorded begins with the memory of this program.
                most = self._most if self._most > self._own else 0
                return "memory" if self._beyond(self._spec["memory"], most) else None
            looked = time.monotonic()
            members = self._tree.members()
            self._peak = max(self._peak, memory_of(members))
            if self._beyond(self._spec["memory"], self._peak):
                return "memory"
            if self._beyond(self._spec["processes"], len(members)):
                return "processes"
            if limit is not None and time.monotonic() - started >= limit:
                return "timeout"
            pause = max(_POLL, _COST * (time.monotonic() - looked))

    def _beyond(self, limit: int | None, value: int) -> bool:
        return limit is not None and value > limit

    def _end(self, grace: float) -> None:
        """Ask all to end, and kill those that live on after the grace."""
        deadline = time.monotonic() + grace
        if grace > 0 and not self._gone():
            self._ask()
            while time.monotonic() < deadline and not self._gone():
                if "kill" in _drained(0.02):
                    break
        deadline = time.monotonic() + _PATIENCE
        while not self._gone(thorough=True) and time.monotonic() < deadline:
            self._tree.kill()
            time.sleep(0.005)

    def _ask(self) -> None:
        if sys.platform == "win32":
            with suppress(OSError):
                self._process.send_signal(signal.CTRL_BREAK_EVENT)
            return
        self._tree.ask()

    def _gone(self, *, thorough: bool = False) -> bool:
        """Return whether nothing of the program lives; on Linux the system itself says so."""
        nothing = self._reap()
        if sys.platform == "linux":
            return nothing
        return self.code is not None and not self._tree.members(thorough=thorough)

    def _reap(self) -> bool:
        """Take note of ended children; return whether there is none left."""
        if sys.platform == "win32":
            self.code = self._process.poll()
            return self.code is not None
        while True:
            try:
                pid, status, usage = os.wait4(-1, os.WNOHANG)
            except ChildProcessError:
                return True
            if pid == 0:
                return False
            self._most = max(self._most, _most_memory(usage))
            if pid == self._process.pid:
                self.code = self._process.returncode = os.waitstatus_to_exitcode(status)


def _most_memory(usage: Any) -> int:
    return int(usage.ru_maxrss) * (1 if sys.platform == "darwin" else 1024)


def _own_group() -> int:
    return 0 if sys.platform == "win32" else os.getpgid(0)


def _kill(pid: int) -> None:
    with suppress(OSError):
        os.kill(pid, signal.SIGTERM if sys.platform == "win32" else signal.SIGKILL)


def _drained(wait: float) -> list[str]:
    """Return the events that come within a time, at once when there is one."""
    events: list[str] = []
    with suppress(queue.Empty):
        events.append(_events.get(timeout=max(0.0, wait)))
        while True:
            events.append(_events.get_nowait())
    return events


def _marked(mark: str) -> Iterator[Any]:
    import psutil

    name, _, value = mark.partition("=")
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if process.environ().get(name) == value:
                yield process


def _job_object() -> Any:
    """Put this process into a job object, which all its descendants join, and which ends them with this process."""
    if sys.platform != "win32":
        return None
    kernel = ctypes.WinDLL("kernel32", use_last_error=True)
    kernel.CreateJobObjectW.restype = kernel.GetCurrentProcess.restype = ctypes.c_void_p
    job = ctypes.c_void_p(kernel.CreateJobObjectW(None, None))
    # JOBOBJECT_EXTENDED_LIMIT_INFORMATION: LimitFlags stands behind two 64-bit times; 0x2000 is KILL_ON_JOB_CLOSE.
    limits = (ctypes.c_uint32 * 36)()
    limits[4] = 0x2000
    kernel.SetInformationJobObject(job, 9, ctypes.byref(limits), ctypes.sizeof(limits))
    kernel.AssignProcessToJobObject(job, ctypes.c_void_p(kernel.GetCurrentProcess()))
    return job


def _job_members(job: Any) -> list[int]:
    if sys.platform != "win32":
        return []
    kernel = ctypes.WinDLL("kernel32", use_last_error=True)
    most = 4096
    # JOBOBJECT_BASIC_PROCESS_ID_LIST: two 32-bit counts, then the numbers in pointer size.
    found = (ctypes.c_size_t * (most + 1))()
    if not kernel.QueryInformationJobObject(job, 3, ctypes.byref(found), ctypes.sizeof(found), None):
        return []
    count = (ctypes.c_uint32 * 2).from_buffer(found)[1]
    return [int(pid) for pid in found[1 : 1 + count]]


def _listen() -> None:
    for line in sys.stdin.buffer:
        _events.put(line.decode(errors="replace").strip())
    _events.put("gone")


def main() -> NoReturn:
    """Run what standard input says, and report on standard error."""
    spec = json.loads(sys.stdin.buffer.readline())
    signal.signal(signal.SIGTERM, lambda *_: _events.put("stop"))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if sys.platform != "win32":
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        signal.signal(signal.SIGCHLD, lambda *_: _events.put("child"))
    try:
        supervised = Supervised(spec)
    except (OSError, ValueError) as error:
        report: dict[str, Any] = {"error": getattr(error, "strerror", None) or str(error)}
    else:
        threading.Thread(target=_listen, daemon=True).start()
        report = supervised.run()
    with suppress(OSError):
        os.write(2, b"\n" + json.dumps(report).encode() + b"\n")
    # The thread that listens holds standard input, which an ordinary exit would close.
    os._exit(0)


if __name__ == "__main__":
    main()
