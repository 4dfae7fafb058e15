"""What both apps need and neither owns. Imports nothing of theirs."""
