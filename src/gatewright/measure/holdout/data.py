"""The holdout's rows: where they are, what exactly they are, and in which batches they come."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from gatewright.measure.holdout import cloud
from gatewright.problem import Undetermined

if TYPE_CHECKING:
    import pyarrow as pa

#: rows a batch: large enough that a call's overhead is nothing, small enough for any memory
BATCH_ROWS = 65_536
MLFLOW = ("runs", "mlflow-artifacts", "models", "dbfs")

_CHUNK = 1 << 20
_LOT_ROWS = 4 * BATCH_ROWS


@dataclass(frozen=True, slots=True)
class Table:
    """A holdout on this machine's disk, its content proved by `sha256`.

    uri: as the policy names it. files: in the order in which they are read, by path. sha256: of the one file, or of
    the list `sha256  path` of all of them. partitioned: whether folder names (`country=PT`) are columns too.
    """

    uri: str
    root: Path
    files: tuple[Path, ...]
    sha256: str

    def schema(self) -> pa.Schema:
        """The columns, those of a partitioned folder's names included."""
        return self._dataset().schema

    def rows(self) -> int:
        """How many rows there are, from the files' own counts where they have them."""
        with self._readable():
            return int(self._dataset().count_rows())

    def batches(self, columns: Sequence[str], size: int = BATCH_ROWS) -> Iterator[pa.RecordBatch]:
        """The columns in batches of at most `size` rows, in the same order every time; memory is a few batches."""
        with self._readable():
            found = self._dataset()
            read = _of_csv if self.files[0].suffix == ".csv" else _of_parquet
            yield from (batch for batch in read(found, columns, size) if batch.num_rows)

    @contextmanager
    def _readable(self) -> Iterator[None]:
        """Words for what only shows in the midst of a file: a page that is damaged, a number that is none."""
        from pyarrow import ArrowException

        try:
            yield
        except (OSError, ArrowException) as error:
            raise _unread(self.uri, str(error)) from error

    def _dataset(self) -> Any:
        from pyarrow import dataset

        kind = "csv" if self.files[0].suffix == ".csv" else "parquet"
        names = [str(f.absolute()) for f in self.files]  # a:b would be an address to Arrow, /x/a:b is none
        root = str(self.root.absolute()) if self.root.is_dir() else None
        try:
            return dataset.dataset(names, format=kind, partitioning="hive", partition_base_dir=root)
        except (OSError, ValueError, TypeError) as error:
            raise _unread(self.uri, str(error)) from error


def _of_csv(found: Any, columns: Sequence[str], size: int) -> Iterator[pa.RecordBatch]:
    yield from found.to_batches(columns=list(columns), batch_size=size, batch_readahead=2)


def _of_parquet(found: Any, columns: Sequence[str], size: int) -> Iterator[pa.RecordBatch]:
    """File by file. Arrow's scanner of data sets would keep what it has read until the end of all."""
    import pyarrow as pa
    from pyarrow import dataset, parquet

    fields = [found.schema.field(name) for name in columns]
    for fragment in found.get_fragments():
        folders = dataset.get_partition_keys(fragment.partition_expression)
        with parquet.ParquetFile(fragment.path, pre_buffer=False, buffer_size=_CHUNK) as file:
            inside = [name for name in columns if name in file.schema_arrow.names]
            for groups in _groups(file.metadata):
                for batch in file.iter_batches(size, row_groups=groups, columns=inside):
                    arrays = [_column(batch, field, folders) for field in fields]
                    yield pa.RecordBatch.from_arrays(arrays, names=list(columns))


def _groups(metadata: Any) -> Iterator[list[int]]:
    """Row groups a few batches at a time: the reader lets go of its buffers when it is through with one lot."""
    lot: list[int] = []
    rows = 0
    for number in range(metadata.num_row_groups):
        lot, rows = [*lot, number], rows + metadata.row_group(number).num_rows
        if rows >= _LOT_ROWS:
            yield lot
            lot, rows = [], 0
    if lot:
        yield lot


def _column(batch: pa.RecordBatch, field: Any, folders: Mapping[str, Any]) -> pa.Array:
    """A column with the type that all files share; one that only the folders' names have, or that a file lacks."""
    import pyarrow as pa

    if field.name in batch.schema.names:
        column = batch.column(batch.schema.names.index(field.name))
        return column if column.type == field.type else column.cast(field.type)
    return pa.repeat(pa.scalar(folders.get(field.name), field.type), batch.num_rows)


def locate(uri: str, scratch: Path, download: Callable[[str, Path], Path]) -> Table:
    """Brings the holdout to this machine where it is not, and fixes what it is.

    What is hashed is what is scored: remote files are copied to `scratch` first. `download` fetches MLflow's URIs.
    Raises Undetermined where there is nothing, or nothing readable.
    """
    scheme = _scheme(uri)
    if scheme in cloud.CREDENTIALS:
        root = cloud.fetch(uri, scratch)
    elif scheme in MLFLOW:
        root = download(uri, scratch)
    elif scheme in ("", "file"):
        root = Path(urlsplit(uri).path if scheme else uri)
    else:
        raise _unread(uri, f"{scheme} is no kind of address that holdouts are read from")
    files = _files(uri, root)
    return Table(uri, root, files, _sha256(root, files))


def _scheme(uri: str) -> str:
    """What the address begins with, MLflow's with its one slash too; "" for a path."""
    scheme = urlsplit(uri).scheme.lower()
    return scheme if "://" in uri or (scheme in (*MLFLOW, "file") and uri[len(scheme) :].startswith(":/")) else ""


def _files(uri: str, root: Path) -> tuple[Path, ...]:
    """Every data file, by its path; hidden files and markers (`_SUCCESS`) are none."""
    if root.is_file():
        found: tuple[Path, ...] = (root,)
    elif root.is_dir():
        below = (p for p in root.rglob("*") if p.is_file() and p.suffix in (".parquet", ".pq", ".csv"))
        found = tuple(sorted(p for p in below if not _hidden(p.relative_to(root))))
    else:
        raise _unread(uri, "there is no such file or folder")
    if not found:
        raise _unread(uri, "the folder holds no parquet or csv file")
    if len({f.suffix == ".csv" for f in found}) > 1:
        raise _unread(uri, "the folder holds both parquet and csv files")
    return found


def _hidden(path: Path) -> bool:
    return any(part.startswith((".", "_")) for part in path.parts)


def _sha256(root: Path, files: Sequence[Path]) -> str:
    """Of one file: what `sha256sum` prints. Of a folder: of the lines `sha256  path`, ordered by path."""
    if root.is_file():
        return sha256_of(root)
    lines = "".join(f"{sha256_of(f)}  {f.relative_to(root).as_posix()}\n" for f in files)
    return hashlib.sha256(lines.encode()).hexdigest()


def sha256_of(file: Path) -> str:
    """A file's sha256 in hexadecimal digits, read piece by piece. Raises OSError."""
    content = hashlib.sha256()
    with file.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            content.update(chunk)
    return content.hexdigest()


def _unread(uri: str, why: str) -> Undetermined:
    return cloud.unread(uri, why, "Check holdout.data in the policy, and that this machine may read it.")
