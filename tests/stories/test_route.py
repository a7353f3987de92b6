"""`gatewright live route` from outside: what it writes is what the ledger and the registry agree on, or nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gatewright.live.route import FORMATS
from gatewright.live.trial import ALIAS, SALT, WEIGHT
from gatewright.serving import Split
from real.command import Ended, gatewright, within
from real.tracking import Store
from real.versions import make_version

POLICY = """
version: 1
model: {model}
live:
  split: {{champion: 80, challenger: 20}}
  unit: account
  outcomes: {{data: '{folder}/outcomes'}}
  primary: bought
targets:
  production:
    alias: champion
    checks: [run.accuracy > 0.9]
"""


class Shop:
    """A model with a champion and a candidate."""

    def __init__(self, store: Store, model: str, folder: Path) -> None:
        self.store, self.model, self.folder, self.client = store, model, folder, store.client()
        for accuracy in (0.92, 0.95):
            make_version(self.client, model, metrics={"accuracy": accuracy})
        self.client.set_registered_model_alias(model, "champion", "1")
        (folder / "policies").mkdir()
        (folder / "policies" / "shop.yaml").write_text(POLICY.format(model=model, folder=folder), encoding="utf-8")

    def type(self, *words: str) -> Ended:
        """Runs `gatewright live words`."""
        return within("live", *words, uri=self.store.uri, folder=self.folder)

    def route(self, *words: str) -> Ended:
        """Runs `gatewright live route MODEL words`."""
        return self.type("route", self.model, *words)

    def begin(self) -> None:
        """Starts a split of version 2 against production."""
        assert self.type("start", f"{self.model}/2", "--against", "production").code == 0

    def end(self) -> None:
        """Ends it."""
        assert self.type("stop", self.model, "--keep", "--reason", "enough").code == 0


@pytest.fixture
def shop(mlflow_server: Store, unique: str, tmp_path: Path) -> Shop:
    """One that has not begun a split."""
    return Shop(mlflow_server, unique, tmp_path)


def test_before_during_and_after_a_split(shop: Shop) -> None:
    """One arm, two with the salt and the share that the registry shows, and one again."""
    before = json.loads(shop.route().out)
    assert [arm["version"] for arm in before["arms"]] == [1]
    shop.begin()
    during = json.loads(shop.route("--header", "X-Account", "--challenger", "10.0.0.2:80").out)
    tags = shop.client.get_model_version(shop.model, "2").tags
    assert during["assignment"]["key"] == f"{tags[SALT]}:UNIT"
    assert [(a["version"], a["parts"]) for a in during["arms"]] == [(1, 8000), (2, int(tags[WEIGHT]))]
    assert (during["unit"], during["header"], during["arms"][1]["address"]) == ("account", "X-Account", "10.0.0.2:80")
    split = Split.read(json.dumps(during))
    assert {split.version(f"account-{i}") for i in range(100)} == {1, 2}
    shop.end()
    assert json.loads(shop.route().out) == before


def test_a_file_is_replaced_whole_and_only_by_what_is_right(shop: Shop) -> None:
    """It says whether a reload is owed; where registry and ledger differ, the router keeps what it has."""
    file = shop.folder / "split.conf"
    words = ("--format", "nginx", "--output", str(file))
    first = shop.route(*words)
    assert (first.code, "split.conf: changed" in first.err, first.out) == (0, True, "")
    assert "unchanged" in shop.route(*words).err
    shop.begin()
    shop.route(*words)
    text = file.read_text()
    shop.client.set_model_version_tag(shop.model, "2", WEIGHT, "9000")
    torn = shop.route(*words)
    assert (torn.code, file.read_text()) == (3, text)
    assert "live status" in torn.err
    assert [p.name for p in shop.folder.iterdir() if p.name.startswith(".")] == []


@pytest.mark.parametrize("spoil", ["alias", "champion"])
def test_what_somebody_moved_by_hand_is_not_routed(shop: Shop, spoil: str) -> None:
    """The challenger's alias on another version, or the target's: exit 3, and nothing is written."""
    shop.begin()
    make_version(shop.client, shop.model, metrics={"accuracy": 0.99})
    shop.client.set_registered_model_alias(shop.model, ALIAS if spoil == "alias" else "champion", "3")
    ended = shop.route()
    assert (ended.code, ended.out) == (3, "")


def test_every_format_is_written_by_the_command_itself(shop: Shop) -> None:
    """As a process, as it is typed; KServe says that it cannot fetch from a server's own artifacts."""
    shop.begin()
    for form in FORMATS:
        words = ("live", "route", shop.model, "--format", form, "--gateway", "istio-system/public")
        ended = gatewright(*words, uri=shop.store.uri, folder=shop.folder)
        if form == "kserve":
            assert (ended.code, "KServe cannot fetch" in ended.err) == (2, True)
        else:
            assert ended.code == 0 and "challenger" in ended.out, ended.err


def test_a_model_that_nobody_holds_is_not_routed(mlflow_server: Store, unique: str, tmp_path: Path) -> None:
    """There is nobody to send anybody to."""
    shop = Shop(mlflow_server, unique, tmp_path)
    shop.client.delete_registered_model_alias(shop.model, "champion")
    ended = shop.route()
    assert (ended.code, "nobody holds production" in ended.err) == (2, True)
