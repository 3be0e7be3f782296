"""For authors: proves that a course is right, and begins new exercises."""
