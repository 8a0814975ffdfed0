from pathlib import Path

from bundle.artifacts.interpreters.portable.embedded_paths import leftovers, overwrite
from bundle.artifacts.interpreters.portable.sysconfig_data import Recorded

PREFIX = "/home/joe/.pyenv/versions/3.12.1"
PLACES = Recorded(prefixes=(PREFIX,), builds=("/tmp/build.17/Python-3.12.1",))


def test_a_compiled_in_path_is_replaced_without_moving_a_byte(tmp_path: Path) -> None:
    file = tmp_path / "libpython.so"
    before = b"\x7fELF\0" + PREFIX.encode() + b"/lib/python3.12\0-L" + PREFIX.encode() + b"\0end\0"
    file.write_bytes(before)
    overwrite([file], PLACES)
    after = file.read_bytes()
    assert len(after) == len(before)
    assert PREFIX.encode() not in after
    assert after.startswith(b"\x7fELF\0/__bundle_prefix")
    assert after.endswith(b"_/3.12.1\0end\0")
    assert b"/lib/python3.12\0" in after


def test_what_the_linker_keeps_only_as_the_end_of_a_path_survives(tmp_path: Path) -> None:
    file = tmp_path / "libpython.so"
    file.write_bytes(PREFIX.encode() + b"\0")
    overwrite([file], PLACES)
    assert file.read_bytes()[-len("3.12.1") - 1 :] == b"3.12.1\0"


def test_a_path_shorter_than_its_replacement_is_replaced_too(tmp_path: Path) -> None:
    file = tmp_path / "python"
    file.write_bytes(b"/opt/py/lib\0")
    overwrite([file], Recorded(prefixes=("/opt/py",), builds=()))
    assert file.read_bytes() == b"/__b/py/lib\0"


def test_a_string_that_shares_its_bytes_with_the_end_of_the_path_stays(tmp_path: Path) -> None:
    """Linkers merge equal endings: the version that `sys.version` begins with may be the end of the prefix."""
    file = tmp_path / "libpython.so"
    file.write_bytes(PREFIX.encode() + b"\0")
    at = PREFIX.index("3.12.1")
    overwrite([file], PLACES)
    assert file.read_bytes()[at:] == b"3.12.1\0"


def test_a_prefix_that_names_no_machine_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "python"
    file.write_bytes(b"/usr/bin/install\0")
    overwrite([file], Recorded(prefixes=("/usr", "/install"), builds=()))
    assert file.read_bytes() == b"/usr/bin/install\0"


def test_a_folder_of_the_system_is_replaced_only_where_it_is_the_prefix(tmp_path: Path) -> None:
    """With it, a Python that cannot find itself would take the library of the distribution's own."""
    file = tmp_path / "python"
    file.write_bytes(
        b"\0/usr\0/usr/share/zoneinfo\0/usr/bin/install\0/usr/lib/python3.12:/usr/lib/python3.12/x\0/my/usr\0"
    )
    overwrite([file], Recorded(prefixes=("/usr",), builds=()))
    assert file.read_bytes() == (
        b"\0/___\0/usr/share/zoneinfo\0/usr/bin/install\0/___/lib/python3.12:/___/lib/python3.12/x\0/my/usr\0"
    )


def test_what_still_names_the_build_machine_is_found(tmp_path: Path) -> None:
    (tmp_path / "a").write_text(f"see {PREFIX}")
    (tmp_path / "b").write_text("see /home/joe/notes")
    (tmp_path / "c").write_text(f"see {PREFIX}0 and /home/joey/ and /home")
    (tmp_path / "d").symlink_to("a")
    assert leftovers(tmp_path, PLACES, "/home/joe") == ["a", "b", "c"]
    assert leftovers(tmp_path, PLACES, "/home/jim") == ["a"]
    assert leftovers(tmp_path, Recorded(prefixes=("/home",), builds=()), "/") == []
