"""Commands, and the composition root: the one place that reads the environment and the clock.

Owns: configuration, the list of schemas, who is wired to whom. May import everything. Nobody imports it.
"""
