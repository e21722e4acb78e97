"""EPICS process variables for web browsers."""
