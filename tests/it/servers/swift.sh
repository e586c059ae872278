#!/usr/bin/env bash
# swift.sh PROXY ACCOUNT CONTAINER OBJECT MEMCACHED: runs a whole Swift on these ports, in the present
# folder: the S3 API in front, three storage servers with one replica, and the cache they need.
set -eu
folder=$PWD user=$(id -un)
proxy=$1 account=$2 container=$3 object=$4 memcached=$5
mkdir -p "$folder/node/d1"

cat >swift.conf <<END
[swift-hash]
swift_hash_path_prefix = pgstow
swift_hash_path_suffix = pgstow
[swift-constraints]
max_header_size = 16384
END

storage() { # KIND PORT: its settings, its ring, and the server itself
    cat >"$1-server.conf" <<END
[DEFAULT]
bind_ip = 127.0.0.1
bind_port = $2
user = $user
swift_dir = $folder
devices = $folder/node
mount_check = false
workers = 0
fallocate_reserve = 0
[pipeline:main]
pipeline = $1-server
[app:$1-server]
use = egg:swift#$1
END
    swift-ring-builder "$1.builder" create 4 1 1
    swift-ring-builder "$1.builder" add "r1z1-127.0.0.1:$2/d1" 1
    # Says by a status of 1 that there was nothing to balance.
    swift-ring-builder "$1.builder" rebalance || [ $? = 1 ]
}

storage account "$account" &
storage container "$container" &
storage object "$object" &
wait

cat >proxy-server.conf <<END
[DEFAULT]
bind_ip = 127.0.0.1
bind_port = $proxy
user = $user
workers = 0
swift_dir = $folder
[pipeline:main]
pipeline = catch_errors gatekeeper cache listing_formats bulk s3api tempauth copy slo dlo versioned_writes symlink proxy-server
[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
allow_account_management = true
[filter:catch_errors]
use = egg:swift#catch_errors
[filter:gatekeeper]
use = egg:swift#gatekeeper
[filter:cache]
use = egg:swift#memcache
memcache_servers = 127.0.0.1:$memcached
[filter:listing_formats]
use = egg:swift#listing_formats
[filter:bulk]
use = egg:swift#bulk
[filter:s3api]
use = egg:swift#s3api
s3_acl = false
location = us-east-1
[filter:tempauth]
use = egg:swift#tempauth
user_pgstow_admin = secretsecret .admin .reseller_admin
[filter:copy]
use = egg:swift#copy
[filter:slo]
use = egg:swift#slo
[filter:dlo]
use = egg:swift#dlo
[filter:versioned_writes]
use = egg:swift#versioned_writes
allow_versioned_writes = true
allow_object_versioning = true
[filter:symlink]
use = egg:swift#symlink
END

# The servers leave the process group they are started in, so that ending it would not end them.
trap 'kill $(jobs -p); wait' EXIT
trap exit TERM
memcached -l 127.0.0.1 -p "$memcached" -U 0 -m 32 &
for kind in account container object proxy; do
    "swift-$kind-server" "$folder/$kind-server.conf" &
done
wait
