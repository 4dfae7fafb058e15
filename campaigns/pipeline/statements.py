"""The sender's own statements, as text: saying one through the ORM takes longer than the database needs to do it.

On PostgreSQL they are bound and prepared by the server; SQLite gets the same text through Django.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import psycopg
from django.db import connection, models
from django.db.models import QuerySet

from campaigns.pipeline.values import DeviceRow
from devices.common.secrets import EncryptedJSONField
from devices.models import Device

Rows = list[tuple[Any, ...]]
OWN = DeviceRow._fields[: DeviceRow._fields.index("mark")]
HEARD = DeviceRow._fields[len(OWN) :]
READ_DEVICES = f"""
    SELECT {", ".join(OWN)}, {", ".join(HEARD)} FROM devices_device LEFT JOIN devices_contact ON device_id = id
    WHERE id = ANY(%s::bigint[])
"""  # noqa: S608 (our own names)
NOTHING: Mapping[str, int] = {}
KEYS = Device._meta.get_field("keys")


def execute(statement: str, parameters: Sequence[Any]) -> tuple[int, Rows]:
    """Run a statement; return how many rows it touched and those it gave. Raises what Django raises."""
    if connection.vendor != "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(statement, parameters)
            return cursor.rowcount, cursor.fetchall() if cursor.description else []
    connection.ensure_connection()
    connection.validate_no_broken_transaction()
    # Not Django's own cursor: that one writes the values into the text, and the server reads it anew each time.
    with connection.wrap_database_errors, psycopg.Cursor(connection.connection) as prepared:
        prepared.execute(statement.encode(), parameters, prepare=True, binary=True)
        return prepared.rowcount, prepared.fetchall() if prepared.description else []


class Condition(NamedTuple):
    """A condition as text with one placeholder, and its value."""

    text: str
    value: Any


def any_of(column: str, values: list[Any], kind: str = "bigint") -> Condition:
    """Return the condition that a column has one of ``values``: one placeholder, however many they are."""
    if connection.vendor == "postgresql":
        return Condition(f"{column} = ANY(%s::{kind}[])", values)
    return Condition(f"{column} IN (SELECT value FROM json_each(%s))", json.dumps(values))  # noqa: S608 (our own name)


def rows_of(query: QuerySet[Any, Any]) -> Rows:
    """Return what a query of plain columns gives, as the database gives it: for many rows of numbers and words."""
    with connection.cursor() as cursor:
        cursor.execute(*query.query.sql_with_params())
        return list(cursor.fetchall())


def update(
    model: type[models.Model],
    where: Mapping[str, Any],
    changes: Mapping[str, Any],
    more: Mapping[str, int] | None = None,
) -> int:
    """Set ``changes`` and add ``more`` where all of ``where`` is equal; return how many rows that were.

    Names are those of columns.
    """
    more = more or {}
    statement = _update(model, tuple(changes), tuple(more), tuple(where))
    values = [*adapted(model, changes), *more.values(), *adapted(model, where)]
    return execute(statement, values)[0]


def adapted(model: type[models.Model], values: Mapping[str, Any]) -> Iterable[Any]:
    """Return values as the database takes them for the columns they are named by."""
    fields = _fields(model)
    return [fields[name].get_db_prep_save(value, connection) for name, value in values.items()]


@lru_cache
def _fields(model: type[models.Model]) -> dict[str, Any]:
    return {field.column: field for field in model._meta.concrete_fields}


@lru_cache(maxsize=256)
def _update(model: type[models.Model], changes: tuple[str, ...], more: tuple[str, ...], where: tuple[str, ...]) -> str:
    assignments = [*[f"{name} = %s" for name in changes], *[f"{name} = {name} + %s" for name in more]]
    conditions = " AND ".join([f"{name} = %s" for name in where])
    return f"UPDATE {model._meta.db_table} SET {', '.join(assignments)} WHERE {conditions}"  # noqa: S608 (our own names)


def read_devices(ids: list[int]) -> dict[int, DeviceRow]:
    """Return the devices that there are, by their ids."""
    if connection.vendor != "postgresql":
        found = Device.objects.filter(pk__in=ids).values_list(*OWN, *(f"contact__{name}" for name in HEARD))
        return {row.id: row for row in map(DeviceRow._make, found)}
    _, rows = execute(READ_DEVICES, [ids])
    devices = {row.id: row for row in map(DeviceRow._make, rows)}
    for device in devices.values():
        if device.keys is not None:
            devices[device.id] = device._replace(keys=_decrypted(device.keys))
    return devices


def _decrypted(keys: str) -> Any:
    assert isinstance(KEYS, EncryptedJSONField)  # noqa: S101  # for the types
    return KEYS.from_db_value(keys, None, connection)
