"""Options with all that is known of them, in our own form."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from repman.config.layers import Setting


def render_options(settings: Mapping[str, Setting], waiting: Collection[str]) -> dict[str, Any]:
    """Every option with type, range, value and origin; those that wait for a restart of repman."""
    return {
        "options": [render_option(setting, setting.option.name in waiting) for setting in settings.values()],
        "restartNeeded": sorted(waiting),
    }


def render_option(setting: Setting, waiting: bool) -> dict[str, Any]:
    """One option; secrets are masked, also where they come from they are not shown."""
    option = setting.option
    return {
        "name": option.name,
        "key": option.json_key,
        "group": option.group,
        "scope": str(option.scope),
        "type": str(option.kind),
        "choices": list(option.choices),
        "minimum": option.at_least,
        "maximum": option.at_most,
        "default": option.shown(option.default),
        "value": option.shown(setting.value),
        "origin": setting.origin.layer.name.lower(),
        "where": setting.given_by,
        "author": setting.author,
        "changedAt": setting.changed_at,
        "live": option.live,
        "onlyInFile": option.only_in_file,
        "restartNeeded": waiting,
        "secret": option.secret,
        "inert": option.inert,
        "help": option.help,
    }
