"""What every list of the dashboard can be asked for: what its own filters offer, and nothing else."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db import models
from django.http import HttpRequest


class ListedAdmin(admin.ModelAdmin):
    """A ModelAdmin whose list takes only the lookups of its filters.

    Django's own takes any lookup on the model's fields from the query string, a regular expression among them: one such
    GET holds a process for ever (on SQLite it runs in Python, with the interpreter's lock).
    """

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest | None = None) -> bool:
        """Return whether a filter of this list asks for it. What is refused is answered with 400."""
        return lookup in self.offered_lookups()

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
