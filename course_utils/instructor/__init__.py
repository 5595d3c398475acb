"""What only instructors get: release, site, sandbox, grading and reports.

Neither the students' edition nor the kernels of submissions hold this folder. They hold all else.
"""
