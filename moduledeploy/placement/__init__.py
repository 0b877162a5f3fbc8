"""Pure: a heap of bases that says where a module goes."""
