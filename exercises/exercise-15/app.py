"""The kit's small app around your pool. Run it with `uvicorn app:app` and open /docs."""

from pool import Pool

from poolkit.lab.pool_app import make_app

app = make_app(Pool)
