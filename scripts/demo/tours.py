# SPDX-License-Identifier: Apache-2.0
"""What every tour of scripts/quickstart has: its command line, its end, and the ends of earlier ones.

A lab has `name`, `folder`, close() and leftovers(); a file `kept` in the folder says that it is to stay. A tour has `lab`,
`screen`, `title`, `say`, `check`, and run()."""
import argparse
import signal
import subprocess
import sys

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def give(tour, keep, how_to_go_on, nothing_left):
    """Runs a tour and cleans up behind it, or keeps it; gives an exit status. `nothing_left`: the last check's name."""
    kept = False
    try:
        tour.run()
        kept = keep
        if kept:
            (tour.lab.folder / "kept").touch()
            how_to_go_on(tour)
    except (RuntimeError, OSError, subprocess.SubprocessError) as error:
        tour.check("the tour comes to its end", False, error)
    finally:
        if not kept:
            finish(tour, nothing_left)
    tour.say(f"\n{tour.screen.worked} checks worked, {tour.screen.failed} failed")
    return 1 if tour.screen.failed else 0


def finish(tour, nothing_left):
    """Cleans up and says so."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)  # half a cleaning helps nobody
    tour.lab.close()
    tour.title("Cleaned up")
    left = tour.lab.leftovers()
    tour.check(nothing_left, not left, "\n".join(left))


def clean(labs):
    """Ends earlier tours; gives an exit status."""
    status = 0
    for lab in labs:
        lab.close()
        left = lab.leftovers()
        print(f"removed {lab.name}" if not left else f"{lab.name}: still there: {', '.join(left)}", flush=True)
        status = 1 if left else status
    return status


def stop(number, _):
    print(f"\nstopped by {signal.Signals(number).name}", file=sys.stderr, flush=True)
    sys.exit(128 + number)


def main(program, description, earlier, give_tour):
    """`earlier()`: {name: lab} of tours that no process is giving. `give_tour(keep)`: an exit status."""
    parser = argparse.ArgumentParser(prog=program, description=description)
    parser.add_argument("--keep", action="store_true", help="leave it running and print how to go on")
    parser.add_argument("--clean", nargs="?", const="all", metavar="NAME", help="end what earlier runs left, or one of them")
    options = parser.parse_args()
    for number in SIGNALS:
        signal.signal(number, stop)
    found = earlier()
    if options.clean:
        if options.clean not in ("all", *found):
            sys.exit(f"scripts/quickstart: found no tour {options.clean}, expected one of: {', '.join(found) or '(none)'}")
        return clean(list(found.values()) if options.clean == "all" else [found[options.clean]])
    clean([lab for lab in found.values() if not (lab.folder / "kept").exists()])
    return give_tour(options.keep)
