"""Real bases: a Maven project of a base and its modules, what builds it, and what runs bases on this machine."""
