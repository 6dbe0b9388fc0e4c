#!/bin/sh
# Lay out Triton's model repository, then run what serves it.
# Usage: repository.sh REPOSITORY CONFIGURATIONS [NAME=DIRECTORY]... -- COMMAND...
#   CONFIGURATIONS  has NAME.pbtxt of each model that settings configure; of others, their own config.pbtxt counts
#   DIRECTORY       version directories such as 1/model.onnx, or the files of one version; nothing for an ensemble
set -eu

repository=$1 configurations=$2
shift 2

is_version() {
    case ${1##*/} in 0* | *[!0-9]*) return 1 ;; esac
    [ -d "$1" ]
}

# Weights are linked. What Triton looks for outside of a version directory it takes from the model's own directory alone.
model() {
    directory=$1 place=$2 versions=0
    for entry in "$directory"/*; do
        if is_version "$entry"; then
            ln -s "$entry" "$place/${entry##*/}"
            versions=1
        fi
    done
    [ "$versions" = 1 ] || ln -s "$directory" "$place/1"
    for entry in "$directory"/*; do
        case $entry in
            */config.pbtxt | *.txt) cp "$entry" "$place/" ;;
            *) [ -d "$entry" ] || ln -s "$entry" "$place/${entry##*/}" ;;
        esac
    done
}

# A container that is started again finds what the one before it made.
rm -rf "$repository"
while [ "$1" != -- ]; do
    name=${1%%=*} directory=${1#*=}
    shift
    mkdir -p "$repository/$name"
    if [ -n "$directory" ]; then
        model "$directory" "$repository/$name"
    else
        mkdir "$repository/$name/1"
    fi
    if [ -f "$configurations/$name.pbtxt" ]; then
        cp -f "$configurations/$name.pbtxt" "$repository/$name/config.pbtxt"
    elif [ ! -f "$repository/$name/config.pbtxt" ]; then
        echo "$name has no config.pbtxt among its files; set its \`backend\`, or add the file to its source" >&2
        exit 1
    fi
done
shift
exec "$@"
