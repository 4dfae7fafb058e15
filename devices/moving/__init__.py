"""Devices that another program or service kept, from its own files: what is read of each, and how it is recognised."""
