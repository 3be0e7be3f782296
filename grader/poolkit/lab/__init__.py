"""What runs in the learner's process. It imports nothing of the judge, and what it says are claims."""
