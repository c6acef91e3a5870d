"""The words everything else is written in: errors, money, time, state tables.

Owns no data. Imports the standard library only. Never does I/O.
"""
