from __future__ import annotations

import time
from email.utils import formatdate

import pytest

from bundle.base.errors import NetworkError
from bundle.base.http.responses import NotFoundError, raise_for
from bundle.base.http.retry import TransientError

URL = "https://user:pa55@index.example/a"


@pytest.mark.parametrize("status", [404, 410])
def test_what_is_not_there_is_told_from_what_failed(status: int) -> None:
    with pytest.raises(NotFoundError, match=rf"^https://index\.example/a answered {status} Gone\.$"):
        raise_for(URL, status, "Gone", {})


@pytest.mark.parametrize("status", [401, 403, 407])
def test_a_refusal_names_the_variables_for_credentials(status: int) -> None:
    with pytest.raises(NetworkError) as caught:
        raise_for(URL, status, "", {})
    assert "BUNDLE_INDEX_INDEX_EXAMPLE_USERNAME" in str(caught.value.remedy)


@pytest.mark.parametrize("status", [408, 425, 429, 500, 503])
def test_what_may_pass_is_worth_another_attempt(status: int) -> None:
    with pytest.raises(TransientError) as caught:
        raise_for(URL, status, "", {})
    assert caught.value.wait == 0


def test_the_pause_that_a_server_asks_for_is_seconds_or_a_date() -> None:
    def wait(text: str) -> float:
        with pytest.raises(TransientError) as caught:
            raise_for(URL, 503, "", {"Retry-After": text})
        return caught.value.wait

    assert wait("120") == 120
    assert wait("soon") == 0
    assert wait(formatdate(time.time() - 3600, usegmt=True)) == 0
    assert wait(formatdate(time.time() + 36000, usegmt=True)) > 0
