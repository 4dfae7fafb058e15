"""The other side: push services on this machine, for the demo, for development and for the tests.

The emulator is written from what the vendors documented and never imports ``devices.push``, so that a wrong constant
cannot be wrong on both sides. It needs no Django: ``python -m devices.emulator --port 8100`` starts it alone.
"""
