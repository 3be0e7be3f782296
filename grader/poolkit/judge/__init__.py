"""The judge: runs hidden suites, owns the database, decides. Nothing of the learner's runs in its process."""
