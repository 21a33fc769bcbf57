#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""kunit.py RESULTS.json: prints "PASSED FAILED SKIPPED".

RESULTS.json is the output of the kernel's `kunit.py parse --json`. A case that
crashed or gave no result counts as failed.
"""
import json
import sys

with open(sys.argv[1], encoding="utf-8") as file:
    count = json.load(file)["misc"]
print(count["passed"], count["failed"] + count["crashed"] + count["errors"],
      count["skipped"])
