"""The OpenAPI document: valid, complete, and served with a page that needs nothing from elsewhere."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from openapi_spec_validator import OpenAPIV31SpecValidator

from repman.web.description.openapi import document
from repman.web.description.paths import variables, written
from repman.web.routes import ROUTES, Route
from repman.web.routes.route import Answer

DOCUMENT = document(ROUTES)
DASHBOARD = Path(__file__).resolve().parents[2] / "share" / "dashboard"


def test_it_is_valid() -> None:
    assert [error.message for error in OpenAPIV31SpecValidator(DOCUMENT).iter_errors()] == []


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.path)
def test_every_route_parameter_and_answer_is_in_it(route: Route) -> None:
    operations = DOCUMENT["paths"][written(route.path)]
    assert operations.keys() == {method.lower() for method in route.methods}
    for method, operation in operations.items():
        assert operation["security"] == ([] if route.grant == "public" else [{"token": []}])
        told = {parameter["name"] for parameter in operation["parameters"]}
        told |= set(str(operation.get("requestBody")).split("'"))
        assert set(variables(route.path)) <= told
        if method != "head":
            assert {parameter.name for parameter in route.parameters} <= told
        for answer in route.answers:
            response = operation["responses"][str(answer.status)]
            assert method == "head" or not answer.media or answer.media in response["content"]


def test_operations_have_names_of_their_own() -> None:
    names = [operation["operationId"] for path in DOCUMENT["paths"].values() for operation in path.values()]
    assert len(names) == len(set(names))
    assert [name for name in names if not re.fullmatch(r"\w+", name)] == []


def test_two_schemas_of_one_title_are_a_mistake() -> None:
    other = replace(ROUTES[0], path="/other", answers=(Answer(200, "", schema={"title": "Error", "type": "string"}),))
    with pytest.raises(ValueError, match="two different schemas are called 'Error'"):
        document([ROUTES[0], other])


def test_a_route_that_is_there_twice_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="is in the route table twice"):
        document([ROUTES[0], ROUTES[0]])


def test_it_is_served_and_known_again(client: FlaskClient) -> None:
    answer = client.get("/api/openapi.json")
    assert (answer.status_code, answer.json) == (200, DOCUMENT)
    again = client.get("/api/openapi.json", headers={"If-None-Match": answer.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")


def test_the_page_of_the_api_loads_only_what_is_here(client: FlaskClient) -> None:
    page = client.get("/api/docs")
    assert page.status_code == 200
    for link in re.findall(r'(?:href|src)="([^"#]+)"', page.text):
        assert link.startswith("/")
        assert client.get(link).status_code == 200, link
    assert "style=" not in page.text
    assert re.findall(r"https?://", (DASHBOARD / "api-page.js").read_text()) == []
