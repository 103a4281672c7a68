"""Secrets in files: both encrypted forms, what is told when one does not open, and the commands."""

from __future__ import annotations

import io
import stat
from pathlib import Path

import pytest

from repman import cli
from repman.config.secrets import FORMER, SEALED, make_key, read_key, seal, unseal
from repman.config.settings import Credential
from repman.errors import ConfigError

KEY = bytes(range(16))
FORMER_SECRET = "hash_a0a1a2a3a4a5a6a7a8a9aaabacadaeaf9dbcbd8a936f281facd01ee60287d3f638ad1c25b971aa5e473e93"
"""Made with ``openssl enc -aes-128-cfb``, the IV in front."""
CLEAR = "älter als 16 Bytes: s3cret"


@pytest.fixture
def key(configured):
    path = configured.directory / "key"
    path.write_bytes(KEY)
    path.chmod(0o600)
    return path


def test_what_is_sealed_opens_again_and_never_looks_the_same() -> None:
    sealed = [seal(CLEAR, KEY) for _ in range(50)]
    assert len(set(sealed)) == 50
    assert {unseal(each, KEY) for each in sealed} == {CLEAR}
    for each in sealed:
        # Nothing that a list, user:password, TOML or a shell takes for something else.
        assert each.startswith(SEALED)
        assert each.replace("_", "").replace("-", "").isalnum()


def test_the_form_of_replication_manager_is_read() -> None:
    assert unseal(FORMER_SECRET, KEY) == CLEAR


def test_a_sealed_secret_does_not_open_with_another_key_or_changed_in_any_letter() -> None:
    sealed = seal("s3cret", KEY)
    for place in range(len(SEALED), len(sealed) - 1):
        changed = sealed[:place] + ("A" if sealed[place] != "A" else "B") + sealed[place + 1 :]
        with pytest.raises(ValueError, match="another key, or changed"):
            unseal(changed, KEY)
    for wrong in (sealed[:20], SEALED, f"{SEALED}%%%", f"{SEALED}ä"):
        with pytest.raises(ValueError, match="cannot be opened"):
            unseal(wrong, KEY)
    with pytest.raises(ValueError, match="another key"):
        unseal(sealed, bytes(16))


@pytest.mark.parametrize("text", [FORMER_SECRET, f"{FORMER}00ff", f"{FORMER}tops3cret", FORMER])
def test_a_former_secret_that_gives_no_text_is_refused_without_showing_it(text: str) -> None:
    with pytest.raises(ValueError, match="not hex, or was encrypted with another key") as told:
        unseal(text, bytes(16))
    assert "s3cret" not in str(told.value)


def test_secrets_are_opened_wherever_they_stand(configured, key: Path) -> None:
    sealed = seal("all:of,it", KEY)
    configured.cluster(
        default=f'monitoring-key-path = "{key}"\n'
        f'api-credentials = "ann:{sealed},bob:clear"\n'
        f'api-credentials-external = ["{seal("eve:from, a file", KEY)}", "joe:{FORMER_SECRET}"]\n'
        f'state-url = "{seal("sqlite:///x.db", KEY)}"\n'
    )
    text = configured.main.read_text().replace("repman:pw-of-repman", f"repman:{FORMER_SECRET}")
    configured.main.write_text(text.replace("repl:pw-of-repl", seal("repl:it", KEY)), "utf-8")
    settings, _ = configured.load()
    service, cluster = settings.service, settings.clusters[0]
    assert service.api_users == (
        Credential("ann", "all:of,it"),
        Credential("bob", "clear"),
        Credential("eve", "from, a file"),
        Credential("joe", CLEAR),
    )
    assert service.state_url == "sqlite:///x.db"
    assert cluster.database == Credential("repman", CLEAR)
    assert cluster.replication == Credential("repl", "it")
    shown = str(service.options) + str(cluster.options) + repr(settings)
    for secret in ("all:of,it", CLEAR, "from, a file"):
        assert secret not in shown


def test_what_cannot_be_opened_is_one_mistake_each_with_its_line(configured, key: Path) -> None:
    other = seal("s3cret", bytes(16))
    configured.cluster(default=f'monitoring-key-path = "{key}"\napi-credentials = "ann:{other}"\n')
    (mistake,) = configured.mistakes()
    assert "main.toml:4" in mistake
    assert "api-credentials: the encrypted secret (sealed_...) cannot be opened" in mistake
    assert other not in mistake


def test_a_sealed_account_must_be_one(configured, key: Path) -> None:
    configured.cluster(default=f'monitoring-key-path = "{key}"\n')
    text = configured.main.read_text()
    configured.main.write_text(text.replace("repl:pw-of-repl", seal("tops3cret", KEY)))
    (mistake,) = configured.mistakes()
    assert "replication-credential: write user:password" in mistake
    assert "tops3cret" not in mistake


def test_without_an_encrypted_secret_no_key_is_looked_for(configured) -> None:
    configured.cluster(default='monitoring-key-path = "nowhere"\n')
    assert configured.load()


def test_a_key_that_others_can_read_is_told(configured, key: Path) -> None:
    key.chmod(0o644)
    configured.cluster(default=f'monitoring-key-path = "{key}"\napi-credentials = "ann:{FORMER_SECRET}"\n')
    assert any("chmod 600" in warning for warning in configured.load()[1])


@pytest.mark.parametrize(("content", "told"), [(b"short", "5 bytes, not 16"), (b"x" * 32, "32 bytes, not 16")])
def test_a_file_that_is_no_key(tmp_path: Path, content: bytes, told: str) -> None:
    (tmp_path / "key").write_bytes(content)
    with pytest.raises(ConfigError, match=told):
        read_key(tmp_path / "key")


def test_a_key_is_made_once_for_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "new" / "key"
    make_key(path)
    first = read_key(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with pytest.raises(ConfigError, match="--overwrite"):
        make_key(path)
    assert read_key(path) == first
    make_key(path, overwrite=True)
    assert read_key(path) != first
    assert [each.name for each in path.parent.iterdir()] == ["key"]
    with pytest.raises(ConfigError, match="cannot be written"):
        make_key(path / "below")


def test_the_commands_make_a_key_encrypt_and_decrypt(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = str(tmp_path / "key")
    assert cli.main(["keygen", "--keypath", path]) == 0
    assert cli.main(["keygen", "--keypath", path]) == 2
    assert "--overwrite" in capsys.readouterr().err

    monkeypatch.setattr("sys.stdin", io.StringIO("pass: word,\n"))
    assert cli.main(["password", "--keypath", path]) == 0
    told = capsys.readouterr()
    assert told.err == ""
    sealed = told.out.strip()
    assert unseal(sealed, read_key(Path(path))) == "pass: word,"

    assert cli.main(["decrypt", f"ann:{sealed}", "--keypath", path]) == 0
    assert capsys.readouterr().out == "ann:pass: word,\n"
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{sealed}\n"))
    assert cli.main(["decrypt", "--keypath", path]) == 0
    assert capsys.readouterr().out == "pass: word,\n"

    assert cli.main(["password", "given", "--keypath", path]) == 0
    assert "command line" in capsys.readouterr().err
    assert cli.main(["decrypt", "no-secret", "--keypath", path]) == 2
    assert cli.main(["decrypt", f"{SEALED}AAAA", "--keypath", path]) == 2
    assert cli.main(["password", "--keypath", f"{path}-missing"]) == 2
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    assert cli.main(["password", "--keypath", path]) == 2


def test_the_commands_find_the_key_of_the_configuration(
    configured, key: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Also when that holds secrets that do not open: this is how one finds out."""
    other = seal("s3cret", bytes(16))
    configured.cluster(default=f'monitoring-key-path = "{key}"\napi-credentials = "ann:{other}"\n')
    assert cli.main(["decrypt", FORMER_SECRET, "--config", str(configured.main)]) == 0
    assert capsys.readouterr().out == f"{CLEAR}\n"
