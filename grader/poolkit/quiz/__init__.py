"""Quizzes: what their files hold, how answers are scored, and how one is taken in a terminal."""
