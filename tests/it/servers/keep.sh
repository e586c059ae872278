#!/usr/bin/env bash
# keep.sh SIGNAL FOLDER COMMAND…: runs a server for as long as this script's stdin is open, then ends it
# and removes its folder. The tests hold the other end of stdin, so a server outlives neither a test
# process that forgets it nor one that is killed.
set -mu
signal=$1 folder=$2
shift 2

cd "$folder"
# In job control every background job is a process group of its own: children are ended as well.
"$@" </dev/null >>"$folder/log" 2>&1 &
server=$!
cat <&0 >/dev/null &
stdin=$!

wait -n
if kill -0 "$stdin" 2>/dev/null; then
    # The server ended by itself. Its log stays until whoever started it has read it.
    touch "$folder/ended"
    wait "$stdin"
fi

kill -s "$signal" -- "-$server" 2>/dev/null
for _ in {1..100}; do
    kill -0 -- "-$server" 2>/dev/null || break
    sleep 0.1
done
kill -KILL -- "-$server" 2>/dev/null
rm -rf "$folder"
