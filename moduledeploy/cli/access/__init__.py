"""How the commands reach a cluster: flags as kubectl has them, one connection, errors in one line, exit statuses."""
