"""Titles of pictures on lines that fit."""

from __future__ import annotations

import re
import textwrap

# no line of Chinese begins with these
_CLOSING = "，。；：、！？）》”%"


def fitted(title: str, language: str, wide: int) -> str:
    """The title on lines of at most `wide` Latin letters; a Chinese character takes the room of two.

    Numbers and Latin words stay whole, no line begins with a closing mark, and no line is longer than it
    must be, so that the last is not a word alone.
    """
    lines = _broken(title, language, wide)
    for narrower in range(wide - 1, 0, -1):
        closer = _broken(title, language, narrower)
        if len(closer) > len(lines):
            break
        lines = closer
    return "\n".join(lines)


def _broken(title: str, language: str, wide: int) -> list[str]:
    if language != "zh":
        return textwrap.wrap(title, wide, break_long_words=False, break_on_hyphens=False)
    lines, line, room = [], "", wide
    for part in re.findall(r"[+−\-]?[0-9A-Za-z.,%×]+\s*|\s+|.", title):
        size = sum(2 if ord(c) > 0x2E80 else 1 for c in part)
        if line and size > room and part[0] not in _CLOSING:
            lines.append(line.rstrip())
            line, room = "", wide
        line, room = line + part, room - size
    return [text for text in (*lines, line.rstrip()) if text]
