"""Secrets masked in a stream of bytes: in clear and in the encoded forms that can be foreseen, across all chunks."""

from __future__ import annotations

import base64
import html
import json
import shlex
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import quote, quote_plus

MASK = b"***"

_SHORT = 4
"""Bytes of a secret below which only its clear form is masked: encoded, it could be anything."""

_LINE = 8
"""Characters of a line of a secret from which on the line is a secret by itself."""


class Masker:
    """Masks secrets in chunks of a stream; what comes out does not depend on where the chunks end.

    At most the bytes of the longest form less one are held back, and only while they could be the begin of a form.
    Usable by itself, from Python.

    Args:
        secrets: values in clear; empty ones are ignored.
    """

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._forms = _longest_first(form for secret in secrets for form in forms_of(secret))
        self._held = b""
        self._known = 0
        """Bytes at the begin of what is held back that are known to be secret."""
        self._masked = False
        """Whether the last that came out is a mask, which stands for all secret bytes in a row."""

    def feed(self, chunk: bytes) -> bytes:
        """Return what may come out once a chunk is known."""
        if not self._forms:
            return chunk
        return self._out(self._held + chunk, final=False)

    def end(self) -> bytes:
        """Return the rest of the stream; the next chunk begins another one."""
        rest = self._out(self._held, final=True)
        self._masked = False
        return rest

    def text(self, text: str) -> str:
        """Return a whole text masked."""
        other = Masker()
        other._forms = self._forms
        content = text.encode("utf-8", "surrogatepass")
        # A form may end within a character of several bytes.
        return (other.feed(content) + other.end()).decode("utf-8", "replace")

    def value(self, value: Any) -> Any:
        """Return a JSON value whose texts, keys included, are masked."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, list):
            return [self.value(item) for item in value]
        if isinstance(value, dict):
            return {self.text(key): self.value(item) for key, item in value.items()}
        if (
            isinstance(value, (int, float))
            and not isinstance(value, bool)
            and (shown := str(value)) != self.text(shown)
        ):
            return MASK.decode()
        return value

    def _out(self, content: bytes, *, final: bool) -> bytes:
        found = self._found(content)
        border = len(content) if final else self._border(content)
        parts = []
        place = 0
        for begin, end in found:
            if begin >= border:
                break
            if begin > place:
                parts.append(content[place:begin])
                self._masked = False
            if not self._masked:
                parts.append(MASK)
                self._masked = True
            place = min(end, border)
        if place < border:
            parts.append(content[place:border])
            self._masked = False
        self._held = content[border:]
        begun = [end for begin, end in found if begin < border or (begin == 0 and self._known)]
        self._known = max(0, max(begun, default=0) - border)
        return b"".join(parts)

    def _found(self, content: bytes) -> list[tuple[int, int]]:
        """Return the parts that are secret, in order; they neither overlap nor touch."""
        places = [(0, self._known)] if self._known else []
        for form in self._forms:
            place = content.find(form)
            while place >= 0:
                places.append((place, place + len(form)))
                place = content.find(form, place + 1)
        merged: list[tuple[int, int]] = []
        for begin, end in sorted(places):
            if merged and begin <= merged[-1][1]:
                merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
            else:
                merged.append((begin, end))
        return merged

    def _border(self, content: bytes) -> int:
        """Return where the end begins that could be the begin of a form."""
        border = len(content)
        for form in self._forms:
            place = content.find(form[:1], max(0, len(content) - len(form) + 1), border)
            while place >= 0:
                if form.startswith(content[place:]):
                    border = place
                    break
                place = content.find(form[:1], place + 1, border)
        return border


def forms_of(secret: str) -> Iterator[bytes]:
    """Yield a secret in clear, and encoded as programs show values: base64, hex, URL, JSON, repr, HTML, shell.

    Of several lines, each long one is a secret by itself. A very short secret has its clear form alone.
    """
    if not secret:
        return
    content = secret.encode("utf-8", "surrogatepass")
    yield content
    if len(content) < _SHORT:
        return
    lines = [line for line in (line.strip() for line in secret.splitlines()) if len(line) >= _LINE]
    for text in dict.fromkeys((secret, *lines)):
        yield from _text_forms(text)
        yield from _byte_forms(text.encode("utf-8", "surrogatepass"))


def _text_forms(text: str) -> Iterator[bytes]:
    written = {
        text,
        text.replace("\n", "\r\n"),
        json.dumps(text)[1:-1],
        json.dumps(text, ensure_ascii=False)[1:-1],
        json.dumps(text)[1:-1].replace("/", "\\/"),
        json.dumps(json.dumps(text))[3:-3],
        repr(text)[1:-1],
        ascii(text)[1:-1],
        text.encode("unicode_escape").decode(),
        text.replace("\\", "\\\\").replace("'", "\\'"),
        html.escape(text),
        html.escape(text, quote=False),
        shlex.quote(text).strip("'"),
    }
    raw = text.encode("utf-8", "surrogatepass")
    for safe in ("", "/", "/:@!$&'()*+,;=~"):
        written |= {quote(raw, safe=safe), quote_plus(raw, safe=safe)}
    written |= {_lower_escapes(one) for one in tuple(written) if "%" in one}
    written.add("".join(f"%{byte:02X}" for byte in raw))
    written.add("".join(f"%{byte:02x}" for byte in raw))
    for one in written:
        yield one.encode("utf-8", "surrogatepass")
    for codec in ("utf-16-le", "utf-16-be", "cp1252"):
        try:
            yield text.encode(codec)
        except UnicodeEncodeError:
            continue


def _byte_forms(content: bytes) -> Iterator[bytes]:
    yield repr(content)[2:-1].encode()
    for separator in ("", " ", ":"):
        shown = content.hex(separator) if separator else content.hex()
        yield from (shown.encode(), shown.upper().encode())
    yield "".join(f"\\x{byte:02x}" for byte in content).encode()
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        whole = encode(content)
        yield from (whole, whole.rstrip(b"="))
        for ahead in range(3):
            # What stands before and behind in the encoded text changes the letters at both ends.
            letters = encode(bytes(ahead) + content)
            yield letters[(ahead * 8 + 5) // 6 : (ahead + len(content)) * 8 // 6]
    yield from (line for line in base64.encodebytes(content).splitlines() if len(line) >= 2 * _LINE)
    yield from (whole for whole in (base64.b32encode(content), base64.b85encode(content)))


def _lower_escapes(text: str) -> str:
    parts = text.split("%")
    return parts[0] + "".join(f"%{part[:2].lower()}{part[2:]}" for part in parts[1:])


def _longest_first(forms: Iterable[bytes]) -> tuple[bytes, ...]:
    """Return the forms, each once, longest first."""
    return tuple(sorted({form for form in forms if form}, key=lambda form: (-len(form), form)))
