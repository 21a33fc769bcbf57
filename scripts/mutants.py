#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""mutants.py [NAME]...: apply each bug of mutations/ to a copy of build/linux
and run the test that must catch it: the suite in a cell, or a guest program.

NAME is a file of mutations/ without .patch, or a shell pattern. Without NAME,
mutants.py takes the names from the variable ONLY. Without both, it runs all
mutations, and KEEP=1 writes the verdicts to results/mutants.txt. Two lanes run
in parallel, so that one lane boots while the other builds. Each lane has a git
worktree and build trees below build/mutants/LANE. A step must first pass
without a mutation. Logs: build/log/STEP-LANE-*.log. Exit status: 0 if each
mutation was killed, 1 if not, or if a file of mutations/ is invalid, 130 if
stopped by a signal.
"""
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time

os.chdir(Path(__file__).resolve().parents[1])
TREE = 'build/linux'
DIR = Path('build/mutants')
# The lanes share this cell, which has almost half of all mutations.
SHARED = 'x86_64'
HEAD = re.compile(r'((?:(?:What|Cell|Guest|Steps|Slow|Args|Hang|Killed-by): .*'
                  r'\n(?: .*\n)*)+)\n*(?:diff |--- )')
# The first of these lines on a console decides the verdict. With kmemleak=off,
# the message that the leak detector is disabled decides nothing.
DECISIVE = re.compile('^(?!.*leak detector disabled).*(' + '|'.join(
    ['EXPECTATION FAILED', 'ASSERTION FAILED', '^ *not ok',
     *Path('configs/splats').read_text('utf-8').splitlines()]) + ')', re.M)
# An M in the environment is a module directory for the kernel's make.
ENV = {name: value for name, value in os.environ.items()
       if not re.match(r'GIT_|(M|MFLAGS|MAKEFLAGS|MAKEOVERRIDES)$', name)}
ENV |= {'LC_ALL': 'C', 'GIT_CONFIG_NOSYSTEM': '1', 'GIT_ATTR_NOSYSTEM': '1',
        'GIT_CONFIG_GLOBAL': '/dev/null',
        'GIT_CEILING_DIRECTORIES': os.path.abspath('build')}
GIT = ('git -c core.hooksPath=/dev/null -c core.attributesFile=/dev/null'
       ' -c core.autocrlf=false -c safe.directory=*').split()
LOCK = threading.Lock()
STALE = {}    # build tree: the -b that brings it up to date
PASSED = {}   # lane and run: whether it passes without a mutation
RESULTS = {}  # name: (step, verdict, why)
STOPPED = []


@dataclass
class Mutation:
    """A file of mutations/: its header lines, and the files to change."""
    path: Path
    head: dict
    step: str
    steps: list
    files: list


def git(where, *words, check=True):
    """Run git without the user's settings; Ctrl-C does not interrupt it."""
    done = subprocess.run([*GIT, '-C', where, *words], env=ENV, check=False,
                          capture_output=True, errors='replace',
                          start_new_session=True)
    if check and done.returncode:
        sys.exit(f'mutants.py: git {words[0]} in {where}: {done.stderr}')
    return done


def read(path):
    """Return the text of a file, or "" if it does not exist."""
    path = Path(path)
    return path.read_text('ascii', 'ignore') if path.exists() else ''


def parse(path):
    """Parse a file of mutations/ into a Mutation."""
    text = read(path)
    found = HEAD.match(text)
    head = dict(re.findall(r'^(\S+): (.*)', found[1], re.M)) if found else {}
    if ('Cell' in head) == ('Guest' in head):
        sys.exit(f'mutants.py: {path} must begin with header lines, one of'
                 ' them Cell: or Guest:, and a diff; see mutations/README.md')
    where, step = (('configs/cells', head['Cell']) if 'Cell' in head else
                   ('guest', 'guest/' + head['Guest']))
    name = Path(step).name
    if not [*Path(where).rglob(name), *Path(where).rglob(f'{name}.py')]:
        sys.exit(f"mutants.py: {path}: there is no '{name}' in {where}/")
    return Mutation(path, head, step, head.get('Steps', '').split(),
                    re.findall(r'^--- a/(\S+)', text, re.M))


def plan(mutations):
    """Group the mutations into a list per step, the longest list first."""
    # A mutation of a header rebuilds the most, so it comes first in its list.
    count = Counter(one.step for one in mutations)
    mutations = sorted(mutations, key=lambda one: (
        one.step == SHARED, -count[one.step], one.step,
        not re.search(r'\binclude/', ' '.join(one.files)), one.path))
    return [list(some) for _, some in groupby(
        mutations, lambda one: one.path if one.step == SHARED else one.step)]


def report(verdict, began, name, step, why):
    """Print a result and add it to RESULTS."""
    line = (f'{verdict:8} {time.monotonic() - began:4.0f} s  {name:33} {step}'
            f'{why and ": "}{why}')
    with LOCK, open(DIR / 'results', 'a', encoding='utf-8') as file:
        RESULTS[name] = step, verdict, why
        print(line, flush=True)
        print(line, file=file)


def seen(console):
    """Return the first decisive line, and the failed KUnit expectation."""
    text = read(console)
    found = DECISIVE.search(text)
    lines = text[found.start():].splitlines() if found else ['']
    text = ' '.join(re.sub(r'^(\[[^]]*\])? *(# )?|\t', '', line) for line in
                    lines[:3 if ' FAILED ' in lines[0] else 1])
    return re.sub(r'EXPECTATION FAILED at \S*/', '', text)[:120]


def part(out, mutation):
    """Return the one object or module that the mutation changes, or 'make'."""
    objects = {re.sub(r'\.c$', '.o', file) for file in mutation.files}
    if 'Guest' in mutation.head:
        found = [str(mod.relative_to(out).with_suffix('.ko'))
                 for mod in out.rglob('*.mod')
                 if objects <= set(read(mod).splitlines())]
    else:
        found = [one for one in objects if one.endswith('.o')
                 and (out / one).exists() and len(objects) == 1]
    return found[0] if len(found) == 1 else 'make'


def run(words, env, log, console):
    """Return the exit status of a run; a decisive line ends it early."""
    for path in console, f'{log}-run.log':
        Path(path).unlink(missing_ok=True)
    with open(f'{log}-mutant.log', 'wb') as file, subprocess.Popen(
            words, env=env, stdin=subprocess.DEVNULL, stdout=file, stderr=file,
            start_new_session=True) as process:
        while process.poll() is None:
            time.sleep(0.2)
            # The report of a guest program says more than its console.
            if STOPPED or words[0] == 'scripts/suite' and seen(console):
                time.sleep(0.3)  # The details of the failure follow.
                os.killpg(process.pid, signal.SIGTERM)
                process.wait()
    if STOPPED:
        sys.exit(130)
    return process.returncode


def attempt(lane, mutation, steps, mutated):
    """Run the test; return 'survived', 'killed' or 'failed', and why."""
    name = Path(mutation.step).name
    if 'Guest' in mutation.head:
        log, out = f'build/log/guest-{lane}', DIR / lane / f'guest-{lane}'
        console = f'{log}-{name}-console.log'
        words = ['scripts/guest', '-o', out]
    else:
        log, out = f'build/log/{name}-{lane}', DIR / lane / 'cells' / name
        console = f'{log}-console.log'
        words = ['scripts/suite', '-o', out.parent, '-x', f'-{lane}',
                 '-l', '240', '-f',
                 '' if 'Slow' in mutation.head else 'speed>slow']
        steps = mutation.head.get('Args', '').split()
    only = part(out, mutation) if mutated else 'none'
    build = STALE.pop(out, 'configure')
    if mutated and build != only:
        build = only if build == 'none' else 'make'
    words += ['-t', DIR / lane / 'linux', '-b', build, name, *steps]
    # Objects of a mutant must not come from or enter the compiler cache.
    status = run(words, ENV | {'CCACHE_DISABLE': '1'} if mutated else ENV, log,
                 console)
    said = read(f'{log}-mutant.log')
    found = re.search(r'^[^:\n]*: failed: (.+)\n\Z', said, re.M)
    why = found[1] if found and status == 1 else seen(console)
    said += read(f'{log}-run.log')
    if not why and 'Hang' in mutation.head and 'no end after' in said:
        why = 'hangs, as it must'
    if status and not why:
        return 'failed', f'no verdict, see {log}-*.log'
    STALE[out] = only
    return ('killed', why) if status else ('survived', '')


def passes(lane, mutation, steps):
    """Return whether the step passes without a mutation, once per lane."""
    what = ' '.join([mutation.step, *['slow'] * ('Slow' in mutation.head),
                     *mutation.head.get('Args', '').split(), *steps])
    if (lane, what) not in PASSED:
        began = time.monotonic()
        verdict, why = attempt(lane, mutation, steps, False)
        PASSED[lane, what] = verdict == 'survived'
        report('passed' if PASSED[lane, what] else 'failed', began,
               '(no mutation)', what, why)
    return PASSED[lane, what]


def work(lane, todo, commit):
    """Take lists of mutations until none is left."""
    copy = DIR / lane / 'linux'
    checkout = 'checkout', '-q', '-f', '--detach', commit
    if git(copy, *checkout, check=False).returncode:
        shutil.rmtree(copy, ignore_errors=True)
        git(TREE, 'worktree', 'prune')
        git(TREE, 'worktree', 'add', '-f', '--detach', copy.resolve(), commit)
    while todo:
        # The lanes start at opposite ends, so that one can reuse the objects
        # that the other has put into the compiler cache.
        with LOCK:
            some = todo.pop(0 if lane == '1' else -1) if todo else []
        steps = sorted({step for one in some for step in one.steps})
        if not all(one.steps for one in some):
            steps = []
        # Do all runs without a mutation first: they share one build.
        for one in some:
            passes(lane, one, steps)
        for one in some:
            began = time.monotonic()
            if not passes(lane, one, steps):
                verdict, why = 'failed', 'fails without the mutation'
            elif (done := git(copy, 'apply', one.path.resolve(),
                              check=False)).returncode:
                verdict = 'failed'
                why = f'does not apply: {done.stderr.splitlines()[0]}'
            else:
                verdict, why = attempt(lane, one, one.steps, True)
                git(copy, *checkout)
            report(verdict, began, one.path.stem, one.step, why)


def main():
    """Run the mutations, and count the verdicts."""
    began = time.monotonic()
    for number in signal.SIGINT, signal.SIGTERM, signal.SIGHUP:
        signal.signal(number, lambda *_: STOPPED.append(True))
    names = sys.argv[1:] or os.environ.get('ONLY', '').split()
    mutations = {}
    for name in names or ['*']:
        name = name.removesuffix('.patch')
        paths = [*Path('mutations').glob(f'{name}.patch')]
        if not paths:
            sys.exit(f"mutants.py: no mutation '{name}' in mutations/")
        mutations |= {path.stem: parse(path) for path in paths}
    commit = (git(TREE, 'stash', 'create').stdout
              or git(TREE, 'rev-parse', 'HEAD').stdout).strip()
    for path in DIR / '1/cells', DIR / '2/cells', Path('build/log'):
        path.mkdir(parents=True, exist_ok=True)
    (DIR / 'results').write_text('')
    todo = plan(mutations.values())
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda lane: work(lane, todo, commit), '12'))
    results = {name: RESULTS[name] for name in sorted(mutations)}
    if os.environ.get('KEEP') and not names:
        (DIR / 'table').write_text(''.join(
            f'{name:33} {step:21} {verdict:8} {why}\n'
            for name, (step, verdict, why) in results.items()))
        if subprocess.run(['scripts/keep', 'mutants.txt', DIR / 'table'],
                          check=False).returncode:
            sys.exit('mutants.py: results/mutants.txt was not written')
    count = Counter(verdict for _, verdict, _ in results.values())
    failed = len(results) - count['killed']
    print(f'{count["killed"]} killed, {count["survived"]} survived,'
          f' {failed - count["survived"]} without a verdict,'
          f' {time.monotonic() - began:.0f} s')
    print(f'{count["killed"]} passed, {failed} failed, 0 skipped')
    sys.exit(failed > 0)


if __name__ == '__main__':
    main()
