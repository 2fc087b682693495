"""A real Label Studio on this machine, for the demonstration and the live tests."""
