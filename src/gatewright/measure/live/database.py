"""Outcomes in a database: the answer of the policy's query, streamed through SQLAlchemy and an installed driver."""

from __future__ import annotations

import logging
import os
import re
import ssl
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from gatewright.policy.model import Outcomes

if TYPE_CHECKING:
    import pyarrow as pa
    from sqlalchemy import URL, Connection, Engine

#: the password of whatever database it is; in the policy there is no place for one
PASSWORD = "GATEWRIGHT_OUTCOMES_PASSWORD"

#: kind of database → the variable under which its own programs look for a password, and drivers in order of preference;
#: "" is the one that SQLAlchemy takes. The last ones are what the Action's image has.
_KINDS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "postgresql": ("PGPASSWORD", ("", "psycopg", "psycopg2", "pg8000")),
    "mysql": ("MYSQL_PWD", ("", "pymysql")),
    "mariadb": ("MYSQL_PWD", ("", "pymysql")),
}
_PACKAGES = (
    "Install SQLAlchemy and the database's driver. The Action's image has those of PostgreSQL and MySQL alone: write "
    "outcomes as parquet for it otherwise."
)
#: what goes wrong is raised, and need not be said a second time, by a traceback on the terminal
_SILENT = logging.NullHandler()
_ACCOUNT = f"Check the query, and that the account may read; its password is read from {PASSWORD}."


class NotRead(Exception):
    """The database's answer is not to be had. `fix`: what to do about it; neither it nor the text has a password."""

    def __init__(self, why: str, fix: str) -> None:
        super().__init__(why)
        self.fix = fix


def batches(said: Outcomes, wanted: Sequence[str], rows: int) -> Iterator[pa.RecordBatch]:
    """The wanted columns of the query's answer, so many rows at a time.

    It is asked for in a transaction that may only read, where the database knows such a thing, and that is never
    committed. Raises NotRead.
    """
    if not said.query:
        raise NotRead("a database needs a query", "Set live.outcomes.query.")
    try:
        import sqlalchemy
    except ImportError as e:
        raise NotRead(str(e), _PACKAGES) from e
    logging.getLogger("sqlalchemy").addHandler(_SILENT)
    secret = ""
    try:
        url = sqlalchemy.make_url(said.data)
        secret = _password(url)
        with _engine(url, secret).connect() as connection:
            yield from _answer(connection, said.query, wanted, rows)
    except ImportError as e:
        raise NotRead(str(e), _PACKAGES) from e
    except (sqlalchemy.exc.SQLAlchemyError, OSError, TypeError, ValueError) as e:
        # Without the chain, whose links hold addresses with passwords.
        raise NotRead(_hidden(_words(e), secret), _ACCOUNT) from None


def _answer(connection: Connection, query: str, wanted: Sequence[str], rows: int) -> Iterator[pa.RecordBatch]:
    import pyarrow as pa
    import sqlalchemy

    reading = connection.execution_options(stream_results=True, max_row_buffer=rows, postgresql_readonly=True)
    # As it is: a colon in it names no parameter.
    answer = reading.execute(sqlalchemy.text(query.replace(":", r"\:")))
    names = list(answer.keys())
    missing = [c for c in wanted if c not in names]
    if missing:
        raise NotRead(f"there is no column {', '.join(missing)}; there is {', '.join(names[:30])}", _ACCOUNT)
    for part in answer.mappings().partitions(rows):
        yield pa.RecordBatch.from_pydict({c: pa.array([_plain(row[c]) for row in part]) for c in wanted})


# -- the way there -----------------------------------------------------------------------------------------------


def _password(url: URL) -> str:
    own, _ = _KINDS.get(url.get_backend_name(), ("", ()))
    found = os.environ.get(PASSWORD) or os.environ.get(own, "")
    return found or (str(url.password) if url.password is not None else "")


def _engine(url: URL, secret: str) -> Engine:
    """Through the driver that the address names, else through the first that is installed."""
    import sqlalchemy

    kind = url.get_backend_name()
    _, drivers = _KINDS.get(kind, ("", ("",)))
    told = url.set(password=secret) if secret else url
    missing: ImportError | None = None
    for driver in drivers if "+" not in url.drivername else ("",):
        named = told.set(drivername=f"{kind}+{driver}") if driver else told
        try:
            plain, more = _secured(named)
            return sqlalchemy.create_engine(
                plain, poolclass=sqlalchemy.pool.NullPool, hide_parameters=True, connect_args=more
            )
        except ImportError as e:
            missing = missing or e
    raise missing or ImportError(f"there is no driver for {kind}")


def _secured(url: URL) -> tuple[URL, dict[str, Any]]:
    """Libpq's words for encryption, which PostgreSQL's addresses have, in those of a driver that does not know them."""
    if url.get_driver_name() != "pg8000":
        return url, {}
    query = dict(url.query)
    mode, root = (str(query.pop(name, "")) for name in ("sslmode", "sslrootcert"))
    return url.set(query=query), {"ssl_context": _encryption(mode or "prefer", root or None)}


def _encryption(mode: str, root: str | None) -> Any:
    """What pg8000 takes: None is encryption if the server has it, True that it must, False none."""
    simple = {"disable": False, "allow": None, "prefer": None, "require": True}
    if mode in simple and not (mode == "require" and root):
        return simple[mode]
    if mode not in ("require", "verify-ca", "verify-full"):
        raise ValueError(f'sslmode cannot be "{mode}"')
    context = ssl.create_default_context(cafile=root)
    context.check_hostname = mode == "verify-full"
    return context


# -- what is said ------------------------------------------------------------------------------------------------


def _plain(value: Any) -> Any:
    """A decimal is a number here, and a UUID the text that a router would have hashed."""
    kind = type(value).__name__
    return float(value) if kind == "Decimal" else str(value) if kind == "UUID" else value


def _words(error: Exception) -> str:
    """The driver's own words, without SQLAlchemy's around them."""
    said = getattr(error, "orig", None) or error
    first = said.args[0] if said.args else None
    return str(first["M"]) if isinstance(first, dict) and "M" in first else str(said)


def _hidden(text: str, secret: str) -> str:
    for known in (secret, os.environ.get(PASSWORD)):
        text = text.replace(known, "…") if known else text
    return re.sub(r"//[^/\s]*@", "//…@", text)
