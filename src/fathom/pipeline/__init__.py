"""What a verb does, from settings to a finished folder; the command line and the Python interface both call it."""
