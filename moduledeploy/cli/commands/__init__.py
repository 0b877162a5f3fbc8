"""What can be typed: the commands with their flags and help. Each imports what it does only when it is called."""
