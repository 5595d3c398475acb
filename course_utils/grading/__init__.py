"""Notebooks as tests, and (later) the grading of submissions."""
