"""`python -m ablation.doctor`: looks at machine, cluster, record and storage, and says what to do."""

from pathlib import Path

import typer

from ablation.commands import options
from ablation.commands.terminal import FAILED, command, imported

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
@command
def main(
    output: options.Output = Path("runs"),
    storage: options.StorageUri = None,
    tracking_uri: options.TrackingUri = None,
    address: options.Address = None,
) -> int:
    """Look at machine, cluster, record and storage, and say what to do. --address joins a cluster."""
    try:
        doctor = imported("ablation.sweep.doctor.examine")
        outcome = imported("ablation.sweep.doctor.finding")
    except (ImportError, OSError) as error:  # of a library that is missing, or does not fit this machine
        print(f"fail  versions: {error}; install anew: pip install -c constraints.txt -e .")
        print("1 check: 0 ok, 0 to look at, 1 failed")
        return FAILED
    findings = []
    for finding in doctor.examine(output=output, storage=storage, tracking_uri=tracking_uri, address=address):
        print(finding, flush=True)
        findings.append(finding)
    print(outcome.summary(findings))
    return FAILED if outcome.has_failed(findings) else 0
