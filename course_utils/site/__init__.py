"""The course as a static site that needs no network: for instructors only, as ``grading`` is."""
