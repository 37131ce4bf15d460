"""The database behind the feedback: opened, set up, and used one short transaction at a time.

Threads, processes and, with a server, machines may share it. Readers see one state each and wait for nobody. Writers take
turns, so that what one of them has looked up still holds when it writes; a transaction takes milliseconds. What was committed
outlives a killed process. SQLite is the default; there, deleted text is overwritten, in the file and in its log. Other
databases work by their SQLAlchemy URL, PostgreSQL is tested; there, deleting for good (logs, backups) is up to whoever runs
them.
"""

import logging
import secrets
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from sqlalchemy import Connection, Engine, create_engine, event, inspect, select
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DatabaseError, IntegrityError, NoSuchModuleError, OperationalError, ProgrammingError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from medalign.core.errors import FeedbackError
from medalign.core.files import first_line
from medalign.feedback import schema

log = logging.getLogger(__name__)

DEFAULT_STORE = "runs/feedback.sqlite3"
BUSY_TIMEOUT_S = 20  # that one writer waits for the others
TURN = select(schema.schema_version.c.version).with_for_update()  # one writer at a time has the lock of this row
NO_RIGHTS = "42501"  # SQLSTATE
MARK = "PRAGMA user_version"  # a number that SQLite keeps for us: not 0 while deleted text may still be in the file
BUSY = "the feedback database can't be used at the moment; nothing was changed, try again later"
N_TRIES, PAUSE_S = 50, 0.1  # where another process is in the way
PRAGMAS = (
    f"busy_timeout={BUSY_TIMEOUT_S * 1000}",
    "foreign_keys=ON",
    "secure_delete=ON",  # what is withdrawn is overwritten with zeros
    "synchronous=FULL",  # a commit survives a power cut
    "temp_store=MEMORY",
)


class Database:
    """A feedback database, open and set up."""

    def __init__(self, where: str, *, create: bool = True):
        """
        Args:
            where: an SQLAlchemy URL ("postgresql+psycopg://...") or the path of an SQLite file.
            create: make the file, its folder and the tables if they don't exist.

        Raises:
            FeedbackError: nothing there and not to be created, out of reach, not a database, or of another version.
        """
        self.url = _url(where)
        # For messages, which visitors of the page may see: neither folders nor hosts.
        database = self.url.database or ""
        self.name = Path(database).name if self.is_sqlite else f"{self.url.drivername} database {database}".rstrip()
        if self.is_sqlite:
            _prepare_file(Path(database), create)
        with self._url_errors():
            self._engine = self._connected()
            try:
                self._open(create)
            except BaseException:
                self.close()
                raise

    @property
    def is_sqlite(self) -> bool:
        return self.url.get_backend_name() == "sqlite"

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A transaction that sees one state of the database."""
        with self._errors(), self._engine.connect() as connection:
            if self.url.get_backend_name() == "postgresql":  # where each statement would see its own
                connection.execution_options(isolation_level="REPEATABLE READ")
            with connection.begin():
                yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction that may write: all of it is stored, or nothing. It waits for those before it."""
        with self._begun() as connection:
            if not self.is_sqlite:
                connection.execute(TURN)
            yield connection

    @contextmanager
    def erasing(self) -> Iterator[Connection]:
        """A transaction that deletes for good: after it, an SQLite file is written anew from what is left.

        Overwriting alone (`secure_delete`) is not enough: SQLite moves rows between pages, and copies stay behind.
        """
        with self.writing() as connection:
            if self.is_sqlite:  # marks the file as unclean: if this process dies, whoever opens it next finishes the job
                connection.exec_driver_sql(f"PRAGMA user_version={1 + secrets.randbits(30)}")
            yield connection
        if self.is_sqlite:
            self._rewrite()

    def close(self) -> None:
        self._engine.dispose()

    @contextmanager
    def _begun(self) -> Iterator[Connection]:
        with self._errors(), self._engine.connect() as connection:
            connection.execution_options(writes=True)
            with connection.begin():
                yield connection

    def _connected(self) -> Engine:
        try:
            # One connection per thread at work; Gradio has 40.
            engine = create_engine(self.url, pool_size=10, max_overflow=40, pool_pre_ping=not self.is_sqlite)
        except NoSuchModuleError as error:
            raise FeedbackError(f"{self.name}: SQLAlchemy knows no such database ({error}); check the URL") from error
        except ImportError as error:  # of the driver, or of a library that it needs
            driver = self.url.get_driver_name()
            wanted = "psycopg[binary]" if driver == "psycopg" else error.name or driver
            raise FeedbackError(f"{self.name} needs the package {wanted}; run `pip install '{wanted}'`") from error
        if self.is_sqlite:
            event.listen(engine, "connect", _set_up)
            event.listen(engine, "begin", _begin)
        return engine

    def _open(self, create: bool) -> None:
        with self.reading() as connection:
            version = self._version(connection)
        if version == 0 and not create:
            raise FeedbackError(f"{self.name} holds no feedback; give the database that the page writes to")
        if self.is_sqlite:
            _retried(self._switch_to_log)
        if version != schema.VERSION:
            _retried(self._create)
        if self.is_sqlite and self._asked(MARK):
            self._rewrite()

    def _version(self, connection: Connection) -> int:
        """Of the tables; 0 without any. Raises FeedbackError if this MedAlign neither knows nor can complete it."""
        table = schema.schema_version
        version = (connection.scalar(select(table.c.version)) or 0) if inspect(connection).has_table(table.name) else 0
        if version not in (0, *schema.ADDED_TO, schema.VERSION):
            raise FeedbackError(
                f"{self.name} has version {version} of the feedback tables, this MedAlign knows {schema.VERSION}; "
                "use the MedAlign that wrote it, or give another database"
            )
        return version

    def _create(self) -> None:
        """All tables, or those that an older version lacks."""
        with self._begun() as connection:
            version, table = self._version(connection), schema.schema_version
            if version == schema.VERSION:
                return
            schema.METADATA.create_all(connection, checkfirst=version != 0)
            connection.execute((table.update() if version else table.insert()).values(version=schema.VERSION))

    def _switch_to_log(self) -> None:
        """Write-ahead log, once and for all; SQLite doesn't wait for others here. It can't be on a network drive."""
        if (mode := self._asked("PRAGMA journal_mode=WAL")) != "wal":
            raise FeedbackError(f"{self.name} can't have a write-ahead log where it lies (now: {mode}); put it on a local disk")

    def _rewrite(self) -> None:
        """What was deleted is gone already for everybody who asks, so failing here is for the operator to know."""
        try:
            mark = self._asked(MARK)
            self._asked("VACUUM")
            _retried(self._empty_log)
            with self.writing() as connection:
                if connection.exec_driver_sql(MARK).scalar() == mark:  # and nothing was deleted in the meantime
                    connection.exec_driver_sql("PRAGMA user_version=0")
        except FeedbackError as error:
            log.warning("traces of deleted feedback may still be in the file; they go when it is next opened (%s)", error)

    def _empty_log(self) -> None:
        if self._asked("PRAGMA wal_checkpoint(TRUNCATE)"):  # others are reading
            raise FeedbackError(f"{self.name} is in use")

    def _asked(self, statement: str) -> object:
        """The first value that SQLite answers to a statement outside of any transaction; None if it answers nothing."""
        with self._errors(), closing(self._engine.raw_connection()) as connection, closing(connection.cursor()) as cursor:
            try:
                row = cursor.execute(statement).fetchone()
            except sqlite3.Error as error:
                raise OperationalError(statement, None, error) from error
            return row and row[0]

    @contextmanager
    def _url_errors(self) -> Iterator[None]:
        """Parts of a URL are checked by the driver, which has many ways to say so; each becomes one sentence."""
        try:
            yield
        except (ArgumentError, ProgrammingError, TypeError, ValueError) as error:
            reason = first_line(getattr(error, "orig", None) or error)
            raise FeedbackError(f"{self.name} can't be opened ({reason}); check its URL and the rights of its user") from error

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """What the database says, as one sentence, where the user can do something about it."""
        try:
            yield
        except PoolTimeoutError as error:
            raise FeedbackError(f"{self.name} is too busy at the moment; try again") from error
        except DatabaseError as error:
            if isinstance(error, IntegrityError | ProgrammingError) and getattr(error.orig, "sqlstate", None) != NO_RIGHTS:
                raise  # a fault of ours
            reason = first_line(error.orig or error)
            failure = FeedbackError(f"{self.name} can't be used ({reason}); check that it is a database and can be written")
            if not self.is_sqlite:  # drivers name host, address and user
                failure.for_readers = BUSY
            raise failure from error


def _url(where: str) -> URL:
    if "\0" in where:
        raise FeedbackError("the database's URL or path has a NUL byte in it; give one without")
    try:
        url = make_url(where) if "://" in where else URL.create("sqlite", database=where)
    except (ArgumentError, ValueError) as error:  # ValueError: of the port
        raise FeedbackError(
            f"'{where.split('://')[0]}://...' is no database URL; check its port, or give the path of a file"
        ) from error
    if url.get_backend_name() == "sqlite" and (not url.database or url.database.startswith((":memory:", "file:"))):
        raise FeedbackError("feedback in memory would be lost, and each thread would have its own; give the path of a file")
    return url


def _prepare_file(path: Path, create: bool) -> None:
    try:
        if path.is_file():
            return
        if not create:
            raise FeedbackError(f"feedback database {path} not found; give with --store the database that the page writes to")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)  # comments are for the operator; SQLite gives its log the same mode
    except OSError as error:
        raise FeedbackError(f"feedback database {path} can't be opened ({error.strerror}); choose another place") from error


def _retried(attempt: Callable[[], None]) -> None:
    """Until it succeeds: another process may be at the same at the same moment. Raises the last attempt's error."""
    for _ in range(N_TRIES - 1):
        with suppress(FeedbackError, IntegrityError, ProgrammingError):
            return attempt()
        time.sleep(PAUSE_S)
    return attempt()


def _set_up(connection: sqlite3.Connection, _record: object) -> None:
    """Each new SQLite connection. Python's driver begins no transaction by itself: `_begin` does."""
    connection.isolation_level = None
    for pragma in PRAGMAS:
        connection.execute(f"PRAGMA {pragma}")


def _begin(connection: Connection) -> None:
    """A writer takes its turn at the start. Whoever reads first and writes later can be refused without any waiting."""
    connection.exec_driver_sql("BEGIN IMMEDIATE" if connection.get_execution_options().get("writes") else "BEGIN")
