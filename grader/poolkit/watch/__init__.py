"""`poolkit watch`: checks the current exercise at each save, and obeys single keys.

`loop` decides what is shown and obeys keys, `checking` keeps the verdict about what is saved, `grading` judges in a
thread of its own, `saves` notices what was saved, `place` knows which exercise it is, `views` words what is shown,
`terminal` and `keys` are the learner's terminal, `plain` is a pipe in its place.
"""
