"""What the platform says about itself: metrics and logs.

Owns: the shapes of metrics and log lines. May import: primitives. Publishes nothing.
Never decides anything and never stands in the way of a request.
"""
