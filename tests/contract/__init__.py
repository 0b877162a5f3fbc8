"""The same cases on the embedded server and, marked `realapi`, on a real one."""
