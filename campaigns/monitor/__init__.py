"""Watching a campaign: its numbers, its history, its pages."""
