"""`python -m poolkit`: the same as the `poolkit` command."""

import sys

# `-m` puts the current folder first on the path, where a learner's `databases.py` or `pytest.py` would be
# imported into the judge.
if sys.path and sys.path[0] in ("", __import__("os").getcwd()):
    del sys.path[0]

from poolkit.start import main  # noqa: E402  (the path must be clean before the first import of ours)

if __name__ == "__main__":
    main()
