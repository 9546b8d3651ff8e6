"""BIDS folders of empty scans."""

from pathlib import Path


def add(root: Path, *names: str) -> Path:
    """Put empty scans into the folder; only their names matter here."""
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def scans(subject: str, *suffixes: str, session: str | None = None) -> list[str]:
    """Names of a subject's scans, by suffix; with a session, in its folder."""
    level, stem = (f"{subject}/ses-{session}", f"{subject}_ses-{session}") if session else (subject, subject)
    return [f"{level}/{'ct' if s == 'ct' else 'anat'}/{stem}_{s}.nii.gz" for s in suffixes]
