"""From an older database to the present one, one version at a time, each within the transaction that found it old.

A migration creates tables from `schema`. Whoever changes a table there writes the old definition into the migrations that
used it, so that each goes on doing what it did; `tests/test_feedback.py` upgrades a database written out in SQL and compares
it with a new one.
"""

from collections.abc import Callable

from sqlalchemy import Connection, inspect, select

from medalign.core.errors import FeedbackError
from medalign.feedback import schema


def _first(connection: Connection) -> None:
    """1: results as shown, ratings, comparisons and votes."""
    tables = (
        schema.results,
        schema.shown,
        schema.submissions,
        schema.ratings,
        schema.recording_ratings,
        schema.comparisons,
        schema.votes,
    )
    schema.METADATA.create_all(connection, tables, checkfirst=False)


def _audit_log(connection: Connection) -> None:
    """2: the audit log."""
    schema.events.create(connection)


MIGRATIONS: tuple[Callable[[Connection], None], ...] = (_first, _audit_log)
VERSION = len(MIGRATIONS)


def version_of(connection: Connection) -> int:
    """0 for a database without feedback."""
    if not inspect(connection).has_table(schema.schema_version.name):
        return 0
    return connection.scalar(select(schema.schema_version.c.version)) or 0


def migrate(connection: Connection, where: str) -> None:
    """Bring the database to `VERSION`; `where` names it in messages.

    Raises:
        FeedbackError: it was written by a newer MedAlign.
    """
    version = version_of(connection)
    if version > VERSION:
        raise FeedbackError(
            f"{where} has version {version} of the feedback tables, this MedAlign knows {VERSION}; install a newer one"
        )
    if version == 0:
        schema.schema_version.create(connection, checkfirst=True)
        connection.execute(schema.schema_version.insert().values(version=0))
    for number, step in enumerate(MIGRATIONS[version:], start=version + 1):
        step(connection)
        connection.execute(schema.schema_version.update().values(version=number))
