"""Messages and their encoding: pure functions and frozen values, no I/O."""
