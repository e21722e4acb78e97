"""The Channel Access backend."""
