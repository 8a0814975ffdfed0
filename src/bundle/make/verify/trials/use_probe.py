"""Run by a bundle's interpreter as its `-c`, never imported: imports the modules of a distribution as its users do.

First come the modules that users start with. Some modules cannot be imported before others of their package, or only
from a folder that the package has put on `sys.path`; this finds out whether they load all the same.

Standard input: JSON with `site`, the folder site-packages; `first`, names to begin with; `modules`, pairs of a name and
a path inside that folder; and `seconds`, which one import may take.
Standard output: the names that are tried, as `try NAME`, each followed by `pass NAME` if the module is loaded. Of the
names to begin with only the very first passes: for the others something was imported before.
"""

import json
import os
import signal
import sys


def main() -> None:
    """Import what standard input names, and answer."""
    request = json.load(sys.stdin)
    answers = os.dup(1)
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(null, descriptor)

    def answer(word: str, name: str) -> None:
        os.write(answers, f"{word} {name}\n".encode())

    def give_time() -> None:
        if hasattr(signal, "alarm"):
            signal.alarm(request["seconds"])

    for number, name in enumerate(request["first"]):
        answer("try", name)
        give_time()
        if attempt(name) is None and number == 0:
            answer("pass", name)
    for name, path in request["modules"]:
        answer("try", name)
        give_time()
        if loads(request["site"], name, path):
            answer("pass", name)
    # No exit handlers: a program may wait in them.
    os._exit(0)


def loads(site: str, name: str, path: str) -> bool:
    """Return whether a module is loaded, or can be."""
    if is_loaded(name, path):
        return True
    for circle in attempt(name) or ():
        if is_loaded(name, path):
            break
        # What the module imports, and what imports the module in turn: users begin there.
        attempt(circle)
    for root, short in places(site, path):
        if is_loaded(name, path):
            break
        if root not in sys.path:
            sys.path.append(root)
        attempt(short)
    return is_loaded(name, path)


def attempt(name: str) -> list[str] | None:
    """Import a module; return None, or the names of the modules that were being imported when that failed."""
    try:
        __import__(name)
    except BaseException as error:  # noqa: BLE001 - a module may raise anything
        trace, names = error.__traceback__, []
        while trace is not None:
            names.append(trace.tb_frame.f_globals.get("__name__"))
            trace = trace.tb_next
        own = [one for one in dict.fromkeys(names) if isinstance(one, str) and one not in ("__main__", name)]
        return [one for one in reversed(own) if one.partition(".")[0] == name.partition(".")[0]]
    return None


def is_loaded(name: str, path: str) -> bool:
    """Return whether some module, most likely the one of a name, or an attribute of one, comes from a file."""
    if ends(getattr(sys.modules.get(name), "__file__", None), path):
        return True
    for module in list(sys.modules.values()):
        for one in (module, *list(getattr(module, "__dict__", {}).values())):
            if type(one) is type(sys) and ends(getattr(one, "__file__", None), path):
                return True
    return False


def places(site: str, path: str) -> list[tuple[str, str]]:
    """Return the folders above a file that can be on `sys.path`, each with the module's name from there.

    These are folders that a package has put there, and folders that are no packages but lie inside one.
    """
    found = []
    *folders, file = path.split("/")
    for count in range(len(folders), 0, -1):
        root = os.path.join(site, *folders[:count])  # noqa: PTH118 - pathlib is not loaded for the modules
        files = os.listdir(root)  # noqa: PTH208
        if root in sys.path or not any(one.startswith("__init__.") for one in files):
            found.append((root, ".".join((*folders[count:], file.partition(".")[0]))))
    return found


def ends(file: object, path: str) -> bool:
    """Return whether a file is the one of a path inside site-packages."""
    return isinstance(file, str) and os.path.normcase(file).replace("\\", "/").endswith(
        "/" + os.path.normcase(path).replace("\\", "/")
    )


if __name__ == "__main__":
    main()
