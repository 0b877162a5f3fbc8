"""Observe, plan, act: one controller by family, one by base."""
