"""The EPICS side: channels, their values and who listens. It knows no browser."""
