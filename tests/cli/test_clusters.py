from __future__ import annotations

import pytest

from tests.cli.conftest import Run

SESSION = ("session", "run", "job.json")
BUILD = ("build", "3.12.1-small")
RESUME = ("session", "resume", "state")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((*BUILD, "--results-to", "folder"), "--results-to is for work on a cluster"),
        ((*BUILD, "--tls-cert", "cert.pem"), "--tls-cert is for work on a cluster"),
        ((*BUILD, "--tls-key", "key.pem", "--scheduler", "local:2"), "--tls-key is for the scheduler of an address"),
        ((*BUILD, "--tls-key", "key.pem", "--scheduler", "local:x"), "names no number of workers"),
        ((*SESSION, "--runtime", "3.12", "--runtime-from", "folder"), "--runtime-from is for work on a cluster"),
        ((*SESSION, "--tls-ca-file", "ca.pem"), "--tls-ca-file is for work on a cluster"),
        ((*SESSION, "--tls-ca-file", "ca.pem", "--scheduler", "local"), "is for the scheduler of an address"),
        ((*SESSION, "--runtime-from", "folder", "--scheduler", "local"), "--runtime-from needs the version"),
        ((*SESSION, "--preserve", "--scheduler", "local"), "--preserve is for sessions on this machine"),
        ((*SESSION, "--root", "folder", "--scheduler", "local"), "--root is for sessions on this machine"),
        ((*RESUME, "--runtime", "3.12", "--runtime-from", "folder"), "--runtime-from is for work on a cluster"),
        ((*RESUME, "--tls-key", "key.pem"), "--tls-key is for work on a cluster"),
    ],
)
def test_an_option_that_would_have_no_effect_is_refused(words: tuple[str, ...], said: str, run: Run) -> None:
    code, _, errors = run(*words)
    assert code == 2
    assert said in errors
