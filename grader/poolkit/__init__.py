"""poolkit: learn how a web application uses a database connection pool; graded by what your code does."""

__version__ = "0.1.0"
