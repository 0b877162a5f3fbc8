"""An embedded, in-memory API server with simulated bases for demo, development and tests; no product for production."""
