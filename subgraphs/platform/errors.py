"""The error that the `mussikon` command prints without a traceback, because the user can solve the
problem.
"""


class LaunchError(Exception):
    """A problem that the user can solve, and advice how to solve it; both are sentences."""

    def __init__(self, problem: str, advice: str) -> None:
        super().__init__(f"{problem} {advice}")
        self.problem = problem
        self.advice = advice
