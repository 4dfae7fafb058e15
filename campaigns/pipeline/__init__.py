"""The way of a push: from a frozen audience to a recorded answer."""
