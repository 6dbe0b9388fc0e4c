"""`python -m benchmarks [NAME ...]`: run them, and print what they measured as Markdown."""

import argparse

from benchmarks import apply, engines, first_run, gitops, hosts, k3s_ansible, preview, serving, storage

BENCHMARKS = {
    "first-run": first_run,
    "preview": preview,
    "apply": apply,
    "engines": engines,
    "gitops": gitops,
    "hosts": hosts,
    "k3s-ansible": k3s_ansible,
    "storage": storage,
    "serving": serving,
}


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Ratios, measured side by side.")
    parser.add_argument("names", nargs="*", choices=[[], *BENCHMARKS], metavar="NAME", help=", ".join(BENCHMARKS))
    names: list[str] = parser.parse_args().names or list(BENCHMARKS)
    for name in names:
        module = BENCHMARKS[name]
        print(f"\n### {name}\n{(module.__doc__ or '').strip()}\n", flush=True)
        print("\n".join(module.run()), flush=True)


if __name__ == "__main__":
    main()
