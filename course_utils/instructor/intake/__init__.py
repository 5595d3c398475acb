"""What was handed in: files, folders and archives of any kind become submissions."""
