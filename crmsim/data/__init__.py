"""The firm's records: reading a user's own files and keeping them as tables."""
