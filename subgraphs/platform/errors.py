"""What can stop the launcher: always a problem and the next step, never a traceback."""


class LaunchError(Exception):
    """Something that a person has to see, with what they can do about it."""

    def __init__(self, problem: str, advice: str) -> None:
        """Keep both sentences."""
        super().__init__(f"{problem} {advice}")
        self.problem = problem
        self.advice = advice
