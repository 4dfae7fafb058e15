"""Indexes for lists and counts with a million devices, and fewer of them for every change of a device to write.

Language and installation have one index each, for any App and for their beginnings, and the App none of its own.
"""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("devices", "0005_ask_again_above")]

    operations = [
        migrations.RemoveIndex(model_name="device", name="device_language"),
        migrations.RemoveIndex(model_name="device", name="device_installation"),
        migrations.RemoveIndex(model_name="device", name="device_os"),
        migrations.AlterField(
            model_name="device",
            name="app",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="devices",
                to="devices.app",
            ),
        ),
        migrations.AddIndex(
            model_name="device",
            index=models.Index(fields=["app", "status", "service", "os_rank", "hold_until"], name="device_reach"),
        ),
        migrations.AddIndex(
            model_name="device",
            index=models.Index(
                condition=models.Q(("status", "retired")), fields=["service", "retired_reason"], name="device_retired"
            ),
        ),
        migrations.AddIndex(
            model_name="device",
            index=models.Index(condition=models.Q(("test", True)), fields=["id"], name="device_test"),
        ),
        migrations.AddIndex(
            model_name="device",
            index=models.Index(
                fields=["language", "app"], name="device_language", opclasses=["varchar_pattern_ops", "int8_ops"]
            ),
        ),
        migrations.AddIndex(
            model_name="device",
            index=models.Index(
                fields=["installation", "app"], name="device_name", opclasses=["varchar_pattern_ops", "int8_ops"]
            ),
        ),
    ]
