"""What the command line prints of strangers' texts."""

from __future__ import annotations

import io

from rich.table import Table

from backend.commands.terminal import SafeConsole


def shown(*things: object, markup: bool = True) -> str:
    file = io.StringIO()
    SafeConsole(file=file, width=80).print(*things, markup=markup)
    return file.getvalue()


def test_a_title_cannot_command_the_terminal() -> None:
    hostile = "\x1b]0;owned\a\x1b[2Jred\rdress\x9b31m"
    table = Table(hostile)
    table.add_row(hostile)
    for text in (shown(hostile), shown(hostile, markup=False), shown(table)):
        assert not set("\x1b\a\r\x9b") & set(text)
        assert "red\ufffddress" in text


def test_lines_and_letters_stay() -> None:
    assert shown("zwei\nZeilen, größer → 日本 👗\tx").splitlines()[0] == "zwei"
    assert "größer → 日本 👗" in shown("größer → 日本 👗")
