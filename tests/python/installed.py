"""installed.py PACKAGE COMMAND: the installed module runs from its own files, and says what the installed command says."""

import json
import os
import subprocess
import sys

import orrery

package, command = sys.argv[1:]
assert os.path.samefile(os.path.dirname(orrery.__file__), package), orrery.__file__
assert "only-here" in [model["name"] for model in orrery.list("models")], "the installed data is not found"
for arguments in [[], ["--engine", "simgrid"]]:
    printed = subprocess.run(
        [command, "run", "llama3-8b", "--set", "training.global_batch=32", "--json", *arguments], capture_output=True, text=True
    )
    try:
        result = orrery.run("llama3-8b", set={"training.global_batch": 32}, engine=arguments[1] if arguments else None)
    except orrery.MissingCapability:
        assert printed.returncode == 3, printed
        continue
    assert result == json.loads(printed.stdout), arguments
