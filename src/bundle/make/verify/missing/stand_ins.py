"""Run by a bundle's interpreter as the beginning of its `-c`, never imported: stand-ins for what cannot be loaded.

`STAND_INS` is put before it: JSON with `packages`, names at the top level that get a stand-in with all that is below
them; `modules`, dotted names that get one; and `libraries`, names of files that ctypes seems to load. A stand-in has
every attribute, which can be called, subclassed, indexed and iterated over. So what follows behaves as where the
libraries are, as far as importing goes, and what fails all the same has another reason.
"""

import importlib.abc
import importlib.machinery
import json
import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any

_STAND_INS = json.loads(globals().pop("STAND_INS", "{}"))


class _Kind(type):
    def __getattr__(cls, name: str) -> Any:
        return _attribute(name)

    def __getitem__(cls, key: object) -> Any:
        return cls

    def __iter__(cls) -> Iterator[Any]:
        return iter(())

    def __or__(cls, other: object) -> Any:
        return cls

    __ror__ = __or__


def _attribute(name: str) -> Any:
    if name.startswith("__"):
        raise AttributeError(name)
    return _Kind(name, (_Thing,), {})


class _Thing(Exception, metaclass=_Kind):  # noqa: N818 - programs catch some attributes as exceptions
    def __init__(self, *arguments: object, **named: object) -> None:
        pass

    def __getattr__(self, name: str) -> Any:
        return _attribute(name)

    def __call__(self, *arguments: object, **_: object) -> Any:
        # As a decorator it changes nothing.
        return arguments[0] if len(arguments) == 1 and callable(arguments[0]) else _Thing()

    def __getitem__(self, key: object) -> Any:
        return _Thing()

    def __iter__(self) -> Iterator[Any]:
        return iter(())

    def __len__(self) -> int:
        return 0

    def __int__(self) -> int:
        return 0

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *error: object) -> None:
        pass


class _Module(ModuleType):
    __path__: Any = ()
    __all__ = ()
    __version__ = "999.0"

    def __getattr__(self, name: str) -> Any:
        return _attribute(name)


class _Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    def find_spec(self, name: str, *_: object) -> Any:
        if name == "ctypes":
            return _changed_ctypes(name)
        if name in _STAND_INS["modules"] or name.partition(".")[0] in _STAND_INS["packages"]:
            return importlib.machinery.ModuleSpec(name, self)
        return None

    def create_module(self, spec: Any) -> ModuleType:
        return _Module(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        pass


def _changed_ctypes(name: str) -> Any:
    spec: Any = importlib.machinery.PathFinder.find_spec(name)
    execute = spec.loader.exec_module

    def execute_and_change(module: Any) -> None:
        execute(module)
        load, get = module.CDLL.__init__, module.CDLL.__getattr__

        def load_or_not(self: Any, name: object, *arguments: Any, **named: Any) -> None:
            file = str(name).replace("\\", "/").rpartition("/")[2].lower()
            if {file, f"{file}.dll"} & set(_STAND_INS["libraries"]):
                self._name, self._handle, self._stand_in = name, 0, True
            else:
                load(self, name, *arguments, **named)

        def get_or_not(self: Any, name: str) -> Any:
            return _attribute(name) if self.__dict__.get("_stand_in") else get(self, name)

        module.CDLL.__init__, module.CDLL.__getattr__ = load_or_not, get_or_not

    spec.loader.exec_module = execute_and_change
    return spec


if _STAND_INS:
    sys.meta_path.insert(0, _Finder())
