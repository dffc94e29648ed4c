"""A region by hand: prints the environment that a program needs, and lives until it is interrupted."""

import signal
import time

from .region import Region

if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with Region() as region:
        for name, value in region.environment.items():
            print(f"export {name}={value}", flush=True)
        told = refused = 0
        try:
            while True:
                time.sleep(1)
                for problem in region.problems[told:]:
                    print(problem, flush=True)
                told = len(region.problems)
                for line in region.front.refused[refused:]:
                    print("refused:", line, flush=True)
                refused = len(region.front.refused)
        except KeyboardInterrupt:
            pass
