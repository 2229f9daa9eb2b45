"""From people's names to names a file system and the account database accept; and templates."""

import hashlib
import re
import unicodedata
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from typing import Final

_PLAIN = re.compile(r"[a-z][a-z0-9_-]*")
_LOOKS_HASHED = re.compile(r".*-[0-9a-f]{10}")
_PLACEHOLDER = re.compile(r"\{([a-z_]+)\}")
LONGEST_ACCOUNT: Final = 32
"""What useradd accepts on Linux (LOGIN_NAME_MAX is larger, utmp is not)."""


def safe_name(text: str, longest: int = LONGEST_ACCOUNT) -> str:
    """A name made of a-z, 0-9, "-" and "_" which is `text` itself if that will do, and differs for different texts.

    What does not do is shortened and given a hash. A text that merely looks as if it had one gets one too, or somebody
    could sign up under the very name that another person's was turned into.
    """
    if len(text) <= longest and _PLAIN.fullmatch(text) and not _LOOKS_HASHED.fullmatch(text):
        return text
    digest = hashlib.sha256(text.encode()).hexdigest()[:10]
    ascii_text = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    stem = re.sub(r"[^a-z0-9_]+", "-", ascii_text).strip("-")[: longest - len(digest) - 1].rstrip("-")
    if not stem or not stem[0].isalpha():
        stem = f"u{stem}"[: longest - len(digest) - 1]
    return f"{stem}-{digest}"


def filled(template: str, values: Mapping[str, str]) -> str:
    """The template with {name} replaced; braces around anything else stay as they are (JSON in a variable)."""
    return _PLACEHOLDER.sub(lambda match: values.get(match[1], match[0]), template)


def unknown_placeholders(template: str, known: AbstractSet[str]) -> list[str]:
    return [name for name in _PLACEHOLDER.findall(template) if name not in known]
