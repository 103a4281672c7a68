"""The route table as an OpenAPI 3.1 document."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any

import repman
from repman.web.acl import PUBLIC
from repman.web.description.answers import all_of, schema_of
from repman.web.description.paths import CHAPTERS, chapter, grant, variables, written
from repman.web.routes.route import Answer, Parameter, Route

_ABOUT = """\
Watches clusters of MariaDB and MySQL, and moves the writer's role. The paths are those of replication-manager's API; \
what is repman's own is marked so. GET acts, too, where a path acts: send POST when you can.

Log in with `POST /api/login` and send the token as `Authorization: Bearer <token>`.
"""
_SECURITY = {
    "token": {"type": "http", "scheme": "bearer", "description": "The token that `POST /api/login` gives."},
}
_VARIABLES = {
    "cluster": "Name of a cluster.",
    "server": "Id (`db...`), name or `host:port` of a server.",
    "proxy": "Id (`px...`) or name of a proxy.",
    "host": "Host of a server, as it is configured.",
    "port": "Port of a server.",
    "link": "Name of a link.",
}
_BODIES = ("application/json", "application/x-www-form-urlencoded")
_BODILESS = ("GET", "HEAD", "OPTIONS", "DELETE")
_HEADERS: dict[int, dict[str, str]] = {
    401: {"WWW-Authenticate": "`Bearer`"},
    403: {"X-Repman-Missing-Grant": "The grant that is missing."},
    405: {"Allow": "The methods that the path takes."},
    429: {"Retry-After": "Seconds to wait."},
}
_NESTED = ("items", "additionalProperties", "not")
_NESTED_LISTS = ("anyOf", "oneOf", "allOf", "prefixItems")


def document(routes: Iterable[Route]) -> dict[str, Any]:
    """The whole document.  Raises ValueError when two different schemas have the same title."""
    components: dict[str, Any] = {}
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        operations = paths.setdefault(written(route.path), {})
        for method in route.methods:
            if method.lower() in operations:
                raise ValueError(f"{method} {route.path} is in the route table twice")
            operations[method.lower()] = _operation(route, method, components)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "repman",
            "version": repman.__version__,
            "description": _ABOUT,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "tags": [{"name": title} for title in CHAPTERS],
        "paths": paths,
        "components": {"schemas": dict(sorted(components.items())), "securitySchemes": _SECURITY},
    }


def _operation(route: Route, method: str, components: dict[str, Any]) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": f"{method.lower()}{re.sub(r'[^A-Za-z0-9]+', '_', written(route.path)).rstrip('_') or '_page'}",
        "tags": [chapter(route)],
        "summary": route.summary,
        "security": [] if route.grant == PUBLIC else [{"token": []}],
        "x-grant": grant(route),
        "parameters": [_path_parameter(name) for name in variables(route.path)],
        "responses": _responses(route, method, components),
    }
    if "GET" in route.methods:
        operation["parameters"] += [_query_parameter(parameter) for parameter in route.parameters]
    if route.parameters and method not in _BODILESS:
        operation["requestBody"] = _body(route)
    return operation


def _path_parameter(name: str) -> dict[str, Any]:
    described = {"description": _VARIABLES[name]} if name in _VARIABLES else {}
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}, **described}


def _query_parameter(parameter: Parameter) -> dict[str, Any]:
    # A required argument may as well be in the body, which cannot be said here.
    return {
        "name": parameter.name,
        "in": "query",
        "required": False,
        "description": parameter.help,
        "schema": _argument(parameter),
    }


def _body(route: Route) -> dict[str, Any]:
    only_here = "GET" not in route.methods
    schema: dict[str, Any] = {
        "type": "object",
        "properties": {parameter.name: _argument(parameter) for parameter in route.parameters},
    }
    if only_here:
        schema["required"] = [parameter.name for parameter in route.parameters if parameter.required]
    media = _BODIES[:1] if only_here else _BODIES
    return {"required": only_here, "content": {kind: {"schema": schema} for kind in media}}


def _argument(parameter: Parameter) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": parameter.kind}
    if parameter.kind == "array":
        schema["items"] = {"type": "string"}
    if parameter.choices:
        schema["enum"] = list(parameter.choices)
    return {**schema, "description": parameter.help}


def _responses(route: Route, method: str, components: dict[str, Any]) -> dict[str, Any]:
    by_status: dict[int, list[Answer]] = {}
    for answer in all_of(route):
        by_status.setdefault(answer.status, []).append(answer)
    return {str(status): _response(status, answers, method, components) for status, answers in by_status.items()}


def _response(status: int, answers: list[Answer], method: str, components: dict[str, Any]) -> dict[str, Any]:
    meanings = list(dict.fromkeys(answer.meaning for answer in answers if answer.meaning))
    made: dict[str, Any] = {"description": " Or: ".join(meanings) or HTTPStatus(status).phrase}
    content: dict[str, list[Any]] = {}
    for answer in answers:
        if answer.media and method != "HEAD":
            schema = _hoisted(schema_of(answer), components)
            same = content.setdefault(answer.media, [])
            if schema not in same:
                same.append(schema)
    if content:
        made["content"] = {
            media: {"schema": schemas[0] if len(schemas) == 1 else {"anyOf": schemas}}
            for media, schemas in content.items()
        }
    if status in _HEADERS:
        made["headers"] = {
            name: {"description": text, "schema": {"type": "string"}} for name, text in _HEADERS[status].items()
        }
    return made


def _hoisted(schema: Mapping[str, Any], components: dict[str, Any]) -> dict[str, Any]:
    """The schema with those that have a title put among the components, and referred to."""
    made = dict(schema)
    if "properties" in made:
        made["properties"] = {name: _hoisted(part, components) for name, part in made["properties"].items()}
    for keyword in _NESTED:
        if isinstance(made.get(keyword), Mapping):
            made[keyword] = _hoisted(made[keyword], components)
    for keyword in _NESTED_LISTS:
        if keyword in made:
            made[keyword] = [_hoisted(part, components) for part in made[keyword]]
    title = made.get("title")
    if title is None:
        return made
    if components.setdefault(title, made) != made:
        raise ValueError(f"two different schemas are called {title!r}; give one of them another title")
    return {"$ref": f"#/components/schemas/{title}"}
