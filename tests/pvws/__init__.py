"""Tests of the PVWS dialect."""
