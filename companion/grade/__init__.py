"""Grade a class: ``python -m companion.grade SUBMISSIONS --out grades.csv`` (see the README, 'Grading a class').

Each notebook runs in a process of its own. That process gets the calls to make and returns what they gave; what would
be right is known to the parent alone, which compares. A process whose submission means harm can therefore lose its own
points, and nothing else.
"""
