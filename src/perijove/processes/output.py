"""The end of what a process wrote, as it may be shown."""

import re
from pathlib import Path
from typing import Final

_SECRET: Final = re.compile(r"(?i)(token[=:]\s*|token\s+)[\w.~+/=-]{12,}")


def tail(file: Path, max_bytes: int) -> str:
    """The last whole lines in `max_bytes`, without what looks like a token. "" if there are none."""
    try:
        with file.open("rb") as log:
            size = log.seek(0, 2)
            log.seek(max(0, size - max_bytes))
            text = log.read(max_bytes)
    except OSError:
        return ""
    if size > max_bytes and b"\n" in text:
        text = text.split(b"\n", 1)[1]
    return _SECRET.sub(r"\1(hidden)", text.decode(errors="replace").replace("\0", ""))
