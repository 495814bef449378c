"""docs/command-line.md, from what `podkeeperd --help` prints."""

import re
import subprocess

HEAD = """<!-- Written by scripts/generate from `podkeeperd --help`. -->
# Command line of podkeeperd

A flag `--name` is also the variable `PODKEEPER_NAME` and the key `name` (lowerCamel) of the
configuration file; a flag wins over the variable, the variable over the file, the file over the
default. `_` is accepted for `-` in a flag's name. Under `--standalone` the defaults are
`--api-bind-address=127.0.0.1:8080`, `--auth-mode=None`, `--metrics-bind-address=0` and
`--health-probe-bind-address=127.0.0.1:8081`.

```yaml
apiVersion: config.podkeeper.dev/v1alpha1
kind: PodkeeperConfiguration
apiserver: http://127.0.0.1:8001
```

The exit code is 0 after SIGTERM or SIGINT, 1 when the settings are refused or the start fails, with
one line that says what to do, and 70 after an internal error.

"""


def options(help_text):
    """(name, what stands for its value, default, description) of each flag, in order."""
    lines = help_text.partition("Options:\n")[2].partition("\nSubcommands:")[0].splitlines()
    joined = []
    for line in lines:
        if line.startswith("  -"):
            joined.append(line.strip())
        elif line.strip():
            joined[-1] += "  " + line.strip()
    for line in joined:
        flag, _, rest = line.partition(" ")
        value = re.match(r"([A-Z]+)(?:=(\S+))? +", rest)
        if not value:
            yield flag.replace(",", ", "), "", "", rest.strip()
        else:
            yield flag, value[1], value[2] or "", rest[value.end() :].strip()


def subcommands(help_text):
    for line in help_text.partition("Subcommands:\n")[2].splitlines():
        name, _, description = line.strip().partition(" ")
        if name:
            yield name, description.strip()


def reference(binary):
    text = subprocess.run([binary, "--help"], capture_output=True, text=True, check=True).stdout
    out = HEAD + "## Commands\n\n| command | what it does |\n|---|---|\n"
    out += "".join(f"| `podkeeperd {n}` | {d} |\n" for n, d in subcommands(text))
    out += "\n## Flags\n\n| flag | value | default | what it says |\n|---|---|---|---|\n"
    for flag, value, default, description in options(text):
        out += f"| `{flag}` | {value} | {f'`{default}`' if default else ''} | {description} |\n"
    return out
