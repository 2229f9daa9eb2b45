"""From people's names to names a file system and the account database accept; and templates."""

import base64
import hashlib
import re
import unicodedata
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from typing import Final

_PLAIN = re.compile(r"[a-z][a-z0-9_-]*")
_LOOKS_HASHED = re.compile(r".*-[a-z2-7]{16}")
_PLACEHOLDER = re.compile(r"\{([a-z_]+)\}")
_DIGEST_BYTES: Final = 10
"""People choose their names: with less, somebody could try names until one is turned into another person's."""
LONGEST_ACCOUNT: Final = 32
"""What useradd accepts on Linux (LOGIN_NAME_MAX is larger, utmp is not)."""


def safe_name(text: str, longest: int = LONGEST_ACCOUNT) -> str:
    """A name made of a-z, 0-9, "-" and "_" which is `text` itself if that will do, and differs for different texts.

    What does not do is shortened and given a hash. A text that merely looks as if it had one gets one too, or somebody
    could sign up under the very name that another person's was turned into. Where `longest` leaves no room for a hash, the name is longer.
    """
    if len(text) <= longest and _PLAIN.fullmatch(text) and not _LOOKS_HASHED.fullmatch(text):
        return text
    digest = base64.b32encode(hashlib.sha256(text.encode()).digest()[:_DIGEST_BYTES]).decode().lower()
    room = max(1, longest - len(digest) - 1)
    ascii_text = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    stem = re.sub(r"[^a-z0-9_]+", "-", ascii_text).strip("-")[:room].rstrip("-")
    if not stem or not stem[0].isalpha():
        stem = f"u{stem}"[:room]
    return f"{stem}-{digest}"


def filled(template: str, values: Mapping[str, str]) -> str:
    """The template with {name} replaced; braces around anything else stay as they are (JSON in a variable)."""
    return _PLACEHOLDER.sub(lambda match: values.get(match[1], match[0]), template)


def unknown_placeholders(template: str, known: AbstractSet[str]) -> list[str]:
    return [name for name in _PLACEHOLDER.findall(template) if name not in known]
