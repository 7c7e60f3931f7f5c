#!/usr/bin/env python3
"""README.md's examples against the files they name, and every relative link of README.md and doc/*.md."""
import os
import pathlib
import re
import sys

ROOT = pathlib.Path(os.environ.get("WEIR_ROOT", pathlib.Path(__file__).resolve().parents[2]))
LINES_MOST = 25
FENCE = re.compile(r"^```.*?^```[^\S\n]*$", re.M | re.S)
CODE = re.compile(r"`[^`\n]*`")
LINK = re.compile(r"\[[^\]]*\]\(\s*<?([^)\s>]+)>?[^)]*\)|^ {0,3}\[[^\]]+\]:\s*(\S+)", re.M)


def report(name, wrong):
    print(f"not ok readme {name}: " + "; ".join(wrong) if wrong else f"ok readme {name}", flush=True)
    return bool(wrong)


def block_after(text, path, language):
    """The block that directly follows the line that names the file, as bytes; None where there is none."""
    found = re.findall(rf"^`{re.escape(path)}`\n+```{re.escape(language)}\n(.*?)^```$", text, re.M | re.S)
    return found[0].encode() if len(found) == 1 else None


def check_example(text, path, language):
    block = block_after(text, path, language)
    if block is None:
        return [f"README.md has not one ```{language} block after the line `{path}`"]
    given = (ROOT / path).read_bytes()
    if block == given:
        return []
    ours, theirs = block.splitlines(), given.splitlines()
    at = next((i for i, (a, b) in enumerate(zip(ours, theirs)) if a != b), min(len(ours), len(theirs)))
    return [f"README.md's block differs from {path} at the file's line {at + 1}"]


def check_size(path):
    lines = len((ROOT / path).read_text().splitlines())
    return [f"{path} has {lines} lines, more than {LINES_MOST}"] if lines > LINES_MOST else []


def anchors(path):
    """The names of a page's headings, as they are linked to."""
    titles = re.findall(r"^#+\s+(.*?)\s*#*$", FENCE.sub("", path.read_text()), re.M)
    plain = (re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", t) for t in titles)
    return {re.sub(r"[^\w\- ]", "", t.lower()).replace(" ", "-") for t in plain}


def check_links(pages):
    wrong, links = [], 0
    for page in pages:
        for inline, reference in LINK.findall(CODE.sub("", FENCE.sub("", page.read_text()))):
            target = inline or reference
            if re.match(r"[a-zA-Z][a-zA-Z0-9+.-]*:", target):
                continue
            links += 1
            name, _, anchor = target.partition("#")
            to = (page.parent / name).resolve() if name else page
            where = f"{page.relative_to(ROOT)} links to {target}"
            if not to.is_relative_to(ROOT.resolve()) or not to.exists():
                wrong.append(f"{where}, which is not there")
            elif anchor and to.suffix == ".md" and anchor not in anchors(to):
                wrong.append(f"{where}, which has no such heading")
    return wrong if links else ["no link was found"]


def main():
    text = (ROOT / "README.md").read_text()
    failed = report("hello.c", check_example(text, "examples/hello.c", "c"))
    failed |= report("hello.cpp", check_example(text, "examples/hello.cpp", "cpp"))
    failed |= report("hello.c is short", check_size("examples/hello.c"))
    failed |= report("links", check_links([ROOT / "README.md", *sorted((ROOT / "doc").glob("*.md"))]))
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
