"""The bus: formats, ownership, faults."""
