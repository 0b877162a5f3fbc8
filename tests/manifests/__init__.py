"""The CRDs and samples, judged by API servers: the embedded one always, a real one where there is one."""
