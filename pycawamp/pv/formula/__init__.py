"""eq:// PVs: formulas in the syntax of Phoebus, computed from other PVs."""
