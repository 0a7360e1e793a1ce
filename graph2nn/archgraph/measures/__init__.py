"""Measures of a traced network: work, memory, fields and paths of its nodes; a table by module."""
