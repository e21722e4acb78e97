"""Channel Access."""
