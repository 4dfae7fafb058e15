"""``python -m devices.emulator``: the emulator without Django."""

from __future__ import annotations

import argparse

from devices.emulator import options, server


def main() -> None:
    """Read the flags and serve."""
    parser = argparse.ArgumentParser(prog="python -m devices.emulator", description=__doc__)
    options.add_arguments(parser)
    try:
        chosen = options.read(parser.parse_args())
    except ValueError as error:
        parser.error(str(error))
    server.run(chosen)


if __name__ == "__main__":
    main()
