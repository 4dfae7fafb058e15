"""Apps, their credentials and keys, the devices that registered, and saved rules that pick some of them."""

from __future__ import annotations

import uuid
from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from devices.common.secrets import EncryptedJSONField
from devices.push.services import all_services, find


def service_choices() -> list[tuple[str, str]]:
    """Return (slug, label) of every push service, for forms; a function so that a new service needs no migration."""
    return [(service.slug, service.label) for service in all_services()]


class App(models.Model):
    """A product whose installations register with us. It owns credentials, keys, devices, segments and campaigns."""

    name = models.CharField(max_length=100, unique=True)
    slug = models.SlugField(max_length=60, unique=True)
    time_zone = models.CharField(
        max_length=64, default="UTC", help_text="The zone that times are shown and entered in."
    )
    ask_again_above = models.PositiveIntegerField(
        _("ask again above"),
        default=10_000,
        help_text=_("Sending to more devices than this asks for a fresh proof of who sends."),
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering: ClassVar[list[str]] = ["name"]

    def __str__(self) -> str:
        return self.name


class Credential(models.Model):
    """What an App shows one push service. The secret is encrypted at rest and never shown again."""

    app = models.ForeignKey(App, on_delete=models.CASCADE, related_name="credentials")
    service = models.CharField(max_length=20)
    secret = EncryptedJSONField()
    subject = models.CharField(max_length=300, blank=True, help_text="Whom the certificate names.")
    fingerprint = models.CharField(max_length=100, blank=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    updated_at = models.DateTimeField(auto_now=True)
    updated_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")

    class Meta:
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["app", "service"], name="credential_once"),
        ]

    def __str__(self) -> str:
        return f"{self.app}: {find(self.service).label}"


class BearerToken(models.Model):
    """A token that a push service gave for a credential (devices/bearer.py). One row for all that it is good for."""

    mark = models.CharField(max_length=64, unique=True, editable=False)
    value = EncryptedJSONField(null=True)
    digest = models.CharField(max_length=64, blank=True, editable=False)
    renew_at = models.DateTimeField(null=True, help_text="From then on the next one is asked for.")
    ends_at = models.DateTimeField(null=True)
    settled_at = models.DateTimeField(null=True, help_text="Before that the service takes no other one.")
    asking_until = models.DateTimeField(null=True, help_text="Somebody asks for the next one, until then.")

    def __str__(self) -> str:
        return self.mark[:8]


class ApiKey(models.Model):
    """A key that a program shows us. Only its hash is stored; ``hint`` is enough to recognise it."""

    class Scope(models.TextChoices):
        """What the key opens, and nothing else."""

        REGISTER = "register", _("register devices")
        SEND = "send", _("send campaigns")

    app = models.ForeignKey(App, on_delete=models.CASCADE, related_name="keys")
    scope = models.CharField(max_length=10, choices=Scope, default=Scope.REGISTER)
    name = models.CharField(max_length=100)
    digest = models.CharField(max_length=64, unique=True, editable=False)
    hint = models.CharField(max_length=12, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    last_used_at = models.DateTimeField(null=True, editable=False)
    revoked_at = models.DateTimeField(null=True, editable=False)

    def __str__(self) -> str:
        return f"{self.name} ({self.hint}…)"


class Site(models.Model):
    """Where an App's visitors subscribe their browsers: pages of ``origins`` show the publishable ``key``.

    The key is no secret: it stands in the pages' source. It registers browsers of this App from these origins, and
    opens nothing else.
    """

    app = models.OneToOneField(App, on_delete=models.CASCADE, related_name="site")
    key = models.CharField(max_length=60, unique=True, editable=False)
    updated_at = models.DateTimeField(auto_now=True)

    def __str__(self) -> str:
        return f"{self.app}: {self.key}"


class SiteOrigin(models.Model):
    """An origin (RFC 6454: scheme, host, port if unusual) whose pages may show a site's key."""

    site = models.ForeignKey(Site, on_delete=models.CASCADE, related_name="origins", db_index=False)
    origin = models.CharField(max_length=300, db_index=True)

    class Meta:
        ordering: ClassVar[list[str]] = ["origin"]
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["site", "origin"], name="site_origin_once"),
        ]

    def __str__(self) -> str:
        return self.origin


class Tag(models.Model):
    """A word an app gives its devices."""

    app = models.ForeignKey(App, on_delete=models.CASCADE, related_name="tags")
    name = models.CharField(max_length=60)

    class Meta:
        ordering: ClassVar[list[str]] = ["name"]
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["app", "name"], name="tag_once"),
        ]

    def __str__(self) -> str:
        return self.name


class Device(models.Model):
    """One installation that can be reached at one push service."""

    class Status(models.TextChoices):
        """Whether the address is still used."""

        ACTIVE = "active", _("active")
        RETIRED = "retired", _("retired")

    # Without an index of its own: two below begin with it.
    app = models.ForeignKey(App, on_delete=models.CASCADE, related_name="devices", db_index=False)
    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    secret_digest = models.CharField(max_length=64, editable=False)
    service = models.CharField(max_length=20)
    address = models.TextField()
    address_digest = models.CharField(max_length=64, editable=False)
    installation = models.CharField(max_length=200, blank=True)
    keys = EncryptedJSONField(null=True)
    language = models.CharField(max_length=35, blank=True)
    time_zone = models.CharField(max_length=64, blank=True)
    os_version = models.CharField(max_length=40, blank=True)
    os_rank = models.BigIntegerField(null=True, editable=False, help_text="os_version as one sortable number.")
    app_version = models.CharField(max_length=40, blank=True)
    app_rank = models.BigIntegerField(null=True, editable=False, help_text="app_version as one sortable number.")
    model = models.CharField(max_length=100, blank=True)
    attributes = models.JSONField(default=dict, blank=True)
    tags = models.ManyToManyField(Tag, blank=True, related_name="devices")
    test = models.BooleanField(default=False, help_text="Offered for test sends.")

    status = models.CharField(max_length=10, choices=Status, default=Status.ACTIVE)
    retired_reason = models.CharField(max_length=300, blank=True)
    retired_at = models.DateTimeField(null=True)
    # The campaign whose answer showed it. Not a foreign key: devices do not know campaigns.
    retired_by = models.BigIntegerField(null=True)
    hold_until = models.DateTimeField(null=True)
    registered_at = models.DateTimeField(default=timezone.now)
    seen_at = models.DateTimeField()

    class Meta:
        permissions = [("export_device", "Can export devices")]
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["app", "address_digest"], name="device_address_once"),
        ]
        indexes: ClassVar[list[models.Index]] = [
            # Prepare walks the active devices of an App by primary key; reach is counted by service.
            models.Index(fields=["app", "status", "id"], name="device_walk"),
            # Counting an audience of everybody reads this alone: a hundredth of the table.
            models.Index(fields=["app", "status", "service", "os_rank", "hold_until"], name="device_reach"),
            models.Index(fields=["service", "retired_reason"], name="device_retired", condition=Q(status="retired")),
            # The list of devices, whatever the App: what few of them have, and how their names begin. Whatever language
            # the database sorts by, only this class of operators finds a beginning.
            models.Index(fields=["id"], name="device_test", condition=Q(test=True)),
            models.Index(
                fields=["language", "app"], name="device_language", opclasses=["varchar_pattern_ops", "int8_ops"]
            ),
            models.Index(
                fields=["installation", "app"], name="device_name", opclasses=["varchar_pattern_ops", "int8_ops"]
            ),
        ]

    def __str__(self) -> str:
        return self.installation or str(self.public_id)

    @property
    def heard(self) -> Contact:
        """What the push service said of the present address; blank when it said nothing yet."""
        contact: Contact | None = getattr(self, "contact", None)
        return contact if contact and contact.mark == mark(self.address_digest) else Contact(device=self)


def mark(address_digest: str) -> str:
    """Return by what a Contact tells of which address it is: enough of the digest to know it again."""
    return address_digest[:16]


class Contact(models.Model):
    """What the answers to pushes showed of a device: written for every push, and so in a narrow table of its own.

    In the device's row the same update costs the database 24 µs, for it moves the row and writes all its indexes anew;
    here 7 to 9. An answer concerns the address that was pushed to: ``mark`` tells which one, and a contact with another
    one than the device's counts for nothing.
    """

    device = models.OneToOneField(
        Device, on_delete=models.CASCADE, primary_key=True, related_name="contact", db_constraint=False
    )
    mark = models.CharField(max_length=16)
    accepted_at = models.DateTimeField(null=True)  # the last time the service took a push, exact to an hour
    connection = models.CharField(max_length=40, blank=True)  # the service's last word on it
    connection_at = models.DateTimeField(null=True)

    class Meta:
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["connection", "device"], name="contact_connection"),
        ]

    def __str__(self) -> str:
        return f"{self.connection} ({self.device_id})"


class Segment(models.Model):
    """A saved rule that picks devices of one App. The shape of ``rule`` is told in devices/segments.py."""

    app = models.ForeignKey(App, on_delete=models.CASCADE, related_name="segments")
    name = models.CharField(max_length=100)
    rule = models.JSONField(default=dict)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering: ClassVar[list[str]] = ["name"]
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["app", "name"], name="segment_once"),
        ]

    def __str__(self) -> str:
        return self.name


class Tally(models.Model):
    """How often something happened in a window of time that is still open (devices/common/limits.py)."""

    key = models.CharField(max_length=64, primary_key=True)
    count = models.PositiveIntegerField()
    ends_at = models.FloatField(db_index=True, help_text="Seconds since 1970.")

    class Meta:
        verbose_name_plural = "tallies"

    def __str__(self) -> str:
        return f"{self.count} for {self.key[:8]}"


class KeyFingerprint(models.Model):
    """By what the keys of this installation are recognised (devices/keys.py)."""

    name = models.CharField(max_length=40, primary_key=True)
    fingerprint = models.CharField(max_length=16)

    def __str__(self) -> str:
        return f"{self.name} {self.fingerprint}"
