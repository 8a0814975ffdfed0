from __future__ import annotations

import pytest
from rich.table import Table

from bundle.base.console import PrintableConsole
from bundle.cli.plain_console import PlainConsole


@pytest.mark.parametrize(
    "parts",
    [
        (),
        ("",),
        ("a line  ", "and another one"),
        ("one\ntwo\n",),
        ("a " * 300,),
        ("[red]no markup[/red] :smile: 1.2.3 'text' https://example.org",),
        ("columns\tof a table",),
        ("\x1b[2J\x07\u202e",),
        (1, None, ["a"]),
    ],
)
def test_what_is_printed_is_what_the_library_prints(
    parts: tuple[object, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    PrintableConsole(highlight=False, emoji=False, markup=False, soft_wrap=True).print(*parts)
    wanted = capsys.readouterr().out
    PlainConsole().print(*parts)
    assert capsys.readouterr().out == wanted


def test_style_and_all_else_is_the_librarys(capsys: pytest.CaptureFixture[str]) -> None:
    table = Table("name", box=None)
    table.add_row("numpy")
    console = PlainConsole()
    console.print("first")
    console.print(table)
    console.print("last", style="bold")
    assert [line.strip() for line in capsys.readouterr().out.splitlines()] == ["first", "name", "numpy", "last"]
    assert console.width > 0
