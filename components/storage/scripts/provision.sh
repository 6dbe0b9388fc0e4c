#!/bin/sh
# Bring MinIO's buckets and users to what a directory says. Usage: provision.sh WANTED KEYS. Safe to run again.
#   WANTED/buckets             a line each: NAME enable|suspend (versioning) or purge, and QUOTA in bytes, or -
#   WANTED/BUCKET.lifecycle    its lifecycle rules as JSON; none when there is no such file
#   WANTED/USER.policy         what a user may do, as JSON
#   KEYS/USER                  the user's secret key
# Needs MC_HOST_store (administrator's URL) in the environment. Users and policies called inference-engine-*,
# inference-owner-* and inference-sync are ours, and go when they are not wanted; buckets stay, but for those that say
# purge, which go with all that is in them. Uses only what MinIO's image has: no grep.
set -eu
wanted=$1
keys=$2

ours() {
    case $1 in
        inference-engine-* | inference-owner-* | inference-sync) return 0 ;;
        *) return 1 ;;
    esac
}

# The values of one field in lines of JSON: mc's tables cut long names short.
field() {
    while read -r line; do
        case $line in
            *"\"$1\":\""*)
                line=${line#*"\"$1\":\""}
                printf '%s\n' "${line%%\"*}"
                ;;
        esac
    done
}

tries=0
until mc ready store >/dev/null 2>&1; do
    tries=$((tries + 1))
    [ "$tries" -lt 60 ] || { echo "MinIO was not ready after 60 tries, one per second" >&2; exit 1; }
    sleep 1
done

while read -r bucket what quota <&3; do
    if [ "$what" = purge ]; then
        ! mc stat "store/$bucket" >/dev/null 2>&1 || mc rb --force "store/$bucket"
        continue
    fi
    mc mb --ignore-existing "store/$bucket"
    mc version "$what" "store/$bucket"
    if [ "$quota" = - ]; then
        mc quota clear "store/$bucket"
    else
        mc quota set "store/$bucket" --size "$quota"
    fi
    if [ -e "$wanted/$bucket.lifecycle" ]; then
        mc ilm rule import "store/$bucket" <"$wanted/$bucket.lifecycle"
    elif mc ilm rule export "store/$bucket" >/dev/null 2>&1; then
        mc ilm rule remove --all --force "store/$bucket"
    fi
done 3<"$wanted/buckets"

for file in "$wanted"/*.policy; do
    [ -e "$file" ] || continue
    user=${file##*/}
    user=${user%.policy}
    mc admin policy create store "$user" "$file"
    # From standard input, so that the key is in no process list.
    printf '%s\n%s\n' "$user" "$(cat "$keys/$user")" | mc admin user add store
    [ "$(mc admin user info store "$user" --json | field policyName)" = "$user" ] ||
        mc admin policy attach store "$user" --user "$user"
done

users=$(mc admin user list store --json)
for user in $(printf '%s\n' "$users" | field accessKey); do
    if ours "$user" && [ ! -e "$wanted/$user.policy" ]; then
        mc admin user remove store "$user"
    fi
done
policies=$(mc admin policy list store --json)
for policy in $(printf '%s\n' "$policies" | field policy); do
    if ours "$policy" && [ ! -e "$wanted/$policy.policy" ]; then
        mc admin policy remove store "$policy"
    fi
done
