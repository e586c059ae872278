#!/usr/bin/env python3
"""Draws what a terminal showed as an SVG: docs/demo.svg, the picture in the README.

    script -qec 'stty cols 110 rows 50; scripts/demo.sh' /dev/null | scripts/recording.py >docs/demo.svg

It draws steps 1 to 5, without the long answer of `pgstow show`, with bold, dim and coloured text; a line that was written
over shows what stood there last. Look at the picture before you commit it.
"""
import html
import re
import sys

SIZE, LINE, LEFT, TOP = 13, 18, 18, 46
WIDTH_OF_A_LETTER = SIZE * 0.6021
COLOURS = {31: "#ff7b72", 32: "#7ee787", 33: "#e3b341", 34: "#79c0ff", 35: "#d2a8ff", 36: "#76e3ea"}
STYLES = {1: "b", 2: "d"}


def spans(line):
    """The line's parts, each with its style and colour."""
    style, colour, parts = "", "", []
    for piece in re.split(r"(\x1b\[[0-9;]*m)", line):
        code = re.fullmatch(r"\x1b\[([0-9;]*)m", piece)
        if not code:
            if piece:
                parts.append((style, colour, piece))
            continue
        for number in (int(n or 0) for n in code[1].split(";")):
            if number in STYLES:
                style = STYLES[number]
            elif number in COLOURS or number - 60 in COLOURS:
                colour = COLOURS.get(number) or COLOURS[number - 60]
            elif number == 39:
                colour = ""
            elif number in (0, 22):
                style, colour = "", "" if number == 0 else colour
    return parts


def shown(text):
    """The lines as they stand at the end: what is written over is gone, and so are other commands to the terminal."""
    text = re.sub(r"\x1b\][^\x07]*\x07|\x1b\[\?[0-9]+[hl]|\x1b\[[0-9;]*[A-HJKSTf]", "", text)
    lines = [line.rstrip("\r").split("\r")[-1].rstrip() for line in text.split("\n")]
    first = next(n for n, line in enumerate(lines) if re.match(r"(\x1b\[[0-9;]*m)*1\. ", line))
    last = next(n for n, line in enumerate(lines) if re.match(r"(\x1b\[[0-9;]*m)*6\. ", line))
    kept = re.sub(r"\n[^\n]*\$ pgstow show .*?(?=\n\n)", "", "\n".join(lines[first:last]), flags=re.DOTALL)
    return kept.strip("\n").split("\n")


def main():
    lines = shown(sys.stdin.read())
    plain = [re.sub(r"\x1b\[[0-9;]*m", "", line) for line in lines]
    width = round(max(map(len, plain)) * WIDTH_OF_A_LETTER + 2 * LEFT)
    height = TOP + len(lines) * LINE + 10
    print(
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img" '
        'aria-label="A backup with pgstow, its list, and a restore that is compared">\n'
        f"<style>text{{font:{SIZE}px ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace;fill:#e6edf3;"
        "white-space:pre}.b{font-weight:700;fill:#fff}.d{fill:#9ecbff}</style>\n"
        f'<rect width="{width}" height="{height}" rx="10" fill="#0d1117"/>\n'
        '<circle cx="22" cy="20" r="6" fill="#ff5f57"/><circle cx="42" cy="20" r="6" fill="#febc2e"/>'
        '<circle cx="62" cy="20" r="6" fill="#28c840"/>'
    )
    for number, line in enumerate(lines):
        if not line:
            continue
        print(f'<text x="{LEFT}" y="{TOP + number * LINE + SIZE}" xml:space="preserve">', end="")
        for style, colour, text in spans(line):
            marks = (f' class="{style}"' if style else "") + (f' fill="{colour}" style="fill:{colour}"' if colour else "")
            text = html.escape(text, quote=False)
            print(f"<tspan{marks}>{text}</tspan>" if marks else text, end="")
        print("</text>")
    print("</svg>")


main()
