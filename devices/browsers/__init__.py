"""Visitors of an App's web site subscribe by themselves: the key and code for its pages, and the door for browsers."""
