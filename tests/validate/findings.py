"""What a validator found, and which findings are accepted."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """One finding; place is the state or the resource."""

    tool: str
    file: str
    line: int
    subject: str
    message: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.subject}: {self.message} ({self.tool})"


@dataclass(frozen=True)
class Accepted:
    """Findings that are right about Sluice, or wrong about AWS, and stay: why."""

    tool: str
    message: str
    reason: str
    subject: str | None = None

    def covers(self, finding: Finding) -> bool:
        """Whether this is such a finding."""
        fits = self.tool == finding.tool and finding.message.startswith(self.message)
        return fits and self.subject in (None, finding.subject)


def open_findings(findings: Iterable[Finding], accepted: Iterable[Accepted]) -> list[str]:
    """A line for each finding that is not accepted, and for each acceptance that covers nothing."""
    found, known = list(dict.fromkeys(findings)), list(accepted)
    lines = [str(each) for each in found if not any(entry.covers(each) for entry in known)]
    stale = [entry for entry in known if not any(entry.covers(each) for each in found)]
    return [*lines, *(f"accepted but not found: {each.message} ({each.tool})" for each in stale)]
