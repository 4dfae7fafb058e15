"""What is done beside the sending: reconciling, pruning, restored backups, the demo."""
