#!/bin/bash
# A Slurm of one node on this machine, in a folder, for trying array jobs: munged, slurmctld, slurmd (Debian's packages
# munge, slurmctld, slurmd, slurm-client).
#
#   one-node.sh start FOLDER    starts it and waits until the node is idle; then: export SLURM_CONF=FOLDER/slurm.conf
#   one-node.sh stop FOLDER     ends it, and waits until it has
set -euo pipefail
command=${1:?start or stop}
folder=${2:?a folder}
for program in munged slurmctld slurmd sinfo; do
  PATH=$PATH:/usr/sbin command -v $program > /dev/null || { echo "one-node.sh: $program is not installed" >&2; exit 2; }
done
export PATH=$PATH:/usr/sbin

# Until they have ended they still write to the folder.
stop() {
  local pid
  for name in slurmd slurmctld munged; do
    pid=$(cat "$folder/$name.pid" 2> /dev/null) && kill "$pid" 2> /dev/null || continue
    for _ in $(seq 100); do
      kill -0 "$pid" 2> /dev/null || break
      sleep 0.1
    done
  done
}

start() {
  mkdir -p "$folder"/{munge,state,spool,log}
  folder=$(cd "$folder" && pwd)
  chmod 700 "$folder/munge"
  (umask 077 && head -c 1024 /dev/urandom > "$folder/munge/key")
  # As root munged insists on --force; its folder has to be searchable by whoever asks it.
  chmod 711 "$folder/munge"
  munged --force --key-file="$folder/munge/key" --socket="$folder/munge/socket" --pid-file="$folder/munged.pid" \
    --log-file="$folder/log/munged" --seed-file="$folder/munge/seed" --num-threads=1
  local host port
  host=$(hostname -s)
  port=$((20000 + RANDOM % 20000))
  cat > "$folder/slurm.conf" << CONF
ClusterName=one
SlurmctldHost=$host(127.0.0.1)
SlurmUser=$(id -un)
SlurmdUser=$(id -un)
SlurmctldPort=$port
SlurmdPort=$((port + 1))
AuthType=auth/munge
AuthInfo=socket=$folder/munge/socket
CredType=cred/munge
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd.pid
SlurmctldLogFile=$folder/log/slurmctld
SlurmdLogFile=$folder/log/slurmd
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerParameters=sched_interval=1,batch_sched_delay=0
ReturnToService=2
MpiDefault=none
NodeName=$host NodeAddr=127.0.0.1 CPUs=$(nproc) State=UNKNOWN
PartitionName=all Nodes=$host Default=YES State=UP
CONF
  export SLURM_CONF=$folder/slurm.conf
  slurmctld
  slurmd
  for _ in $(seq 100); do
    if sinfo --noheader --format=%t 2> /dev/null | grep -q '^idle$'; then return; fi
    sleep 0.2
  done
  echo "one-node.sh: the node did not come up, see $folder/log" >&2
  stop
  exit 1
}

$command
