"""The whole process under faults: controllers as real processes over HTTP, killed, stopped and cut off."""
