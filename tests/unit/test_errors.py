"""Messages for users."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from runners.errors import CommandError, one_line, suggestion


@given(st.text())
def test_a_message_is_one_line_and_never_empty(text: str) -> None:
    line = one_line(ValueError(text))
    assert line
    assert len(line.splitlines()) == 1


def test_an_error_without_words_is_named() -> None:
    assert one_line(KeyboardInterrupt()) == "KeyboardInterrupt"
    assert one_line(CommandError("two\n  lines")) == "two lines"


@given(st.text(min_size=1), st.lists(st.text(min_size=1)))
def test_only_what_is_known_is_suggested(name: str, known: list[str]) -> None:
    text = suggestion(name, known)
    assert text == "" or any(candidate in text for candidate in known)
