"""For instructors: the release of the course to students, and the grading of what they hand in.

This folder is not part of what is released.
"""
