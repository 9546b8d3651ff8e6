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
    """Look at machine, cluster, record and storage, and say what to do. A cluster is joined with --address."""
    request = imported("ablation.sweep.workspace").Request(
        space=None, output=output, storage=storage, tracking_uri=tracking_uri, address=address
    )
    outcome = imported("ablation.sweep.doctor.finding")
    findings = []
    for finding in imported("ablation.sweep.doctor.examine").examine(request):
        print(finding, flush=True)
        findings.append(finding)
    print(outcome.summary(findings))
    return FAILED if outcome.Status.FAIL in {finding.status for finding in findings} else 0
