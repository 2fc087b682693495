"""Odd inputs at random, and what comes of them: a value, or an error in words.

``python -m tests.fuzz`` runs them; :mod:`tests.fuzz.runs` says what counts as a finding.
"""
