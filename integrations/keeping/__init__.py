"""Keeping the data: backups, restoring them, and sealing the secrets with a new key."""
