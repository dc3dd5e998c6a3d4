"""What draws and prints in the chapters."""
