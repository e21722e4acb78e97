"""eq:// PVs: formulas as Phoebus has them, computed from other PVs."""
