"""Practice: quiz questions that come back when they are about to be forgotten, or when a check has failed on them."""
