"""The files that tasks name: fetched, checked, kept, and cut into regions."""
