"""The one exception that a user sees as a sentence."""


class VibesError(Exception):
    """Bad input, told in one clear sentence that names what is wrong and the mend (exit code 2)."""
