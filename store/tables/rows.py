"""Rows written once and not touched again in their transaction, without the ORM's account of what changed.

A mail writes a dozen such rows; through the ORM they took longer than gpg.
"""

from __future__ import annotations

from functools import cache

from sqlalchemy import Insert, insert
from sqlmodel import Session, SQLModel


def add(session: Session, table: type[SQLModel], **values: object) -> None:
    """Write a row; columns that are not given have their defaults. What the session was to write comes first."""
    session.flush()
    session.connection().execute(_insert(table), values)


@cache
def _insert(table: type[SQLModel]) -> Insert:
    return insert(table)
