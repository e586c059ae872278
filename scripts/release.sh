#!/usr/bin/env bash
# Makes the files of a release from a built pgstow; .github/workflows/release.yml calls it, and so can you.
#
#   scripts/release.sh archive BINARY FOLDER     pgstow-VERSION-MACHINE-SYSTEM.tar.gz: the binary, man pages, completions
#   scripts/release.sh deb BINARY FOLDER         pgstow_VERSION_ARCHITECTURE.deb: the same, and the units of systemd;
#                                                DEBFULLNAME and DEBEMAIL say who maintains it
#   scripts/release.sh sums FOLDER               SHA256SUMS of all files in it; with MINISIGN_KEY (a file) also signed
#   scripts/release.sh formula FOLDER REPOSITORY the formula for Homebrew, from these archives' checksums, to stdout
set -euo pipefail
umask 022
project=$(cd "$(dirname "$0")/.." && pwd)

version_of() { "$1" -V | cut -d ' ' -f 2; }

# extras BINARY PREFIX: what the binary writes about itself: man pages and completions.
extras() {
    local share=$2/share
    mkdir -p "$share/bash-completion/completions" "$share/zsh/vendor-completions" "$share/fish/vendor_completions.d"
    "$1" man --quiet "$share/man/man1"
    "$1" completions bash >"$share/bash-completion/completions/pgstow"
    "$1" completions zsh >"$share/zsh/vendor-completions/_pgstow"
    "$1" completions fish >"$share/fish/vendor_completions.d/pgstow.fish"
}

archive() {
    local binary=$1 folder=$2 name
    name=pgstow-$(version_of "$binary")-$(uname -m)-$(uname -s | sed 's/Darwin/macos/;s/Linux/linux/')
    install -m 755 "$binary" "$work/pgstow"
    cp "$project"/{README.md,CHANGELOG.md,LICENSE-APACHE,LICENSE-MIT} "$work"
    extras "$binary" "$work"
    # The names in it, and not ".": an archive should not change the folder it is unpacked into.
    (cd "$work" && tar -czf archive.tar.gz -- pgstow *.md LICENSE-* share)
    mv "$work/archive.tar.gz" "$folder/$name.tar.gz"
    echo "$folder/$name.tar.gz"
}

# What a binary that is not static needs of the C library: the newest version that one of its symbols has.
depends() {
    local newest
    newest=$({ objdump -T "$1" 2>/dev/null || true; } | sed -n 's/.*GLIBC_\(2[.0-9]*\).*/\1/p' | sort -uV | tail -1)
    [ -z "$newest" ] || echo "Depends: libc6 (>= $newest), libgcc-s1"
}

deb() {
    local binary=$1 folder=$2 version architecture
    version=$(version_of "$binary") architecture=$(dpkg --print-architecture)
    install -Dm 755 "$binary" "$work/usr/bin/pgstow"
    extras "$binary" "$work/usr"
    gzip -9n "$work"/usr/share/man/man1/*
    mkdir -p "$work/usr/lib/systemd/system" "$work/usr/share/doc/pgstow/examples" "$work/DEBIAN"
    for unit in "$project"/deploy/systemd/*; do
        sed 's#/usr/local/bin/#/usr/bin/#' "$unit" >"$work/usr/lib/systemd/system/${unit##*/}"
    done
    cp "$project"/deploy/cron/pgstow.* "$work/usr/share/doc/pgstow/examples"
    cat "$project/LICENSE-MIT" >"$work/usr/share/doc/pgstow/copyright"
    printf '\nOr, as you like, the Apache License, Version 2.0: see /usr/share/common-licenses/Apache-2.0.\n' \
        >>"$work/usr/share/doc/pgstow/copyright"
    gzip -9nc "$project/CHANGELOG.md" >"$work/usr/share/doc/pgstow/changelog.gz"
    {
        printf 'Package: pgstow\nVersion: %s\nArchitecture: %s\nSection: database\nPriority: optional\n' \
            "$version" "$architecture"
        # As Debian's own tools have it: the variables, or else who builds.
        printf 'Maintainer: %s <%s>\n' "${DEBFULLNAME:-$(id -un)}" "${DEBEMAIL:-$(id -un)@$(uname -n)}"
        depends "$binary"
        printf 'Recommends: ca-certificates, postgresql-client\nSuggests: age, zstd\n'
        printf 'Description: backs up PostgreSQL databases into cloud storage, encrypted\n'
        printf ' pgstow streams pg_dump through zstd and age into S3, Google Cloud Storage or a folder.\n'
        printf ' A backup becomes visible only if it is whole; a restore compares every table with it.\n'
    } >"$work/DEBIAN/control"
    dpkg-deb --root-owner-group --build "$work" "$folder/pgstow_${version}_$architecture.deb" >/dev/null
    echo "$folder/pgstow_${version}_$architecture.deb"
}

sums() {
    (cd "$1" && rm -f SHA256SUMS* && sha256sum -- * >"$work/SHA256SUMS" && mv "$work/SHA256SUMS" .)
    if [ -n "${MINISIGN_KEY:-}" ]; then
        minisign -S -s "$MINISIGN_KEY" -m "$1/SHA256SUMS" -t "pgstow, SHA256SUMS of a release" >/dev/null </dev/null
    fi
}

formula() {
    local folder=$1 repository=$2 version
    version=$(sed -n 's/^[0-9a-f]* [ *]pgstow-\(.*\)-[^-]*-[^-]*\.tar\.gz$/\1/p' "$folder/SHA256SUMS" | sed 1q)
    # block SYSTEM WHEN FILE: one address and its checksum, if there is such an archive.
    block() {
        local sum
        sum=$(sed -n "s/^\([0-9a-f]\{64\}\) [ *]$3\$/\1/p" "$folder/SHA256SUMS")
        [ -z "$sum" ] || printf '  %s do\n    %s do\n      url "%s"\n      sha256 "%s"\n    end\n  end\n' "$1" "$2" \
            "https://github.com/$repository/releases/download/v$version/$3" "$sum"
    }
    cat <<RUBY
class Pgstow < Formula
  desc "Backs up PostgreSQL databases into cloud storage, encrypted, and restores them"
  homepage "https://github.com/$repository"
  version "$version"
  license any_of: ["MIT", "Apache-2.0"]

  depends_on "libpq"

$(block on_macos on_arm "pgstow-$version-arm64-macos.tar.gz"
    block on_macos on_intel "pgstow-$version-x86_64-macos.tar.gz"
    block on_linux on_arm "pgstow-$version-aarch64-linux.tar.gz"
    block on_linux on_intel "pgstow-$version-x86_64-linux.tar.gz")

  def install
    bin.install "pgstow"
    man1.install Dir["share/man/man1/*"]
    bash_completion.install "share/bash-completion/completions/pgstow"
    zsh_completion.install "share/zsh/vendor-completions/_pgstow"
    fish_completion.install "share/fish/vendor_completions.d/pgstow.fish"
  end

  test do
    assert_match version.to_s, shell_output("#{bin}/pgstow -V")
  end
end
RUBY
}

work=$(mktemp -d)
chmod 755 "$work"
trap 'rm -rf "$work"' EXIT
case "${1:-} $#" in
    "archive 3" | "deb 3" | "sums 2" | "formula 3") "$@" ;;
    *) sed -n '2,/^set/{/^#/!d; s/^# \{0,1\}//p}' "$0" >&2; exit 2 ;;
esac
