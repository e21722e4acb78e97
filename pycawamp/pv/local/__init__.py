"""PVs of the gateway itself: loc:// holds what clients write, sim:// moves by itself."""
