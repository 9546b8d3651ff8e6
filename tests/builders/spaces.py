"""Search spaces as a researcher writes them, and what is said of them."""

from pathlib import Path

import pytest

from ablation.space.space import Space, read_space
from t1t2core.errors import InputError


def write(folder: Path, text: str, name: str = "mine.yaml") -> Path:
    """Save the text of a search space."""
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def read(folder: Path, text: str) -> Space:
    """The search space of this text."""
    return read_space(write(folder, text))


def refusal(folder: Path, text: str) -> str:
    """The message with which this text is refused; it names the file."""
    path = write(folder, text)
    with pytest.raises(InputError) as caught:
        read_space(path)
    message = str(caught.value)
    assert str(path) in message
    return message
