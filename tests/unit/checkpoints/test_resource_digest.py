"""HTTP Digest against the examples of its RFCs, and against who would cheat."""

from __future__ import annotations

from dataclasses import replace

import pytest
from requests.utils import parse_dict_header

from repman.checkpoints.resource.digest import (
    NONCE_SECONDS,
    REALM,
    Age,
    Claim,
    Nonces,
    Spent,
    Verdict,
    challenge,
    claim,
    judge,
    password_equivalent,
    response,
)

RFC = Claim("Mufasa", "testrealm@host.com", "dcd98b7102dd2f0e8b11d0f600bfb0c093", "/dir/index.html", "-")
HA1 = password_equivalent("user", "secret")
TARGET = "/api/x?a=1&b=%20"


def test_rfc_2617_section_3_5() -> None:
    ha1 = password_equivalent("Mufasa", "Circle Of Life", "testrealm@host.com")
    asked = replace(RFC, qop="auth", count="00000001", cnonce="0a4f113b")
    assert response(ha1, asked, "GET") == "6629fae49393a05397450978507c4ef1"


def test_rfc_2069_section_2_4_as_its_erratum_corrects_it() -> None:
    ha1 = password_equivalent("Mufasa", "CircleOfLife", "testrealm@host.com")
    assert response(ha1, RFC, "GET") == "1949323746fe6a43ef61f9606e7febea"


def test_the_challenge_is_that_of_the_page() -> None:
    assert challenge("NONCE") == (
        'Digest realm="MMS Public API", domain="", nonce="NONCE", algorithm=MD5, op="auth", stale=false'
    )
    assert parse_dict_header(challenge("N", stale=True).removeprefix("Digest "))["stale"] == "true"


def asked(method: str = "GET", uri: str = TARGET, ha1: str = HA1, **changes: str) -> Claim:
    made = Claim("user", REALM, "nonce", uri, "", **changes)
    return replace(made, response=response(ha1, made, method))


@pytest.mark.parametrize("qop", [{}, {"qop": "auth", "count": "0000000a", "cnonce": "c"}])
def test_the_right_password_for_the_right_request(qop: dict[str, str]) -> None:
    assert judge(asked(**qop), "GET", TARGET, HA1, Age.FRESH) is Verdict.GOOD


@pytest.mark.parametrize(
    ("given", "method", "target", "ha1"),
    [
        (asked(ha1=password_equivalent("user", "wrong")), "GET", TARGET, HA1),
        (asked(), "DELETE", TARGET, HA1),
        (asked(), "GET", TARGET + "&c=2", HA1),
        (asked(), "GET", TARGET.replace("%20", "+"), HA1),
        (asked(), "GET", TARGET, None),
        (replace(asked(), realm="other"), "GET", TARGET, HA1),
        (replace(asked(), nonce="another"), "GET", TARGET, HA1),
        (replace(asked(), uri="/ü"), "GET", "/ü", HA1),
    ],
)
@pytest.mark.parametrize("age", list(Age))
def test_anything_else_is_wrong_however_old_its_nonce_is(
    given: Claim, method: str, target: str, ha1: str | None, age: Age
) -> None:
    assert judge(given, method, target, ha1, age) is Verdict.WRONG


def test_only_the_right_password_learns_that_its_nonce_is_old() -> None:
    assert judge(asked(), "GET", TARGET, HA1, Age.OLD) is Verdict.STALE
    assert judge(asked(), "GET", TARGET, HA1, Age.FORGED) is Verdict.WRONG


def test_a_nonce_is_good_for_its_time_wherever_the_key_is() -> None:
    nonce = Nonces(b"key").make(1000.0)
    other = Nonces(b"key")
    assert other.age(nonce, 1000.0) is Age.FRESH
    assert other.age(nonce, 1000.0 + NONCE_SECONDS) is Age.FRESH
    assert other.age(nonce, 1001.0 + NONCE_SECONDS) is Age.OLD
    assert other.age(nonce, 900.0) is Age.OLD, "it is from the future"
    assert Nonces(b"another key").age(nonce, 1000.0) is Age.FORGED


@pytest.mark.parametrize("place", range(42))
def test_a_nonce_of_which_a_letter_was_changed_is_forged(place: int) -> None:
    nonces = Nonces(b"key")
    nonce = nonces.make(1000.0)
    changed = nonce[:place] + ("B" if nonce[place] == "A" else "A") + nonce[place + 1 :]
    assert nonces.age(changed, 1000.0) is Age.FORGED
    assert nonces.age(nonce * 2, 1000.0) is Age.FORGED
    assert nonces.age(nonce[place:], 1000.0) is (Age.FORGED if place else Age.FRESH)


@pytest.mark.parametrize("text", ["", "=", "x", "ä", "A" * 43, "A" * 100_000, "nonce with spaces", "\x00"])
def test_what_is_no_nonce_is_forged(text: str) -> None:
    assert Nonces(b"key").age(text, 1.0) is Age.FORGED


GOOD = 'Digest username="u", realm="r", nonce="n", uri="/x?a=\\"b", response="ABC"'


def test_what_a_header_says() -> None:
    assert claim(GOOD) == Claim("u", "r", "n", '/x?a="b', "abc")
    assert claim(GOOD + ', qop=auth, nc=00000001, cnonce="c", algorithm=md5') == Claim(
        "u", "r", "n", '/x?a="b', "abc", "auth", "00000001", "c"
    )


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Digest",
        "Digest x",
        "Digest =,=,",
        "Basic dTpw",
        "Basic !",
        "Bearer token",
        GOOD.replace("response", "answer"),
        GOOD.replace('"u"', '""'),
        GOOD + ", algorithm=MD5-sess",
        GOOD + ", algorithm=SHA-256",
        GOOD + ", qop=auth",
        GOOD + ', qop=auth, nc=1, cnonce="c"',
        GOOD + ', qop=auth, nc=0000000g, cnonce="c"',
        GOOD + ', qop=auth-int, nc=00000001, cnonce="c"',
        "Digest " + "a=b," * 10_000,
    ],
)
def test_a_header_that_cannot_be_used(header: str) -> None:
    assert claim(header) is None


def test_credentials_are_spent_for_as_long_as_their_nonce_lives() -> None:
    spent = Spent()
    assert spent.first(asked(), 1000.0)
    assert not spent.first(asked(), 1000.0 + NONCE_SECONDS)
    assert spent.first(asked("POST"), 1000.0), "they are another request's"
    assert all(spent.first(replace(asked(), response=str(number)), 1001.0) for number in range(2000))
    assert not spent.first(asked(), 1002.0)
    assert spent.first(asked(), 2000.0)
