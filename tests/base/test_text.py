from bundle.base.text import counted, did_you_mean, nearest


def test_a_slip_of_the_keyboard_is_understood() -> None:
    assert did_you_mean("Linux-X46", ["linux-x64", "windows-x64"]) == ' Did you mean "linux-x64"?'
    assert nearest("3.12.10-alts", ["3.12.10", "3.12.10-atls", "4.0.0"], count=2) == ["3.12.10-atls", "3.12.10"]


def test_nothing_is_suggested_where_nothing_is_near() -> None:
    assert did_you_mean("zzz", ["linux-x64"]) == ""


def test_one_thing_has_no_plural() -> None:
    assert [counted(number, "wheel") for number in (0, 1, 2)] == ["0 wheels", "1 wheel", "2 wheels"]
