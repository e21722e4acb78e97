"""Local PVs (loc://), whose values are written by clients, and simulated PVs (sim://)."""
