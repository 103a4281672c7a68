"""The route table as the tables of docs/api.md."""

from __future__ import annotations

from collections.abc import Iterable

from repman.web.description.answers import own, unknown_cluster
from repman.web.description.paths import CHAPTERS, chapter, grant, written
from repman.web.routes.route import Answer, Parameter, Route


def route_tables(routes: Iterable[Route]) -> str:
    """All routes by chapter."""
    by_chapter: dict[str, list[Route]] = {title: [] for title in CHAPTERS}
    for route in routes:
        by_chapter[chapter(route)].append(route)
    return "\n".join(_chapter(title, found) for title, found in by_chapter.items() if found)


def page_table(routes: Iterable[Route]) -> str:
    """The endpoints of replication-manager's page, in its spelling, with the test that proves each."""
    rows = [
        f"| `{route.page}` | {grant(route)} | {_codes(route)} | {_proof(route)} |"
        for route in sorted(routes, key=lambda route: route.page)
        if route.page
    ]
    return "\n".join(["| Endpoint of the page | Grant | Answers | Proof |", "|---|---|---|---|", *rows, ""])


def _chapter(title: str, routes: list[Route]) -> str:
    rows = [
        f"| `{written(route.path)}` | {grant(route)} | {_cell(_described(route))} | {_cell(_answers(route))} |"
        for route in routes
    ]
    return "\n".join([f"### {title}", "", "| Path | Grant | What | Answers |", "|---|---|---|---|", *rows, ""])


def _described(route: Route) -> str:
    parts = [route.summary]
    if route.methods != ("GET", "POST"):
        parts.append(f"({', '.join(route.methods)})")
    parts += [_parameter(parameter) for parameter in route.parameters]
    return "<br>".join(part for part in parts if part)


def _parameter(parameter: Parameter) -> str:
    kind = " ".join(f"`{choice}`" for choice in parameter.choices) or parameter.kind
    required = ", required" if parameter.required else ""
    return f"`{parameter.name}` ({kind}{required}): {parameter.help}"


def _answers(route: Route) -> str:
    return "<br>".join(f"{answer.status} {_form(answer)}{answer.meaning}" for answer in own(route))


def _form(answer: Answer) -> str:
    title = (answer.schema or {}).get("title", "")
    return f"`{title}`: " if title else ""


def _codes(route: Route) -> str:
    codes = {answer.status for answer in route.answers}
    if "<cluster>" in route.path:
        codes.add(unknown_cluster(route).status)
    return " ".join(str(code) for code in sorted(codes))


def _proof(route: Route) -> str:
    path, _, test = route.proof.partition("::")
    return f"[{test}](../{path})" if test else ""


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
