"""How to reach a device. Pure Python: no Django, no database."""
