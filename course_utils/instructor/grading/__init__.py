"""The grading of what students hand in: from files to points."""
