"""Settings changed at run time."""

from __future__ import annotations

import base64
import binascii
from urllib.parse import unquote

from flask import Response

from repman.config.changes import Maker, Section, Wish, forget_outdated, given, wished_option
from repman.config.layers import Merged
from repman.config.names import current_name
from repman.config.option import Kind, Option, Scope
from repman.config.options import BY_NAME
from repman.errors import ConfigError, SettingFixed, UnknownSetting
from repman.state.accounts import EVERYWHERE
from repman.web import changing, replies
from repman.web.acl import GRANTS
from repman.web.call import Call
from repman.web.membership import writer_stays
from repman.web.parameters import parameters
from repman.web.render.options import render_option, render_options
from repman.web.settings_words import IN_BASE64, UNDEFINED, option_name

_GLOBAL = "global-settings"
_HOSTS = "db-servers-hosts"
_RIGHTS = frozenset(
    {"api-credentials", "api-credentials-external", "api-credentials-acl-allow", "api-credentials-acl-discard"}
)
"""Options that say who comes in as whom, and may do what."""
_OPENERS = {"api-credentials-secure-config": "proxy-config-flag"}
"""Options that open to everybody what asks for that grant."""
_MODES = {"automatic": "manual", "manual": "automatic"}


def options(call: Call) -> Response:
    """The options of the cluster, or of the installation, with all that is known of them."""
    name = call.target.policy.name if call.target else ""
    merged = _merged(call)
    section = merged.clusters[name] if name else merged.service
    return replies.document(render_options(section, call.house.live.restart_needed(name)))


def reload(call: Call) -> Response:
    """Read the files again, in every process."""
    live = call.house.live
    changing.attempt(live.reload)
    changing.attempt(lambda: forget_outdated(changing.source(call)))
    told = changing.tell(call)
    names = ["", *(cluster.policy.name for cluster in call.settings().clusters)]
    waiting = sorted({option for name in names for option in live.restart_needed(name)})
    if told.status in ("refused", "failed"):
        return replies.error(409, told.sentence, mistakes=[reason for _, reason in told.refusals])
    return replies.document({"sentence": told.sentence, "restartNeeded": waiting})


def set_value(call: Call) -> Response:
    """Give one option a value, of the path or of the body."""
    name = option_name(call.arguments["name"])
    raw = call.arguments.get("value")
    if raw is None:
        raw = parameters().get("value")
        if raw is None:
            return replies.error(400, 'Say which value, as {"value": ...} in the body or at the end of the path.')
    elif name in IN_BASE64:
        raw = _decoded(raw)
    return _change(call, name, "" if raw == UNDEFINED else raw)


def set_cron(call: Call) -> Response:
    """Say when a job runs; the value may hold slashes."""
    name = option_name(call.arguments["name"])
    if not name.endswith("-cron"):
        return changing.refusal(UnknownSetting([f"{name} says no times; the names of those that do end with -cron"]))
    try:
        return _changed(call, name, unquote(call.arguments["value"]))
    except (UnknownSetting, SettingFixed) as error:
        return changing.refusal(error)
    except ConfigError as error:
        if replies.asks_for_json():
            return replies.error(400, "Bad cron pattern", mistakes=list(error.mistakes))
        return replies.text("\n".join(("Bad cron pattern", *error.mistakes)), 400)


def switch(call: Call) -> Response:
    """Flip one option that is true or false, or the mode of failover."""
    name = option_name(call.arguments["name"])
    option = BY_NAME.get(current_name(name))
    if option is not None and option.kind is not Kind.BOOL and option.name != "failover-mode":
        return changing.refusal(UnknownSetting([f"{option.name} is not true or false; use set, not switch"]))

    def flipped(section: Section) -> object:
        current = section[current_name(name)].value
        return _MODES[str(current)] if option is not None and option.kind is Kind.CHOICE else not current

    return changing.attempt(lambda: _wish(call, current_name(name), flipped))


def clear(call: Call) -> Response:
    """Forget what was changed at run time, so that files and defaults count again."""
    name = option_name(call.arguments["name"])
    return changing.attempt(lambda: _cleared(call, name))


def _cleared(call: Call, name: str) -> Response:
    if current_name(name) == _HOSTS and call.target is not None:
        told = _merged(call).files.get((call.cluster.policy.name, _HOSTS))
        writer_stays(call.snapshot(), told.value if told is not None and isinstance(told.value, tuple) else ())
    return _wish(call, name, None)


def _change(call: Call, name: str, raw: str) -> Response:
    return changing.attempt(lambda: _changed(call, name, raw))


def _changed(call: Call, name: str, raw: str) -> Response:
    if current_name(name) == _HOSTS and call.target is not None:
        writer_stays(call.snapshot(), raw.split(","))
    return _wish(call, name, given(raw))


def _wish(call: Call, name: str, value: Maker | None) -> Response:
    cluster = _scope(call, name)
    _check_rights(call, name)
    done = changing.carry_out(call, [Wish(cluster, name, value)])
    live = call.house.live
    (_, setting), *_ = done.changed.settings
    waiting = setting.option.name in live.restart_needed(cluster)
    where = f" of {cluster}" if cluster else ""
    shown = setting.option.shown(setting.value)
    sentence = f"{setting.option.name}{where} is {shown!r} now." + (
        " Saved; it takes effect when repman is restarted." if waiting else ""
    )
    return replies.document(
        {
            "sentence": sentence,
            "monitor": done.monitor,
            "warnings": list(done.changed.warnings),
            "option": render_option(setting, waiting),
            "restartNeeded": list(live.restart_needed(cluster)),
        }
    )


def _scope(call: Call, name: str) -> str:
    """The cluster whose option that is, empty for one of the installation; asks for the grant that it needs."""
    option: Option | None = BY_NAME.get(current_name(name))
    if call.target is None:
        wished_option(name, Scope.SERVER)
        return ""
    cluster = call.cluster.policy.name
    if option is None or option.scope is Scope.CLUSTER:
        return cluster
    if not call.user.may(_GLOBAL):
        answer = replies.text(f"User doesn't have required ACL for {option.name} in cluster {cluster}", 403)
        answer.headers["X-Repman-Missing-Grant"] = _GLOBAL
        replies.stop(answer)
    return ""


def _check_rights(call: Call, name: str) -> None:
    """Nobody gives himself, or everybody, a grant that he does not hold: not by grants, nor by another's password."""
    option, holds = current_name(name), call.user.held(call.target.policy.name if call.target else EVERYWHERE)
    if option in _RIGHTS and (lacking := sorted(frozenset(GRANTS) - call.user.held(EVERYWHERE))):
        sentence = f"{name} gives grants, so only who holds every grant changes it; {call.user.name} lacks: "
    elif option in _OPENERS and (lacking := sorted({_OPENERS[option]} - holds)):
        sentence = f"{name} opens what asks for a grant, so only who holds it changes it; {call.user.name} lacks: "
    else:
        return
    answer = replies.error(403, sentence + ", ".join(lacking), missing_grant=lacking[0])
    answer.headers["X-Repman-Missing-Grant"] = lacking[0]
    replies.stop(answer)


def _decoded(raw: str) -> str:
    try:
        return base64.b64decode(raw.strip(), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        replies.stop(
            replies.error(
                400, "The value of this setting stands in the path in base64; or send it plainly in the body."
            )
        )


def _merged(call: Call) -> Merged:
    changing.source(call)
    found = call.house.settings.merged
    assert found is not None
    return found
