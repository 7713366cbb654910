#!/bin/bash
# A sweep in parts, a Slurm array job, and a job after it that joins them. The folder has to be on a disk that all nodes see.
#
#   scripts/slurm/sweep.sh 8 results/my-study --model ./my-llama --variance 0.9,0.5 --match width --controls
#
# Environment: SURGERY, how the program is called (default: npx surgery); SBATCH_… as sbatch takes it, such as
# SBATCH_PARTITION, SBATCH_TIMELIMIT; CPUS, cores a part (default: 2).
set -euo pipefail
parts=${1:?how many parts}
study=${2:?a folder for the study}
shift 2
program=${SURGERY:-npx surgery}
mkdir -p "$study"
study=$(cd "$study" && pwd)
arguments=$(printf ' %q' "$@")
folder=$(printf %q "$study")

# Each task knows its part from SLURM_ARRAY_TASK_ID and SLURM_ARRAY_TASK_COUNT.
array=$(sbatch --parsable --job-name=surgery-sweep --array="1-$parts" --cpus-per-task="${CPUS:-2}" \
  --output="$study/part-%a.log" \
  --wrap="$program sweep$arguments --threads ${CPUS:-2} --output $folder")
merge=$(sbatch --parsable --job-name=surgery-merge --dependency="afterok:$array" --output="$study/merge.log" \
  --wrap="$program merge $folder/part-*-of-$parts --output $folder")
echo "Parts: job $array, then merge: job $merge. The study will be in $study"
