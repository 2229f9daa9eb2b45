"""Find plugins: by entry point name, or as "package.module:Name"; decode their own sections of the configuration.

Built-in spawners and authenticators come through the same door as everybody's.
"""

import importlib
from importlib.metadata import entry_points
from typing import Any, cast

from msgspec import Struct

from perijove.config.decode import decode_section
from perijove.config.problems import Problems
from perijove.config.settings import Settings
from perijove.ports.plugin import AuthenticatorPlugin, SpawnerPlugin

SPAWNERS = "perijove.spawners"
AUTHENTICATORS = "perijove.authenticators"
_GROUPS = {"spawner": SPAWNERS, "authenticator": AUTHENTICATORS}


def check_plugins(settings: Settings, problems: Problems) -> None:
    """Add a problem for each mistake in the sections of plugins."""
    for section in _GROUPS:
        find_plugin(section, getattr(settings, section), problems)


def find_plugin(section: str, raw: dict[str, Any], problems: Problems) -> tuple[Any, Struct] | None:
    """The plugin that the section's `use` names, and its decoded configuration; None if anything is wrong with either."""
    use = raw.get("use")
    if not isinstance(use, str):
        problems.add((section, "use"), "is missing", f"Name one of: {', '.join(sorted(_names(section)))}, or 'package.module:Name'.")
        return None
    plugin = _find(section, use, problems)
    if plugin is None:
        return None
    config = decode_section({key: value for key, value in raw.items() if key != "use"}, plugin.Config, (section,), problems)
    return None if config is None else (plugin, config)


def spawner_plugin(settings: Settings) -> tuple[SpawnerPlugin, Struct]:
    """The configured spawner, of settings that passed check_plugins."""
    plugin, config = _sound(find_plugin("spawner", settings.spawner, Problems()))
    return cast("SpawnerPlugin", plugin), config


def authenticator_plugin(settings: Settings) -> tuple[AuthenticatorPlugin, Struct]:
    """The configured authenticator, of settings that passed check_plugins."""
    plugin, config = _sound(find_plugin("authenticator", settings.authenticator, Problems()))
    return cast("AuthenticatorPlugin", plugin), config


def _sound(found: tuple[Any, Struct] | None) -> tuple[Any, Struct]:
    if found is None:
        raise LookupError("the settings did not pass check_plugins")
    return found


def _names(section: str) -> set[str]:
    return {point.name for point in entry_points(group=_GROUPS[section])}


def _find(section: str, use: str, problems: Problems) -> Any:
    place = (section, "use")
    try:
        if ":" in use:
            module, _, name = use.partition(":")
            plugin = getattr(importlib.import_module(module), name)
        else:
            points = entry_points(group=_GROUPS[section], name=use)
            if not points:
                problems.unknown((*place, use), _names(section), section)
                return None
            plugin = next(iter(points)).load()
    except (ImportError, AttributeError) as error:
        problems.add(
            place, f"{use!r} cannot be loaded: {error}", "Install the package it belongs to in the hub's own environment, or correct the name."
        )
        return None
    if not (isinstance(getattr(plugin, "Config", None), type) and issubclass(plugin.Config, Struct) and callable(getattr(plugin, "open", None))):
        problems.add(place, f"{use!r} is not a {section} plugin: it needs a Config (a msgspec Struct) and open()", "Its author can mend it.")
        return None
    return plugin
