"""Whose each file is: rosters, learning platforms, patterns, folders and file names."""
