from __future__ import annotations

from bundle.make.verify.trials.tracebacks import WITHOUT_TK, details_of, explanation, first_cause, missing_module

CHAIN = """\
Traceback (most recent call last):
  File "lib/python3.12/site-packages/plot/backend.py", line 7, in <module>
    import tkinter
  File "lib/python3.12/tkinter/__init__.py", line 38, in <module>
    import _tkinter
ModuleNotFoundError: No module named '_tkinter'

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "<string>", line 1, in <module>
  File "lib/python3.12/site-packages/plot/__init__.py", line 3, in <module>
    raise RuntimeError("no backend")
RuntimeError: no backend
"""


def alone(error: str) -> str:
    return f'Traceback (most recent call last):\n  File "<string>", line 1, in <module>\n{error}\n'


def test_each_exception_of_a_chain_is_told_the_cause_first() -> None:
    assert details_of(CHAIN) == (
        "lib/python3.12/tkinter/__init__.py, line 38:",
        "ModuleNotFoundError: No module named '_tkinter'",
        "RuntimeError: no backend",
    )
    assert first_cause(CHAIN) == "ModuleNotFoundError: No module named '_tkinter'"


def test_what_a_command_line_did_is_not_worth_a_line() -> None:
    assert details_of(alone("ImportError: libx.so.1: cannot open")) == ("ImportError: libx.so.1: cannot open",)
    crash = 'Fatal Python error: Aborted\n\nCurrent thread (most recent call first):\n  File "<string>", line 1\n'
    assert details_of(crash) == ("Fatal Python error: Aborted", "Current thread (most recent call first):")


def test_a_long_message_keeps_its_first_and_its_last_lines() -> None:
    long = alone("ImportError: \n" + "".join(f"hint {number}\n" for number in range(20)))
    assert details_of(long) == ("ImportError:", "…", *(f"hint {number}" for number in range(15, 20)))


def test_output_without_an_exception_is_shown_by_its_last_lines() -> None:
    assert details_of("".join(f"{number}\n" for number in range(9))) == ("3", "4", "5", "6", "7", "8")
    assert details_of("") == ()
    assert first_cause("Aborted\n") == ""


def test_a_crash_is_shown_without_what_python_tells_of_its_threads() -> None:
    crash = "Check failed: x\nFatal Python error: Aborted\n\nCurrent thread 0x00007f2b (most recent call first):\n"
    crash += '  File "/a/b.py", line 3 in <module>\n\nExtension modules: a, b (total: 2)\n'
    assert details_of(crash) == ("Check failed: x", "Fatal Python error: Aborted")


def test_a_module_of_a_package_that_was_left_out_is_explained() -> None:
    left_out = {"mdurl": "Not needed here.", "nvidia-cublas": "no GPU"}
    missing = "ModuleNotFoundError: No module named '{}'"
    assert explanation(alone(missing.format("mdurl._decode")), left_out) == "mdurl was left out: Not needed here"
    assert explanation(alone(missing.format("nvidia.cublas")), left_out) == "nvidia-cublas was left out: no GPU"
    assert explanation(alone(missing.format("other")), left_out) == ""
    assert explanation(alone("ImportError: mdurl"), left_out) == ""
    wrapped = alone("ImportError: cannot import what plot requires:\nmdurl: No module named 'mdurl'")
    assert explanation(wrapped, left_out) == "mdurl was left out: Not needed here"
    assert explanation(CHAIN, {}) == "this interpreter comes without Tk"


def test_a_cause_that_c_raised_has_no_traceback_of_its_own() -> None:
    between = "\nThe above exception was the direct cause of the following exception:\n\n"
    text = f"ModuleNotFoundError: No module named '_tkinter'\n{between}ImportError: failed to load\n{between}"
    text += 'Traceback (most recent call last):\n  File "<string>", line 1, in <module>\nImportError: failed\n'
    assert first_cause(text) == "ModuleNotFoundError: No module named '_tkinter'"
    assert missing_module(text) == "_tkinter"
    assert explanation(text, {}) == WITHOUT_TK
