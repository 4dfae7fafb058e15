"""What only one service can do with a message gets a place of its own; a delivery keeps which content it got.

A toast's ``param`` becomes the page of Windows Phone, and goes there with sound, silence and delay: every draft and every
campaign reads as before. The way back puts them where they were.
"""

from django.db import migrations, models

SERVICE = "mpns"
MOVED = {"param": "page", "sound": "sound", "silent": "silent", "delay": "delay"}


def to_options(apps, schema_editor):
    rows = apps.get_model("campaigns", "Notification").objects.using(schema_editor.connection.alias)
    for row in rows.order_by("pk").iterator(chunk_size=1000):
        moved = {new: row.fields[old] for old, new in MOVED.items() if old in row.fields}
        if moved:
            row.fields = {name: value for name, value in row.fields.items() if name not in MOVED}
            row.options = {**row.options, SERVICE: moved}
            row.save(update_fields=["fields", "options"])


def to_fields(apps, schema_editor):
    rows = apps.get_model("campaigns", "Notification").objects.using(schema_editor.connection.alias)
    for row in rows.order_by("pk").iterator(chunk_size=1000):
        own = row.options.get(SERVICE, {})
        link = {"param": row.fields["link"]} if row.fields.get("link", "")[:1] in {"/", "?"} and row.fields.get("link") else {}
        fields = {name: value for name, value in row.fields.items() if name != "link"}
        row.fields = {**fields, **link, **{old: own[new] for old, new in MOVED.items() if new in own}}
        row.save(update_fields=["fields"])


class Migration(migrations.Migration):
    dependencies = [("campaigns", "0006_export_right")]

    operations = [
        migrations.RemoveConstraint(model_name="notification", name="notification_once"),
        migrations.AddField("notification", "variant", models.CharField(blank=True, default="", max_length=20), False),
        migrations.AddField("notification", "options", models.JSONField(default=dict)),
        migrations.AddConstraint(
            model_name="notification",
            constraint=models.UniqueConstraint(fields=("campaign", "variant", "language"), name="notification_once"),
        ),
        migrations.RunPython(to_options, to_fields),
        migrations.AddField(
            "delivery", "variant", models.CharField(blank=True, db_default="", default="", max_length=20)
        ),
        migrations.AddField(
            "delivery", "language", models.CharField(blank=True, db_default="", default="", max_length=35)
        ),
        migrations.RenameField("breaker", "service", "circuit"),
        migrations.AlterField("breaker", "circuit", models.CharField(max_length=120, primary_key=True, serialize=False)),
    ]
