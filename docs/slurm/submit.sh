#!/usr/bin/env bash
# Submits one run to Slurm as a chain of jobs. Stages over photographs become job arrays, in which each task computes one share of the
# photographs. See docs/scale.md.
#
#   docs/slurm/submit.sh [-n SHARES] [-u STAGE] [-m] [-o "OPTIONS OF SBATCH"]... -- COMMAND...
#
#   -n SHARES   number of tasks of each array (default 8)
#   -u STAGE    last stage: sample, mixture, encode, scores, relevance or resampling (default: everything)
#   -m          the mixture is learned in shards too (with sample.in_memory=shards in the settings)
#   -o OPTIONS  for every job, such as -o "--cpus-per-task=4 --mem=8G --time=4:00:00"
#
# COMMAND is `PATH/xtask reproduce … --artifacts DIR --report DIR` or `fisherlens train …`, without --until and --shard. It is run in the
# present folder. Without --report, xtask writes its page into the checkout where it was built. The photographs, the folder of artifacts and
# the program must have the same paths on all nodes.
#
# A run that has failed is submitted again with the same line: only what is missing is computed.
set -euo pipefail

# wrong MESSAGE: ends because of a wrong argument.
wrong() { echo "$1; -h shows how the script is used" >&2; exit 2; }

shares=8 last= in_shards= options=()
while getopts ":n:u:mo:h" option; do
    case "$option" in
        n) shares=$OPTARG ;;
        u) last=$OPTARG ;;
        m) in_shards=yes ;;
        o) read -r -a more <<< "$OPTARG"; options+=("${more[@]}") ;;
        h) sed -n '2,17s/^# \{0,1\}//p' "$0"; exit ;;
        :) wrong "-$OPTARG: expected a value" ;;
        *) wrong "-$OPTARG: expected -n, -u, -m, -o or -h" ;;
    esac
done
shift $((OPTIND - 1))
[[ $shares =~ ^[1-9][0-9]*$ ]] || wrong "-n $shares: expected a number of shares of at least 1"
case "$last" in
    ""|sample|mixture|encode|scores|relevance|resampling) ;;
    *) wrong "-u $last: expected sample, mixture, encode, scores, relevance or resampling" ;;
esac
[ $# != 0 ] || wrong "no command: expected -- PATH/xtask reproduce …, or -- fisherlens train …"
command -v "$1" >/dev/null || wrong "$1: no such program"
is_training=
for word in "$@"; do
    case "$word" in
        train) is_training=yes ;;
        --until|--until=*|--shard|--shard=*|--wait|--wait=*) wrong "$word in the command: expected a whole run; -u STAGE ends it earlier" ;;
    esac
done
case "$is_training$last" in yesrelevance|yesresampling) wrong "-u $last: a training has no such stage" ;; esac
command -v sbatch >/dev/null || { echo "sbatch is not there: expected a machine from which jobs are submitted to Slurm" >&2; exit 1; }

command=$(printf '%q ' "$@")
before=

# submit NAME ARGUMENTS...: one job, after the job before it.
submit() {
    local name=$1
    shift
    before=$(sbatch --parsable --requeue --kill-on-invalid-dep=yes --job-name="fisherlens-$name" ${before:+--dependency=afterok:$before} ${options[@]+"${options[@]}"} \
        "$@" | cut -d';' -f1)
    echo "$before  $name"
}

# array STAGE ARGUMENTS...: one task per share.
array() {
    local stage=$1
    shift
    submit "$stage" --array="1-$shares" --wrap "$command --until $stage --shard \$SLURM_ARRAY_TASK_ID/$shares $*"
}

# alone STAGE: what cannot be divided.
alone() {
    submit "$1" --wrap "$command --until $1"
}

# ends STAGE: whether the chain ends here.
ends() {
    [ "$last" = "$1" ] && echo "The last job is $before. See: squeue --me"
}

array photographs
array sample
ends sample && exit
if [ -n "$in_shards" ]; then
    array pca
    alone pca
    # Every task works in every step, so all of them must run at the same time.
    array mixture --wait 3600
fi
alone mixture
ends mixture && exit
array encode
ends encode && exit
if [ "$last" = scores ]; then
    alone scores
    ends scores && exit
fi
# The scores, and what heatmaps need besides.
alone calibration
if [ -z "$is_training" ]; then
    array relevance
    ends relevance && exit
    array resampling
    ends resampling && exit
fi
submit all --wrap "$command"
echo "The last job is $before. See: squeue --me"
