"""Pages, their links, and query parameters that cannot be used."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest

from repman.checkpoints.resource.paging import BadParameter, Page, Shape, links, page, shape


def test_nothing_given() -> None:
    assert page({}) == Page(1, 100, True)
    assert shape({}) == Shape(False, False)
    assert page({"pageNum": "3", "itemsPerPage": "20"}).offset == 40


@pytest.mark.parametrize("text", ["true", "TRUE", "True"])
def test_words(text: str) -> None:
    assert shape({"pretty": text, "envelope": "false"}) == Shape(True, False)
    assert page({"includeCount": "False"}).counted is False


@pytest.mark.parametrize("name", ["pretty", "envelope"])
@pytest.mark.parametrize("text", ["", "1", "yes", "true ", "tru", "null", "[]", "\x00", "\uff54rue"])
def test_what_is_no_word(name: str, text: str) -> None:
    with pytest.raises(BadParameter, match="true or false") as caught:
        shape({name: text})
    assert caught.value.name == name


@pytest.mark.parametrize("name", ["pageNum", "itemsPerPage"])
@pytest.mark.parametrize(
    "text", ["", "0", "-1", "+1", " 1", "1 ", "1.0", "1e2", "0x10", "1_0", "٣", "²", "9" * 10, "9" * 5000, "NaN", "a"]
)
def test_what_is_no_number(name: str, text: str) -> None:
    with pytest.raises(BadParameter) as caught:
        page({name: text})
    assert caught.value.name == name


def test_bounds() -> None:
    assert page({"itemsPerPage": "500", "pageNum": "2147483647"}).offset < 2**63
    with pytest.raises(BadParameter, match="from 1 to 500"):
        page({"itemsPerPage": "501"})


def test_a_list_on_one_page_has_no_links() -> None:
    assert links("https://h/x", {}, Page(1, 100), 100) == []
    assert links("https://h/x", {}, Page(1, 100), 0) == []


def test_the_way_to_the_other_pages() -> None:
    given = {"pretty": "true", "pageNum": "2", "itemsPerPage": "10"}
    found = {each["rel"]: each["href"] for each in links("https://h/x", given, Page(2, 10), 30)}
    assert list(found) == ["self", "previous", "next"]
    assert urlsplit(found["next"])._replace(query="").geturl() == "https://h/x"
    assert parse_qs(urlsplit(found["next"]).query) == {"pretty": ["true"], "pageNum": ["3"], "itemsPerPage": ["10"]}
    assert [each["rel"] for each in links("u", {}, Page(1, 10), 11)] == ["self", "next"]
    assert [each["rel"] for each in links("u", {}, Page(3, 10), 30)] == ["self", "previous"]


def test_behind_the_end_the_way_back_leads_to_the_last_page() -> None:
    found = {each["rel"]: each["href"] for each in links("u", {}, Page(99, 10), 25)}
    assert found["previous"] == "u?pageNum=3&itemsPerPage=10"
    assert "next" not in found


def test_what_stands_in_links_is_escaped() -> None:
    found = links("u", {"x": "a&b=\r\n\"'<"}, Page(1, 1), 2)
    assert "\n" not in found[0]["href"]
    assert parse_qs(urlsplit(found[0]["href"]).query)["x"] == ["a&b=\r\n\"'<"]
