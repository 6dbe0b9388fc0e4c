"""What a stack's applications are in Git."""
