"""A graded class in the form that learning platforms and other graders import."""
