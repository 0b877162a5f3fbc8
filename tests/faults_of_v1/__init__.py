"""What the predecessor got wrong, each with a test that fails on its behaviour; the tables stand at the top of the modules."""
