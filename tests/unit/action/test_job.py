"""What the log of a run must never show."""

from __future__ import annotations

import pytest

from gatewright.action.intent import Inputs
from gatewright.action.job import secrets


@pytest.mark.parametrize(
    ("address", "hidden"),
    [
        ("https://gate:hunter2@mlflow.example", {"hunter2"}),
        ("postgresql+psycopg2://gate:p%40ss@db:5432/mlflow", {"p%40ss", "p@ss"}),
        ("https://dapi0123456789abcdef@host.example", {"dapi0123456789abcdef"}),
        ("http://gate:hunter2@[not-an-address", {"hunter2"}),
        ("https://git@mlflow.example", set()),
        ("https://mlflow.example/path@v1", set()),
        ("sqlite:///mlflow.db", set()),
    ],
)
def test_what_an_address_hides_is_masked(address: str, hidden: set[str]) -> None:
    """The password, as written and as meant, or the token that stands alone; no short name, which is a word."""
    assert set(filter(None, secrets(Inputs(tracking_uri=address), {}))) == hidden


def test_secrets_of_the_environment_are_masked() -> None:
    """Those of the stores too, which a library may quote in an error."""
    told = {"AWS_SECRET_ACCESS_KEY": "one", "AZURE_CLIENT_SECRET": "two", "GATEWRIGHT_SIGNING_KEY": "three"}
    assert {*told.values()} <= set(secrets(Inputs(), told))
