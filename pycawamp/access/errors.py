"""What is wrong with an access file, and where."""

from attrs import frozen


@frozen
class AccessFileError(Exception):
    """A PV list or access security file cannot be used; its text is ``file:line:column: message``.

    Lines and columns count from 1; they are 0, and not told, where the whole file is meant.
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
        """The error that this place of the file is wrong."""
        return AccessFileError(self.file, self.line, self.column, message)

    def said(self, text: str) -> str:
        """``file:line: text``, to say which line made a decision."""
        return f"{self.file}:{self.line}: {text}"


@frozen
class PatternError(Exception):
    """A pattern of a PV list cannot be used; `offset` counts its characters from 0."""

    offset: int
    message: str
