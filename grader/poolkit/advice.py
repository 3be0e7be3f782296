"""What to say beside an exception whose own words do not say what to do about it."""

from __future__ import annotations

from poolkit.report import AppError

_OWN_LOOP = (
    "This runs at import, and a server imports your file while its event loop runs already. What has to be awaited at "
    "the start belongs into the startup: the part of `lifespan` above its `yield`, or a startup hook."
)
_REFUSED = (
    "The lab's database refuses this statement, whoever sends it: it would change the database for everybody, or reach "
    "out of it. Some PRAGMAs are of that kind, such as journal_mode, and ATTACH. The exercise works without it."
)


def advice(error: AppError) -> str:
    """Return a sentence or two for a learner who reads this exception; empty where its own words are enough."""
    if error.type == "RuntimeError" and error.message.startswith("asyncio.run() cannot be called from a running event"):
        return _OWN_LOOP
    if error.type == "DatabaseError" and error.message == "not authorized":
        return _REFUSED
    return ""
