"""Tests of the epics2web dialect."""
