"""Tests of the gateway's own PVs."""
