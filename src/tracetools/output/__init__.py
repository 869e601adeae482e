"""What becomes of a profile: files, graphs, reports and findings. Knows nothing of recording."""
