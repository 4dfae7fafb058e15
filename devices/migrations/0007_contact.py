"""What pushes show of a device moves into a narrow table of its own; nothing that was known is lost, either way."""

import django.db.models.deletion
from django.db import migrations, models

THERE = """
    INSERT INTO devices_contact (device_id, mark, accepted_at, connection, connection_at)
    SELECT id, substr(address_digest, 1, 16), accepted_at, connection, connection_at
    FROM devices_device WHERE accepted_at IS NOT NULL OR connection <> ''
"""
BACK = """
    UPDATE devices_device SET
        accepted_at = (SELECT accepted_at FROM devices_contact WHERE {theirs}),
        connection = (SELECT connection FROM devices_contact WHERE {theirs}),
        connection_at = (SELECT connection_at FROM devices_contact WHERE {theirs})
    WHERE EXISTS (SELECT 1 FROM devices_contact WHERE {theirs})
""".format(theirs="device_id = devices_device.id AND mark = substr(devices_device.address_digest, 1, 16)")


class Migration(migrations.Migration):
    dependencies = [("devices", "0006_lists_of_a_million")]

    operations = [
        migrations.CreateModel(
            name="Contact",
            fields=[
                (
                    "device",
                    models.OneToOneField(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="contact",
                        serialize=False,
                        to="devices.device",
                    ),
                ),
                ("mark", models.CharField(max_length=16)),
                ("accepted_at", models.DateTimeField(null=True)),
                ("connection", models.CharField(blank=True, max_length=40)),
                ("connection_at", models.DateTimeField(null=True)),
            ],
            options={
                "indexes": [models.Index(fields=["connection", "device"], name="contact_connection")],
            },
        ),
        migrations.RunSQL(THERE, BACK),
        migrations.RemoveField("device", "accepted_at"),
        migrations.RemoveField("device", "connection"),
        migrations.RemoveField("device", "connection_at"),
    ]
