"""Looks at this machine for what the kit needs, and says what to do about what it lacks: `poolkit doctor`."""
