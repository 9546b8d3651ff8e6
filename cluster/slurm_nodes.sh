#!/bin/bash
# One sweep on several whole nodes of a Slurm cluster, which become one Ray with one driver. Where nodes are shared with
# others, or come one by one, take cluster/slurm.sh. From the repository's root, on a login node:
#
#   submit  sbatch cluster/slurm_nodes.sh --space search_spaces/paper.yaml --cohort ~/cohort
#   watch   squeue --me; tail -f slurm-*.log
#   fetch   results are in runs/, on the file system that the nodes share
#   more    sbatch --nodes=4 cluster/slurm_nodes.sh ... adds a Ray of four more nodes, which shares the trials
#   cancel  scancel --signal=TERM --batch JOB, which ends in order; scancel JOB ends at once
#
# What stands after slurm_nodes.sh goes to `python -m ablation.run --join`. --output (runs, unless given) must lie on a
# file system that all nodes share, and nodes must reach each other's ports. `ray symmetric-run` starts Ray on each node
# and ends every Ray of yours there: hence whole nodes. Before the time is over the driver stops in order and the job is
# queued again; a node that dies costs its trials what was done since their last checkpoint
# (recovery.checkpoint_seconds), and ends the job if it is the first.
#
# Beforehand, on the login node: python3 -m venv ~/t1t2-venv && ~/t1t2-venv/bin/pip install -c constraints.txt -e .

# ---- Yours: how many nodes, what they have, and for how long ----
#SBATCH --nodes=2
#SBATCH --gres=gpu:4
#SBATCH --time=24:00:00
# ---- What follows can stay as it is ----
#SBATCH --job-name=t1t2
#SBATCH --exclusive
#SBATCH --ntasks-per-node=1
#SBATCH --mem=0
#SBATCH --output=slurm-%j.log
#SBATCH --open-mode=append
#SBATCH --requeue
#SBATCH --signal=B:TERM@180

PYTHON=${PYTHON:-$HOME/t1t2-venv/bin/python} # of the environment, where there is no image
IMAGE=${IMAGE:-}                             # an Apptainer image made of cluster/apptainer.def; none: the environment

if [ -z "${SLURM_JOB_ID:-}" ]; then
  echo "error: this is no Slurm job; submit it: sbatch cluster/slurm_nodes.sh --space FILE ..." >&2
  exit 2
fi

# On each node, of this job alone: Ray's folder and what Numba compiles.
scratch=/tmp/t1t2-$SLURM_JOB_ID-${SLURM_RESTART_COUNT:-0}
each=(srun --nodes="$SLURM_NNODES" --ntasks-per-node=1 --cpu-bind=none)
"${each[@]}" mkdir -m 700 "$scratch" || exit 1
trap '"${each[@]}" rm -rf "$scratch"' EXIT
export NUMBA_CACHE_DIR=$scratch/numba
export RAY_AUTH_MODE=token RAY_AUTH_TOKEN
RAY_AUTH_TOKEN=$(od -An -N32 -tx1 /dev/urandom | tr -d ' \n')
export RAY_SYMMETRIC_RUN_CLUSTER_WAIT_TIMEOUT=600 # a shared file system is slow where many import at once
unset RAY_ADDRESS

# The first node, which this shell runs on, as the others reach it.
host=$(scontrol getaddrs "$SLURMD_NODENAME" | sed -E 's/^[^:]*: //; s/:[0-9]+$//')
case $host in 127.* | "") host=$(hostname -I | cut -d ' ' -f 1) ;; esac
address=$host:$((20000 + SLURM_JOB_ID % 10000))

export PATH=${PYTHON%/*}:$PATH
container=()
[ -z "$IMAGE" ] || container=(apptainer exec --nv "$IMAGE")
start=(ray symmetric-run --address "$address" --min-nodes "$SLURM_NNODES")
start+=(--num-cpus "$SLURM_CPUS_ON_NODE" --temp-dir "$scratch" --disable-usage-stats)
# Of all processes the driver alone is told that the time is over.
driver=(bash -c 'echo $$ >"$0"; exec python -m ablation.run --join "$@"' "$scratch/driver")

stopped=
trap 'stopped=yes; kill -TERM "$(cat "$scratch/driver")" 2>/dev/null' TERM
"${each[@]}" "${container[@]}" "${start[@]}" -- "${driver[@]}" --address "$address" "$@" &
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
  trap - EXIT
  "${each[@]}" rm -rf "$scratch"
  scontrol requeue "$SLURM_JOB_ID"
fi
exit "$status"
