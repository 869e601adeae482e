"""Profiles and their answers as text on a terminal, and what terminals can show."""
