"""Which environments a site offers people for their servers, and what of a person's own wish is one. The description itself is the agent's."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from perijove.agent.environment.describe import Environment, described
from perijove.agent.environment.trouble import DescriptionError
from perijove.domain.errors import BadInputError, SettingsError

NONE: Final = ""
"""No environment: what the job's own PATH has."""
_IMAGES: Final = (".sif", ".simg", ".img")
_HINT: Final = "Choose another environment, or mend its description, and start again."


@dataclass(frozen=True, slots=True)
class Choices:
    """`offered`: by name, in the administrator's order, with a title for people. `own`: people may describe others: by a path, an image or JSON."""

    offered: Mapping[str, tuple[str, Environment]] = field(default_factory=dict)
    own: bool = True

    @property
    def titles(self) -> tuple[tuple[str, str], ...]:
        """Name and title of each, for a form."""
        return tuple((name, title) for name, (title, _) in self.offered.items())

    @property
    def default(self) -> str:
        """The first one, unless there are none."""
        return next(iter(self.offered), NONE)

    def described(self, value: object) -> dict[str, Any] | None:
        """What the agent is told for a person's wish; None if it is none. A text is the name of an offered one, else a path or an image; an
        object is a description. Raises BadInputError with every mistake."""
        if value is None or value == NONE:
            return None
        if isinstance(value, str) and value in self.offered:
            return self.offered[value][1].as_json()
        if not self.own:
            names = ", ".join(self.offered) or "none"
            raise BadInputError(f"There is no environment {value!r:.80}; there are: {names}.", _HINT)
        try:
            return described(_told(value, self.offered) if isinstance(value, str) else value).as_json()
        except DescriptionError as error:
            raise BadInputError(str(error), _HINT) from error


def _told(text: str, offered: Mapping[str, object]) -> dict[str, Any]:
    """Raises BadInputError."""
    if text.endswith(_IMAGES) or "://" in text:
        return {"name": _name(text), "kind": "container", "image": text}
    if text.startswith("/"):
        return {"name": _name(text), "kind": "existing", "path": text}
    names = f"one of {', '.join(offered)}, or " if offered else ""
    raise BadInputError(f"{text!r:.80} is no environment: give {names}the absolute path of an environment or of an image.", _HINT)


def _name(path: str) -> str:
    """What its kernels are called by: the last part of a path that means something."""
    parts = [
        part for part in path.replace(":", "/").split("/") if part and part not in {"bin", "env", "venv", ".venv"} and not part.startswith("python")
    ]
    name = "".join(letter if letter.isascii() and (letter.isalnum() or letter in "._-") else "-" for letter in parts[-1] if parts) if parts else ""
    return name.lstrip("._-")[:64] or "own"


def choices(settings: Mapping[str, Mapping[str, Any]], *, own: bool) -> Choices:
    """From the administrator's table of them: NAME to the keys of a description, and a `title`. Raises SettingsError with every mistake."""
    found: dict[str, tuple[str, Environment]] = {}
    mistakes: list[str] = []
    for name, table in settings.items():
        told = {key: value for key, value in table.items() if key != "title"}
        title = table.get("title", name)
        try:
            if not isinstance(title, str):
                raise DescriptionError(["title must be a text."])
            found[name] = (title, replace(described({"name": name, **told}), name=name))
        except DescriptionError as error:
            mistakes += [f"environments.{name}: {mistake}" for mistake in error.mistakes]
    if mistakes:
        raise SettingsError(" ".join(mistakes), "The administrator mends the description: docs/howto/environments.md tells what it may have.")
    return Choices(found, own)
