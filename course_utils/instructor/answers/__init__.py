"""What a notebook that was handed in is made of, and what of it is run and graded."""
