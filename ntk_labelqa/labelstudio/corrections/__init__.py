"""Accepted corrections: planned, written as annotations of their own, undone, exported."""
