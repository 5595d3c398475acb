"""Notebooks as tests: the pytest plugin, and kernels that notice when they die."""
