"""The messages on the wire: pure functions and frozen values, no I/O."""
