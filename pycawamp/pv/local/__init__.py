"""Local PVs (loc://), which hold what clients write, and simulated PVs (sim://)."""
