"""Read the configuration file: text to settings, with every mistake that can be seen without starting anything."""

import os
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from perijove.config.decode import decode_section
from perijove.config.problems import Problems
from perijove.config.rules import check_rules
from perijove.config.secret import SecretMissingError, read_secret
from perijove.config.section import Secret
from perijove.config.settings import Settings
from perijove.domain.errors import SettingsError


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """Settings that passed, and what is needed to go on: the file's text (to place later mistakes), its folder, the environment."""

    settings: Settings
    name: str
    text: str
    folder: Path
    environ: Mapping[str, str] = field(repr=False)

    def secret(self, secret: Secret | str) -> str:
        """The text of a secret that was checked at loading. Raises SettingsError if it vanished meanwhile."""
        try:
            return read_secret(secret, self.environ, self.folder)
        except SecretMissingError as error:
            raise SettingsError(f"A secret cannot be read: {error}.", "The administrator of this hub can mend it.") from None

    @property
    def state_dir(self) -> Path:
        """Where database, keys and logs are kept."""
        if self.settings.hub.state_dir:
            return (self.folder / Path(self.settings.hub.state_dir).expanduser()).resolve()
        if self.name != BUILT_IN:
            return self.folder.resolve() / "state"
        if os.geteuid() == 0:
            return Path("/var/lib/perijove")
        home = self.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
        return Path(home) / "perijove"


BUILT_IN = "built-in defaults"


MoreChecks = Callable[[Settings, Problems], None]
"""Checks that need more than this package may import (plugins' own sections, scopes)."""


def load(path: Path | None, environ: Mapping[str, str], more: MoreChecks | None = None) -> Loaded:
    """Read and check `path`, or take the defaults if it is None.

    Raises SettingsError with one line per mistake.
    """
    if path is None:
        return parse("", BUILT_IN, Path.cwd(), environ, more)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"The configuration file {path} cannot be read: {error}.", "`perijove init` writes one.") from None
    return parse(text, str(path), path.parent, environ, more)


def parse(text: str, name: str, folder: Path, environ: Mapping[str, str], more: MoreChecks | None = None) -> Loaded:
    """Check the text of a configuration file. Raises SettingsError with one line per mistake."""
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{name} is not TOML: {error}.", "Nothing else was checked.") from None
    problems = Problems()
    settings = decode_section(raw, Settings, (), problems)
    broken = {str(problem.path[0]) for problem in problems.found if problem.path}
    sound = settings or _sound_part(raw, broken)
    check_rules(sound, problems, environ, folder, broken)
    if more is not None:
        more(sound, problems)
    if settings is None or problems:
        raise SettingsError(problems.report(name, text))
    return Loaded(settings=settings, name=name, text=text, folder=folder, environ=environ)


def _sound_part(raw: Mapping[str, object], broken: set[str]) -> Settings:
    """The sections without mistakes, defaults for the others: so that the rules' mistakes are found in the same run."""
    part = decode_section({key: value for key, value in raw.items() if key not in broken}, Settings, (), Problems())
    return part or Settings()
