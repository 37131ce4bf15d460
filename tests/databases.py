"""What feedback is tested on: SQLite files, and a PostgreSQL server that the tests start. A missing one fails, too."""

import contextlib
import os
import random
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
from sqlalchemy import Engine, NullPool, create_engine, inspect

START_S = 60
N_PORTS = 20  # tried, where others listen already
# Quick to start and to write; what the machine would lose without power is not tested.
SETTINGS = ("fsync=off", "full_page_writes=off", "wal_level=minimal", "max_wal_senders=0", "shared_buffers=16MB", "jit=off")


@dataclass(frozen=True)
class OwnDatabase:
    """An empty database for one test."""

    url: str  # as `FeedbackStore` takes it
    path: Path | None = None  # of an SQLite file
    server: "PostgreSQL | None" = None

    @property
    def engine(self) -> Engine:
        return create_engine(self.url if self.path is None else f"sqlite:///{self.path}", poolclass=NullPool)

    def sql(self, *statements: str) -> list[tuple]:
        """What the database answers to the last of them, past the store."""
        with self.engine.begin() as connection:
            *_, answer = (connection.exec_driver_sql(statement) for statement in statements)
            return [tuple(row) for row in answer] if answer.returns_rows else []

    def layout(self) -> dict[str, tuple]:
        database = inspect(self.engine)
        columns, indexes = database.get_multi_columns(), database.get_multi_indexes()
        return {
            key[1]: (
                [(c["name"], str(c["type"]), c["nullable"]) for c in columns[key]],
                sorted(index["name"] for index in indexes[key]),
            )
            for key in columns
        }

    def traces(self, text: str) -> int:
        """How often it stands in SQLite's files, or in PostgreSQL's rows and log."""
        if self.server is None:
            return sum(file.read_bytes().count(text.encode()) for file in self.path.parent.iterdir())
        tables = inspect(self.engine).get_table_names()
        rows = self.sql(" UNION ALL ".join(f"SELECT t::text FROM {table} t" for table in tables))
        return sum(part.count(text) for part in (*(row for (row,) in rows), self.server.log.read_text("utf-8")))

    def is_sound(self) -> bool:
        """Whether tables and indexes are whole and fit each other."""
        if self.server is None:
            return self.sql("PRAGMA integrity_check") == [("ok",)]
        ours = "FROM pg_class WHERE relnamespace = current_schema()::regnamespace AND relkind"
        self.sql(f"SELECT public.bt_index_check(oid::regclass, true) {ours} = 'i'")  # raises
        damaged = self.sql(f"SELECT damage.* FROM (SELECT oid {ours} = 'r') t, public.verify_heapam(t.oid::regclass) damage")
        return damaged == []


class PostgreSQL:
    """Debian's server on a free port of this machine, its data in a folder that goes with it."""

    def __init__(self) -> None:
        found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: float(path.parts[-3]))
        assert found, "no PostgreSQL; install the Debian package 'postgresql' to test feedback on it"
        self.programs = found[-1].parent
        self.password, self._n_databases = secrets.token_hex(8), 0
        # The server refuses to run as root.
        self.user = ("setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups") if os.geteuid() == 0 else ()

    def __enter__(self) -> "PostgreSQL":
        self.folder = Path(tempfile.mkdtemp(prefix="medalign-postgresql-"))
        self.log = self.folder / "log"
        try:
            self._make()
            self.start(range(N_PORTS))
            self._execute("CREATE EXTENSION amcheck")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(AttributeError):
            self.stop("immediate")  # nothing is to be kept
        shutil.rmtree(self.folder)

    def _make(self) -> None:
        password = self.folder / "password"
        password.write_text(self.password)
        if self.user:
            for path in (self.folder, password):
                shutil.chown(path, "postgres", "postgres")
        words = ("--username=medalign", f"--pwfile={password}", "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C.UTF-8")
        self.run("initdb", *words, "--no-sync", "--no-instructions", "--wal-segsize=1", self.folder / "data")

    def run(self, program: str, *arguments: object) -> None:
        """One of its programs (or of the system's), as its user."""
        path = self.programs / program
        command = [*self.user, path if path.exists() else program, *arguments]
        done = subprocess.run(list(map(str, command)), cwd=self.folder, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr

    def start(self, attempts: range = range(1)) -> None:
        """Returns once it answers; at the first start, on a port where nobody listens."""
        for _ in attempts:
            if len(attempts) > 1:
                self.port = random.randint(20_000, 32_000)  # below those that the system gives away
            where = (f"port={self.port}", "listen_addresses=127.0.0.1", f"unix_socket_directories={self.folder}")
            options = [part for setting in (*SETTINGS, *where) for part in ("-c", setting)]
            # If the tests are killed, the server stops.
            command = [*(self.user or ("setpriv",)), "--pdeathsig=INT", self.programs / "postgres", "-D", self.folder / "data"]
            with self.log.open("a") as log:
                self.process = subprocess.Popen([*map(str, command), *options], cwd=self.folder, stdout=log, stderr=log)
            if self._answers():
                return
        raise AssertionError(self.log.read_text("utf-8"))

    def _answers(self) -> bool:
        deadline = time.monotonic() + START_S
        while self.process.poll() is None and time.monotonic() < deadline:
            with contextlib.suppress(psycopg.OperationalError):
                self._execute("SELECT 1")
                return self.process.poll() is None
            time.sleep(0.02)
        return False

    def stop(self, how: str = "fast") -> None:
        """`fast` ends all connections, `immediate` is a crash: the next start has to recover."""
        self.process.send_signal({"fast": signal.SIGINT, "immediate": signal.SIGQUIT}[how])
        self.process.wait(START_S)

    @contextlib.contextmanager
    def stopped(self, how: str = "fast") -> Iterator[None]:
        self.stop(how)
        try:
            yield
        finally:
            self.start()

    def url(self, schema: str, *, user: str = "medalign", password: str | None = None) -> str:
        where = f"{user}:{password or self.password}@127.0.0.1:{self.port}"
        return f"postgresql+psycopg://{where}/postgres?options=-csearch_path%3D{schema}"

    def new_database(self) -> OwnDatabase:
        """An empty schema, which costs a hundredth of a database."""
        self._n_databases += 1
        schema = f"test_{self._n_databases}"
        self._execute(f"CREATE SCHEMA {schema}")
        return OwnDatabase(self.url(schema), server=self)

    def _execute(self, statement: str) -> None:
        where = {"host": "127.0.0.1", "port": self.port, "user": "medalign", "password": self.password, "dbname": "postgres"}
        with psycopg.connect(**where, autocommit=True) as connection:
            connection.execute(statement)
