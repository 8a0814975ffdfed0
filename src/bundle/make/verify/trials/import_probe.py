"""Run by a bundle's interpreter as its `-c`, never imported: imports many modules, each in a forked process of its own.

A process that imports `a.b.c` afresh runs `import a`, then `a.b`, then `a.b.c`. So the process that has imported `a` is
forked for each of its submodules: each line of descent runs the same code as a fresh process, and parents are imported
only once. Nothing but modules that are part of every interpreter is imported here, so that no module works only
because of an import of this file.

Standard input: the number of groups at once, the seconds that one import may take, then module names, one per line.
Standard output: the names that were imported, one per line, in any order. The others remain unknown.
"""

import _signal  # type: ignore[import-not-found]  # The C module itself: `signal` would import others.
import os
import sys

_Tree = dict[str, "_Tree"]


def main() -> None:
    """Import the modules that standard input names, the groups of a top-level package beside each other."""
    jobs, seconds, *names = sys.stdin.read().split("\n")
    probe = _Probe(frozenset(filter(None, names)), int(seconds))
    free = int(jobs)
    for name, branch in sorted(probe.tree().items(), key=lambda item: -len(item[1])):
        if not free:
            os.wait()
            free += 1
        probe.start(name, branch)
        free -= 1
    while free < int(jobs):
        os.wait()
        free += 1


class _Probe:
    def __init__(self, names: frozenset[str], seconds: int) -> None:
        self.names = names
        self.seconds = seconds
        self.answers = os.dup(1)
        # A module that reads, prints or complains at import must not disturb the answers.
        null = os.open(os.devnull, os.O_RDWR)
        for descriptor in (0, 1, 2):
            os.dup2(null, descriptor)

    def tree(self) -> _Tree:
        root: _Tree = {}
        for name in sorted(self.names):
            branch = root
            for part in name.split("."):
                branch = branch.setdefault(part, {})
        return root

    def start(self, name: str, branch: _Tree) -> int:
        """Fork a process that imports a module; return its id."""
        child = os.fork()
        if child:
            return child
        try:
            self.visit(name, branch)
        finally:
            # No exit handlers and no traceback: a failed module is imported again elsewhere.
            os._exit(0)

    def visit(self, name: str, branch: _Tree) -> None:
        """Import a module and, in processes forked from there, those below it."""
        _signal.alarm(self.seconds)
        __import__(name)
        _signal.alarm(0)
        if name in self.names:
            os.write(self.answers, name.encode() + b"\n")
        for part, below in branch.items():
            os.waitpid(self.start(f"{name}.{part}", below), 0)


if __name__ == "__main__":
    main()
