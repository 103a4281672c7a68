"""The first page: served whole, from a checkout and from an installation, and able to run under its own policy."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from repman.web.views import page

DASHBOARD = Path(page.__file__).resolve().parents[3] / "share" / "dashboard"
FILES = sorted(path.name for path in DASHBOARD.iterdir())


@pytest.mark.parametrize("name", FILES)
def test_every_file_is_served(client: FlaskClient, name: str) -> None:
    answer = client.get(f"/static/{name}")
    assert (answer.status_code, answer.data) == (200, (DASHBOARD / name).read_bytes())
    again = client.get(f"/static/{name}", headers={"If-None-Match": answer.headers["ETag"]})
    assert again.status_code == 304


def test_the_page_asks_for_nothing_that_is_not_there(client: FlaskClient) -> None:
    text = client.get("/").text
    wanted = set(re.findall(r'(?:src|href)="(/[^"]*)"', text))
    for script in DASHBOARD.glob("*.js"):
        wanted |= {f"/static/{name}" for name in re.findall(r'from "\./([^"]+)"', script.read_text())}
    assert len(wanted) >= 5
    for path in wanted:
        assert client.get(path).status_code == 200, path


def test_the_page_keeps_to_its_policy() -> None:
    """No inline script or style, no other origin, no way for text to become markup."""
    for path in DASHBOARD.iterdir():
        text = path.read_text()
        foreign = set(re.findall(r"https?://[^\s\"']+", text)) - {"http://www.w3.org/2000/svg"}
        assert foreign == set(), path
        assert not re.search(r"\.innerHTML\s*\+?=[^=]|insertAdjacentHTML|document\.write|eval\(", text), path
    html = (DASHBOARD / "index.html").read_text()
    assert not re.search(r"<script>|<style|\sstyle=|\son\w+=", html)


@pytest.mark.parametrize("name", ["nothing.js", "..%2Findex.html", "%2e%2e/setup.cfg", "..", "setup.cfg", ".htaccess"])
def test_nothing_else_is_served(client: FlaskClient, name: str) -> None:
    assert client.get(f"/static/{name}").status_code == 404


def test_an_installed_package_finds_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    installed = tmp_path / "share" / "repman" / "dashboard"
    shutil.copytree(DASHBOARD, installed)
    monkeypatch.setattr(page, "_CHECKOUT", tmp_path / "nothing")
    monkeypatch.setattr(page, "_INSTALLED", installed)
    page.dashboard.cache_clear()
    assert page.dashboard() == installed
    page.dashboard.cache_clear()
