"""Caches that earn their keep.

Owns: copies of what services own, in this process, each with a bound on its age and on its size. May import:
sharding, storage, observability, primitives. Never the truth: losing a cache costs time and nothing else.
"""
