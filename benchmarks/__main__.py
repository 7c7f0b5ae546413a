"""Run the benchmarks that need nothing but this machine: `make bench`."""

import runpy

for name in ("benchmarks.read", "benchmarks.label"):
    print(f"== python -m {name}", flush=True)
    runpy.run_module(name, run_name="__main__")
