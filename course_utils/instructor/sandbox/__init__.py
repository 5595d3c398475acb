"""Kernels for untrusted code, behind a fence, and what they see of the course."""
