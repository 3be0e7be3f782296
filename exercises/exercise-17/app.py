"""Runs `test_pool.py` against a pool, one run for a process. The judge's labs use it; you can use pytest instead."""

from poolkit.lab.exam import make_app

app = make_app("test_pool.py", "pool")
