#!/bin/sh
# Run Triton without what would let a client load code into it, or read and write its memory. Usage: serve.sh FLAG...
set -eu

closed=model-repository,shared-memory,logging,trace
# Triton keeps calls for those who know a key: nobody knows this one.
key=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
exec tritonserver "$@" "--http-restricted-api=$closed:key=$key" "--grpc-restricted-protocol=$closed:key=$key"
