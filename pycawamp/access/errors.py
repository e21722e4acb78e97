"""Errors in access files."""

from attrs import frozen


@frozen
class AccessFileError(Exception):
    """A PV list or access security file is invalid. The text is "file:line:column: message".

    Lines and columns count from 1. If the error concerns the whole file, they are 0 and not shown.
    """

    file: str
    line: int
    column: int
    message: str

    def __str__(self) -> str:
        if not self.line:
            return f"{self.file}: {self.message}"
        return f"{self.file}:{self.line}:{self.column}: {self.message}"


@frozen
class Place:
    """A position in a file; lines and columns count from 1."""

    file: str
    line: int
    column: int

    def error(self, message: str) -> AccessFileError:
        """Return an error at this place."""
        return AccessFileError(self.file, self.line, self.column, message)

    @property
    def brief(self) -> str:
        """The name of the file, without its folder, and the line."""
        return f"{file_name(self.file)}:{self.line}"

    def located(self, text: str) -> str:
        """Return "file:line: text", to name the line of a decision."""
        return f"{self.file}:{self.line}: {text}"


def file_name(path: str) -> str:
    """Return the name of a file, without its folder."""
    return path.rpartition("/")[2]


@frozen
class PatternError(Exception):
    """A pattern of a PV list is invalid at a character, counted from 0."""

    offset: int
    message: str
