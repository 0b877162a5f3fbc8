"""What turns measurements into rows, tables and pictures."""
