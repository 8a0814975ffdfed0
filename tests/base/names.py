"""File names for the tests of every module that knows what Windows cannot have."""

IMPOSSIBLE_ON_WINDOWS = (
    *(
        "con",
        "Con.txt",
        "PRN",
        "aux.h",
        "nul.tar.gz",
        "com0",
        "com1.py",
        "COM9",
        "lpt0.txt",
        "lpt1",
        "com\xb9",
        "lpt\xb2.c",
    ),
    *("conin$", "CONOUT$", "con .txt", "aux "),
    *("a:b", "what?", "a*", "a|b", "<a", 'a"b', "end.", "end ", "tab\t", "back\\slash"),
)
POSSIBLE_ON_WINDOWS = ("auxiliary", "console.txt", "com10", "com", "_con.py", ".end", "two words", "a.con", "com\u2074")
