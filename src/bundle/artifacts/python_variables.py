"""Environment variables that lead an interpreter astray; a start waits for this module, so it imports nothing."""

MISLEADING = frozenset({"PYTHONHOME", "PYTHONEXECUTABLE", "__PYVENV_LAUNCHER__", "VIRTUAL_ENV"})
"""Variables that name another Python."""
