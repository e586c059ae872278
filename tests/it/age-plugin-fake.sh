#!/bin/bash
# An age plugin that wraps a file key in nothing at all: it shows that plugins are spoken to as their
# protocol wants (C2SP's age-plugin.md), and protects nothing.

# Reads a stanza into $command and $body; a body ends with its first short line.
stanza() {
    read -r command || exit 1
    body=
    while read -r line; do
        body+=$line
        [ ${#line} -eq 64 ] || break
    done
}

send() {
    printf -- '-> %s\n%s\n' "$1" "$2"
    stanza # the answer
}

key=
while stanza; do
    case $command in
    "-> wrap-file-key" | "-> recipient-stanza 0 fake"*) key=$body ;;
    "-> done") break ;;
    esac
done
case $1 in
--age-plugin=recipient-v1) send "recipient-stanza 0 fake" "$key" ;;
--age-plugin=identity-v1) [ -z "$key" ] || send "file-key 0" "$key" ;;
esac
printf -- '-> done\n\n'
