"""Sections of a configuration: of the installation, of a cluster, of a link.

A section goes by one name everywhere: empty for ``[Default]``, a cluster's own name, ``links.<name>`` for a link.
No cluster may have a name that looks like a link's section.
"""

from __future__ import annotations

from repman.config.option import Scope

LINKS = "links"
"""The title that holds the sections of links."""
_PREFIX = f"{LINKS}."


def link_section(name: str) -> str:
    """The section of the link of that name."""
    return _PREFIX + name


def link_of(section: str) -> str:
    """The link whose section that is; empty for any other section."""
    return section.removeprefix(_PREFIX) if section.startswith(_PREFIX) else ""


def is_reserved(title: str) -> bool:
    """Whether that cannot be the name of a cluster, since it is, or looks like, a section of links."""
    return title.lower() == LINKS or title.lower().startswith(_PREFIX)


def scope_of(section: str) -> Scope:
    """The scope whose options belong there."""
    if not section:
        return Scope.SERVER
    return Scope.LINK if link_of(section) else Scope.CLUSTER


def in_words(section: str) -> str:
    """A section other than ``[Default]`` for a sentence: ``cluster shop``, ``link shop``."""
    return f"link {name}" if (name := link_of(section)) else f"cluster {section}"


def misplaced(name: str, scope: Scope, section: str) -> str:
    """What is to be done about an option of that scope in a section of another one."""
    where = {
        Scope.SERVER: "for the whole installation; move it from [{}] to [Default]",
        Scope.CLUSTER: "of a cluster; move it from [{}] to a cluster's section, or to [Default] for all clusters",
        Scope.LINK: "of a link; move it from [{}] to a section such as [links.shop], or to [Default] for all links",
    }[scope]
    return f"{name} is one {where.format(section)}"
