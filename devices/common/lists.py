"""What every list of the dashboard can be asked for: what its own filters offer, and nothing else."""

from __future__ import annotations

import re
from typing import Any

from django.contrib import admin
from django.db import models
from django.http import HttpRequest

NAMELESS = re.compile(r" object \(\w+\)$")


def named(rows: list[Any]) -> list[Any]:
    """Return the nested list of what is deleted without rows called "User_groups object (1)"."""
    kept = [named(row) if isinstance(row, list) else row for row in rows]
    return [row for row in kept if row and not (isinstance(row, str) and NAMELESS.search(row))]


class ListedAdmin(admin.ModelAdmin):
    """A ModelAdmin whose list takes only the lookups of its filters.

    Django's own takes any lookup on the model's fields from the query string, a regular expression among them: one such
    GET holds a process for ever (on SQLite it runs in Python, with the interpreter's lock).
    """

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest | None = None) -> bool:
        """Return whether a filter of this list asks for it. What is refused is answered with 400."""
        return lookup in self.offered_lookups()

    def get_deleted_objects(
        self, objs: Any, request: HttpRequest
    ) -> tuple[list[Any], dict[Any, int], set[Any], list[Any]]:
        """Tell what goes with it by name; rows that only join two others have none, and are in the numbers."""
        going, numbers, forbidden, in_the_way = super().get_deleted_objects(objs, request)
        return named(going), numbers, forbidden, in_the_way

    def offered_lookups(self) -> frozenset[str]:
        """Return the parameters that the filters of this list produce."""
        offered: set[str] = set()
        for chosen in self.list_filter:
            if isinstance(chosen, str):
                field: Any = self.model._meta.get_field(chosen)
                related = isinstance(field, models.ForeignKey)
                offered.add(f"{chosen}__{field.target_field.name}__exact" if related else f"{chosen}__exact")
            else:
                offered.add(getattr(chosen, "parameter_name", ""))
        return frozenset(offered)
