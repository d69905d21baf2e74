"""How long do the compiled loops take beside torch.nn, a plain loop over the same step, jitted scans and other peers?

    python benchmarks/engine.py [--cases all] [--cells all] [--peers all] [--rounds 15] [--threads 2] [--json FILE]

is `carrousel bench`, whose --help says what the options mean.
"""

import sys

if __name__ == "__main__":
    sys.argv.insert(1, "bench")
    from carrousel.cli import main

    main()
