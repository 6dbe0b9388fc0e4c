#!/bin/sh
# Make the bucket and its read-only user in MinIO. Usage: provision.sh BUCKET READER. Safe to run again.
# Needs MC_HOST_store (administrator's URL) and READER_SECRET_KEY in the environment.
set -eu
bucket=$1
reader=$2

tries=0
until mc ready store >/dev/null 2>&1; do
    tries=$((tries + 1))
    [ "$tries" -lt 60 ] || { echo "MinIO was not ready after 60 tries, one per second" >&2; exit 1; }
    sleep 1
done

mc mb --ignore-existing "store/$bucket"
mc version enable "store/$bucket"

policy=$(mktemp)
cat >"$policy" <<JSON
{"Version": "2012-10-17", "Statement": [
  {"Effect": "Allow", "Action": ["s3:GetObject"], "Resource": ["arn:aws:s3:::$bucket/*"]},
  {"Effect": "Allow", "Action": ["s3:ListBucket", "s3:GetBucketLocation"], "Resource": ["arn:aws:s3:::$bucket"]}
]}
JSON
mc admin policy create store "$bucket-read" "$policy"
rm -f "$policy"

# From standard input, so that the key is in no process list.
printf '%s\n%s\n' "$reader" "$READER_SECRET_KEY" | mc admin user add store
mc admin policy attach store "$bucket-read" --user "$reader" ||
    mc admin user info store "$reader" | grep -q "$bucket-read"
