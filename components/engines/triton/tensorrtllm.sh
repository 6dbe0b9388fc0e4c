#!/bin/sh
# Lay out the repository of TensorRT-LLM's pipeline, then run what serves it.
# Usage: tensorrtllm.sh REPOSITORY APP [NAME=KEY:VALUE,...]... -- COMMAND...
#   APP   where the image has all_models/ and tools/
#   NAME  one of the models of the in-flight batcher, and what to fill in its config.pbtxt
set -eu

repository=$1 app=$2
shift 2

# A container that is started again finds what the one before it made.
rm -rf "$repository"
mkdir -p "$repository"
while [ "$1" != -- ]; do
    name=${1%%=*} values=${1#*=}
    shift
    cp -R "$app/all_models/inflight_batcher_llm/$name" "$repository/$name"
    python3 "$app/tools/fill_template.py" --in_place "$repository/$name/config.pbtxt" "$values"
done
shift
exec "$@"
