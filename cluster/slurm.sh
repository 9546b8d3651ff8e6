#!/bin/bash
# One sweep on a Slurm cluster: a job array of one-node commands that share its trials. From the repository's root,
# on a login node:
#
#   submit  sbatch cluster/slurm.sh --space search_spaces/paper.yaml --cohort ~/cohort
#   watch   squeue --me; tail -f slurm-*.log
#   fetch   results are in runs/, on the file system that the nodes share
#   more    the same `sbatch` again adds as many nodes; sbatch --array=1 cluster/slurm.sh ... adds one
#   cancel  scancel JOB, or scancel --signal=TERM --batch JOB_TASK to let a task leave in order; then submit again
#
# What stands after slurm.sh goes to `python -m ablation.run --join`. --output (runs, unless given) must lie on a file
# system that all nodes share, and nodes must reach each other's ports: one of the tasks serves the record, and when
# it ends or dies another does. Each trial runs once, whatever becomes of the tasks: before the time is over a task
# stops in order and is queued again, and a node that dies costs its trials what was done since their last checkpoint
# (recovery.checkpoint_seconds). Tasks end when nothing is left to claim.
#
# Beforehand, on the login node: python3 -m venv ~/t1t2-venv && ~/t1t2-venv/bin/pip install -c constraints.txt -e .

# ---- Yours: how many nodes at once, what a task has of its node, and for how long ----
#SBATCH --array=1-4
#SBATCH --cpus-per-task=8
#SBATCH --gres=gpu:1
#SBATCH --mem=32G
#SBATCH --time=24:00:00
# ---- What follows can stay as it is ----
#SBATCH --job-name=t1t2
#SBATCH --nodes=1
#SBATCH --ntasks=1
#SBATCH --output=slurm-%A_%a.log
#SBATCH --open-mode=append
#SBATCH --requeue
#SBATCH --signal=B:TERM@180

PYTHON=${PYTHON:-$HOME/t1t2-venv/bin/python} # of the environment, or `python` in an image
IMAGE=${IMAGE:-}                             # an Apptainer image made of cluster/apptainer.def; none: the environment

if [ -z "${SLURM_JOB_ID:-}" ]; then
  echo "error: this is no Slurm job; submit it: sbatch cluster/slurm.sh --space FILE ..." >&2
  exit 2
fi

# Of this task alone, on a disk of the node: Ray's folder and what Numba compiles.
scratch=$(mktemp -d "${SLURM_TMPDIR:-${TMPDIR:-/tmp}}/t1t2-XXXXXX") || exit 1
trap 'rm -rf "$scratch"' EXIT
export TMPDIR=$scratch NUMBA_CACHE_DIR=$scratch/numba
unset RAY_ADDRESS

command=("$PYTHON" -m ablation.run --join "$@")
[ -z "$IMAGE" ] || command=(apptainer exec --nv "$IMAGE" python -m ablation.run --join "$@")

# Slurm tells this shell when the time is nearly over; the command then ends as with Ctrl-C.
stopped=
trap 'stopped=yes; kill -TERM "$child" 2>/dev/null' TERM
"${command[@]}" &
child=$!
wait "$child"
status=$?
while kill -0 "$child" 2>/dev/null; do # the signal has ended the wait, not the command
  wait "$child"
  status=$?
done

# Not where the job was cancelled, and not where all was done meanwhile.
if [ -n "$stopped" ] && [ "$status" != 0 ] && scontrol show job "$SLURM_JOB_ID" | grep -q JobState=RUNNING; then
  echo "the time is over: queued again"
  scontrol requeue "$SLURM_JOB_ID"
fi
exit "$status"
