"""The error of the `mussikon` command that is shown to users without a traceback."""


class LaunchError(Exception):
    """A problem that the user can solve, and advice how; both are sentences."""

    def __init__(self, problem: str, advice: str) -> None:
        super().__init__(f"{problem} {advice}")
        self.problem = problem
        self.advice = advice
