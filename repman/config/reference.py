"""The reference page of all options: ``python -m repman.config.reference > docs/options.md``."""

from __future__ import annotations

import sys
from itertools import groupby

from repman.config.option import Option, Scope
from repman.config.options import ALIASES, BY_NAME, OPTIONS

_HEAD = """\
# Options

<!-- Made from the option table by `python -m repman.config.reference > docs/options.md`; do not edit. -->

repman reads TOML. `[Default]` holds options of the installation and defaults for all clusters and links;
`[links.NAME]` is a link between two MongoDB clusters; every other section is one cluster, named by its title.
`etc/repman.toml.sample` is a file to start from.

Names are replication-manager's where it has the option, so that its files load. Options that only
replication-manager has are accepted with a warning; a name that neither has is a mistake. Durations are seconds
and may have fractions unless the text says otherwise. Lists are written as one string with commas, or as an array.

## Where values come from

| strength | source |
|---|---|
| 1 (weakest) | the defaults below |
| 2 | plain values in `default.toml`, then `<cluster>/<cluster>.toml`, in `monitoring-datadir`, as replication-manager saves them |
| 3 | the files of the directory named by `include`, then the main file |
| 4 | what was changed at run time, through the API: overrides in the files of row 2, with author and time |
| 5 | environment variables: `REPMAN_FAILOVER_MODE` for all clusters, `REPMAN_<CLUSTER>_FAILOVER_MODE` for one (letters in upper case, everything else `_`), `REPMAN_LINKS_<NAME>_LINK_TOKEN` for a link |
| 6 | flags: `--set failover-mode=manual` for all clusters, `--set <cluster>.failover-mode=manual` for one, `--set links.<name>.link-port=2243` for a link |

Within one source a cluster's or link's own value wins over the one for all; include directory and main file are
one source in this respect.

Options of links are not changed through the API: change the file, then reload ([settings.md](settings.md)). A link
that is added, removed or changed is started, ended or started anew then.

An override remembers what the files said when it was made, and counts as long as they say the same. When a file has
come to say something else, the file is the newer intention and wins, the log says so, and the next reload forgets the
override. What the environment or a flag gives cannot be changed at run time, and neither can an option marked "only in
the configuration file", which names programs, files or directories, or says what a link connects. Options marked below
as "may change at run time" take effect at once in every process; others are saved and wait for a restart, which the API
says. Secrets are saved encrypted, so they need the key at `monitoring-key-path`.

`config` in the API's objects carries one key for each option below but those of links. Options that only
replication-manager has are absent there: a default that nothing obeys would be no truth. `interactive` stands for
`failover-mode = "manual"`.

The main file is the one named by `--config`, else by `REPMAN_CONFIG`, else the first that exists of `repman.toml` in
the current directory, `/etc/repman/config.toml`, `/etc/replication-manager/config.toml`. Relative paths are relative
to the file that names them.

`repman config check` reports every mistake at once, with file and line, and exits 2 if there is one. `repman config
show --origin` says where each value comes from. `repman config upgrade-report FILE` says of each line of a file of
replication-manager whether it is used, without effect, ignored or unknown. Secrets are never shown.
"""


_PLACES = {Scope.SERVER: "whole installation", Scope.CLUSTER: "per cluster", Scope.LINK: "per link"}


def render() -> str:
    """The page."""
    parts = [_HEAD]
    for group, options in groupby(OPTIONS, key=lambda option: option.group):
        parts.append(f"## {group}\n")
        parts += [_section(option) for option in options]
    parts.append(_differences())
    parts.append(_aliases())
    return "\n".join(parts)


def _section(option: Option) -> str:
    facts = [
        f"type {option.kind}" + (f" ({option.range})" if option.range else ""),
        f"default {_default(option)}",
        _PLACES[option.scope],
    ]
    if option.live:
        facts.append("may change at run time")
    if option.only_in_file:
        facts.append("only in the configuration file")
    if option.secret:
        facts.append("secret")
    facts.append(f"JSON key `{option.json_key}`")
    lines = [f"### `{option.name}`\n", f"{option.help}\n"]
    if option.inert:
        lines.append(f"No effect in this release: {option.inert}.\n")
    lines.append(f"*{'; '.join(facts)}.*\n")
    return "\n".join(lines)


def _default(option: Option) -> str:
    if option.default in ("", ()):
        return "empty"
    value = ",".join(option.default) if isinstance(option.default, tuple) else option.shown(option.default)
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _differences() -> str:
    lines = [
        "## Where our default differs from replication-manager\n",
        "| option | replication-manager | repman | reason |",
        "|---|---|---|---|",
    ]
    lines += [
        f"| `{option.name}` | {f'`{option.upstream}`' if option.upstream else 'empty'} | {_default(option)} "
        f"| {option.because} |"
        for option in OPTIONS
        if option.upstream is not None
    ]
    return "\n".join(lines) + "\n"


def _aliases() -> str:
    lines = ["## Other names that are accepted\n", "| name | option |", "|---|---|"]
    lines += [f"| `{old}` | `{name}` |" for old, name in sorted(ALIASES.items()) if name in BY_NAME]
    lines.append('\n`interactive = true` is `failover-mode = "manual"`. Old names are not read from the environment.')
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.stdout.write(render())
